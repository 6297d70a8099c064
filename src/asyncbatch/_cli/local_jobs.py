"""Runs the jobs of `asyncbatch local`: they use the same AWS Batch as the programs do.

On AWS, a job has the credentials of its job role and the endpoints of its Region, so jobs that
submit jobs are common. Without these variables, such a job would find no credentials here, or
those in the home directory, which are for AWS.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from asyncbatch.local import AttemptEvents, Launch, Process, ProcessExecutor


class JobExecutor(ProcessExecutor):
    """Runs each attempt as processes, with variables that are known once the port is.

    Args:
        directory: Working directory of the jobs; None for a temporary one for each attempt.
        environment: Variables of all jobs.
        enforce_memory: Whether a job that uses more than its memory is killed.
    """

    def __init__(
        self, *, directory: Path | None, environment: Mapping[str, str], enforce_memory: bool
    ) -> None:
        super().__init__(directory=directory, enforce_memory=enforce_memory)
        self._of_all_jobs = dict(environment)

    def add(self, variables: Mapping[str, str]) -> None:
        """Add variables, which those that are there, and those of a job, replace."""
        self._of_all_jobs = {**variables, **self._of_all_jobs}

    def start(self, launch: Launch, events: AttemptEvents) -> Process:
        """Start an attempt's command."""
        environment = {**self._of_all_jobs, **launch.environment}
        return super().start(replace(launch, environment=environment), events)
