"""The demo: many jobs at once on the local engine, followed live with the client for AWS."""

import logging
import os
import sys
import time
from collections.abc import Sequence

import anyio
from rich.console import Console
from rich.text import Text

from asyncbatch import progress
from asyncbatch._cli import demo_jobs, demo_report
from asyncbatch._client import AsyncBatchClient
from asyncbatch._jobs.job import Job
from asyncbatch._values.errors import JobFailed
from asyncbatch._values.policies import LogPolicy, PollPolicy
from asyncbatch._values.requests import JobRequest
from asyncbatch._values.results import JobResult

# Jobs that take a second each are asked about more eagerly than those of AWS.
_POLL = PollPolicy(min_interval=0.25, max_interval=1)
_LOGS = LogPolicy(interval=0.25, drain=0.5)
# More than the machine may have: the jobs sleep.
_VCPUS = 8
_FOLLOWED = {"train": "magenta", "upload": "yellow"}


class _Output(Console):
    """Standard output, which may be a pipe whose reader leaves."""

    def on_broken_pipe(self) -> None:
        """Fall silent; rich would raise SystemExit in any task. SIGPIPE is what ends the demo."""
        self.quiet = True
        # What is buffered has to go somewhere when the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


async def run_demo() -> int:
    """Run it; return 0 when it went as planned, one failing job included, else 1."""
    console = _Output(highlight=False)
    _say(console, "A nightly pipeline of 46 jobs, about 10 s; one job fails on purpose.")
    # Half a second of imports: after the first words, not before.
    from asyncbatch.local import LocalBatch

    # The engine warns of what it is not; here that is a line among the others.
    logging.getLogger("asyncbatch.local").setLevel(logging.ERROR)
    async with LocalBatch(vcpus=_VCPUS) as local:
        _say(console, f"{local.notice}\n", style="dim")
        started_at = time.monotonic()
        with progress.display(console) as observer:
            client = AsyncBatchClient(
                session=local.session, poll=_POLL, logs=_LOGS, observers=[observer]
            )
            async with client as batch:
                jobs = await _submit(batch)
                results = await _follow(jobs, console)
                failures = await _failures(jobs)
        seconds = time.monotonic() - started_at
        console.print("", demo_report.results_table(results), "")
        _explain(console, failures)
        _say(console, demo_report.summary(results, local.calls, seconds), style="bold")
    if [each.result.name for each in failures] != [demo_jobs.FAILS_ON_PURPOSE]:
        _say(console, f"Not as planned: only {demo_jobs.FAILS_ON_PURPOSE} was meant to fail.")
        return 1
    _say(console, f"\n{demo_report.NEXT_STEPS}")
    return 0


async def _submit(batch: AsyncBatchClient) -> list[Job]:
    """Register the job definitions and submit all jobs, the last one depending on others."""
    for definition in demo_jobs.definitions():
        await batch.register_job_definition(definition)
    jobs = await batch.submit_many(demo_jobs.independent_requests())
    tiles = [job for job in jobs if job.name == "tiles"]
    report = JobRequest("report", queue=demo_jobs.QUEUE, name="report", depends_on=tiles)
    return [*jobs, await batch.submit(report)]


async def _follow(jobs: Sequence[Job], console: Console) -> list[JobResult]:
    """Wait for all jobs while the logs of some are shown as they are written."""
    async with anyio.create_task_group() as group:
        for job in jobs:
            if job.name in _FOLLOWED:
                group.start_soon(_show_log, job, console)
    return [await job.result(check=False) for job in jobs]


async def _show_log(job: Job, console: Console) -> None:
    width = max(map(len, _FOLLOWED))
    async for event in job.logs():
        prefix = (f"{job.name:>{width}} | ", _FOLLOWED[job.name])
        _print(console, Text.assemble(prefix, event.message))


async def _failures(jobs: Sequence[Job]) -> list[JobFailed]:
    """Return what a program gets that awaits the jobs which failed."""
    failures = []
    for job in jobs:
        try:
            await job
        except JobFailed as error:
            failures.append(error)
    return failures


def _explain(console: Console, failures: Sequence[JobFailed]) -> None:
    # One is meant to fail. If all fail, for want of `sh`, the first ones tell why.
    for error in failures[:3]:
        on_purpose = error.result.name == demo_jobs.FAILS_ON_PURPOSE
        how = "on purpose" if on_purpose else "against the plan"
        _say(console, f"`await {error.result.name}` raises, {how}:", style="bold")
        _say(console, f"{type(error).__name__}: {error}\n")


def _say(console: Console, text: str, style: str = "") -> None:
    _print(console, Text(text, style))


def _print(console: Console, text: Text) -> None:
    """Print text as it is; only a terminal gets its lines folded."""
    console.print(text, soft_wrap=not console.is_terminal)
