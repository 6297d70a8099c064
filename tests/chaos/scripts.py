"""What the jobs of a run do, as its plan says; keeps which submission of a job ended how."""

import asyncio
import os
import subprocess
from collections.abc import Mapping
from typing import Any

from asyncbatch.local import Launch, LocalBatch, Script
from tests.chaos.plan import COVERED, MAX_SUBMISSIONS, Course, Ending, Plan
from tests.chaos.shared import Shared

# Prints the index that a child of an array has. If children run again, a line of sh before it sets
# the original index.
PRINT_INDEX = ("printenv", "AWS_BATCH_JOB_ARRAY_INDEX")
_SCRIPTS: Mapping[Ending, Script] = {
    Ending.SUCCEEDED: Script(),
    Ending.HOST_LOST: Script(exit_code=None, status_reason="Host EC2 (instance i-1) terminated."),
    Ending.OUT_OF_MEMORY: Script(
        exit_code=137, reason="OutOfMemoryError: Container killed due to memory usage"
    ),
    Ending.EXIT_CODE: Script(exit_code=3),
    Ending.TERMINATED: Script(duration=None),
}

Unit = tuple[int, int | None]
"""Content of a request, and the original index of a child of its array."""


class Scripts:
    """The scripts of a run.

    Attributes:
        launches: For each job that started, by its id: content, original index, whether it is of
            a whole array, memory, and how it ends.
    """

    def __init__(self, plan: Plan, shared: Shared) -> None:
        self._works = {work.content: work for work in reversed(plan.work)}
        self._shared = shared
        self._endings: dict[Unit, list[Ending]] = {}
        self._local: LocalBatch | None = None
        self.launches: dict[str, dict[str, Any]] = {}

    def use(self, local: LocalBatch) -> None:
        """Set the engine, in which an operator terminates jobs."""
        self._local = local

    def of(self, launch: Launch) -> Script:
        """Return the script of a job that starts."""
        self._shared.progress()
        given = launch.environment
        work = self._works[int(given["CONTENT"])]
        if not work.courses:
            return _lasting(Script(exit_code=int(given["EXIT"])), given)
        index = None if work.array_size is None else _original_index(launch)
        is_whole = index is None or launch.command == PRINT_INDEX
        course = work.courses[index or 0]
        ending = self._next((work.content, index), course, launch.memory_mib or 0)
        self.launches[launch.id] = {
            "content": work.content,
            "index": index,
            "is_whole": is_whole,
            "memory": launch.memory_mib,
            "ending": ending,
        }
        if ending is Ending.TERMINATED:
            asyncio.get_running_loop().call_later(work.seconds, self._terminate, launch.id)
            return _SCRIPTS[ending]
        return _lasting(_SCRIPTS[ending], given)

    def _next(self, unit: Unit, course: Course, memory_mib: int) -> Ending:
        """Return how the next submission of a job ends."""
        endings = self._endings.setdefault(unit, [])
        if endings and (endings[-1] not in COVERED or len(endings) == MAX_SUBMISSIONS):
            endings.clear()  # a program that submits failed jobs again starts it over
        endings.append(course.ending(len(endings), memory_mib))
        return endings[-1]

    def _terminate(self, job_id: str) -> None:
        assert self._local is not None
        engine = self._local._open.engine
        job = engine._jobs.find(job_id)
        if job is not None:
            engine.terminate(job, "terminated by an operator")


def _lasting(script: Script, environment: Mapping[str, str]) -> Script:
    """Return a script with the duration that the environment says."""
    return Script(
        startup=0.5,
        duration=float(environment["FOR"]),
        exit_code=script.exit_code,
        reason=script.reason,
        status_reason=script.status_reason,
    )


def _original_index(launch: Launch) -> int:
    """Return the index that the command of a child sees, by executing it."""
    if launch.command == PRINT_INDEX:
        assert launch.array_index is not None
        return launch.array_index
    environment = {"PATH": os.environ["PATH"], **launch.environment}
    done = subprocess.run(
        launch.command, env=environment, capture_output=True, text=True, check=True, timeout=10
    )
    return int(done.stdout)
