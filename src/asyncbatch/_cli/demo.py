"""`asyncbatch demo`: runs many jobs on the local engine and follows them live.

The client is the one that connects to AWS; only its session differs.
"""

import logging
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import anyio
from rich.console import Console
from rich.text import Text

from asyncbatch import progress
from asyncbatch._cli import demo_jobs, demo_report
from asyncbatch._cli.errors import UsageError
from asyncbatch._cli.running import command, message_when_stopped
from asyncbatch._client import AsyncBatchClient
from asyncbatch._jobs.job import Job
from asyncbatch._values.errors import JobFailed
from asyncbatch._values.policies import LogPolicy, PollPolicy
from asyncbatch._values.requests import JobRequest
from asyncbatch._values.results import JobResult
from asyncbatch._values.text import fit_for_terminal

# Jobs here take about a second each, so they are polled more often than jobs on AWS.
_POLL = PollPolicy(min_interval=0.25, max_interval=1)
_LOGS = LogPolicy(interval=0.25, drain=0.5)
# May exceed the number of CPUs of the machine: the jobs only sleep.
_VCPUS = 8
_FOLLOWED = {"train": "magenta", "upload": "yellow"}


@command
async def demo() -> int:
    """Run 46 small jobs on this machine and follow them.

    Takes about ten seconds and needs neither an AWS account nor network access. One job fails on
    purpose, to show how failures are reported; the exit code is still 0.
    """
    if os.name != "posix":
        raise UsageError("asyncbatch demo requires Linux or macOS: its jobs are `sh` commands.")
    # The engine logs its notice as a warning; the demo prints it instead.
    with (
        _only_errors(logging.getLogger("asyncbatch.local")),
        message_when_stopped(lambda: "Stopped: no job was left running."),
    ):
        return await _run()


@contextmanager
def _only_errors(logger: logging.Logger) -> Iterator[None]:
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


async def _run() -> int:
    """Run the demo; return 0 if exactly the one job failed that is meant to, else 1."""
    console = Console(highlight=False)
    _print_text(console, "A nightly pipeline of 46 jobs, about 10 s; one job fails on purpose.")
    # Importing this takes half a second: print the first line before.
    from asyncbatch.local import LocalBatch

    async with LocalBatch(vcpus=_VCPUS) as local:
        _print_text(console, f"{local.notice}\n", style="dim")
        started_at = time.monotonic()
        with progress.display(console=console) as observer:
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
        _print_text(console, demo_report.summary(results, local.calls, seconds), style="bold")
    if [each.result.name for each in failures] != [demo_jobs.FAILS_ON_PURPOSE]:
        _print_text(
            console, f"Unexpected result: only {demo_jobs.FAILS_ON_PURPOSE} should have failed."
        )
        return 1
    _print_text(console, f"\n{demo_report.NEXT_STEPS}")
    return 0


async def _submit(batch: AsyncBatchClient) -> list[Job]:
    """Register the job definitions and submit all jobs; the last one depends on others."""
    for definition in demo_jobs.definitions():
        await batch.register_job_definition(definition)
    jobs = await batch.submit_many(demo_jobs.independent_requests())
    tiles = [job for job in jobs if job.name == "tiles"]
    report = JobRequest("report", queue=demo_jobs.QUEUE, name="report", depends_on=tiles)
    return [*jobs, await batch.submit(report)]


async def _follow(jobs: Sequence[Job], console: Console) -> list[JobResult]:
    """Wait for all jobs, printing the logs of some while they run."""
    async with anyio.create_task_group() as group:
        for job in jobs:
            if job.name in _FOLLOWED:
                group.start_soon(_show_log, job, console)
    return [await job.result(check=False) for job in jobs]


async def _show_log(job: Job, console: Console) -> None:
    width = max(map(len, _FOLLOWED))
    async for event in job.logs():
        prefix = (f"{job.name:>{width}} | ", _FOLLOWED[job.name])
        _print(console, Text.assemble(prefix, fit_for_terminal(event.message)))


async def _failures(jobs: Sequence[Job]) -> list[JobFailed]:
    """Return the errors that awaiting the jobs raises."""
    failures = []
    for job in jobs:
        try:
            await job
        except JobFailed as error:
            failures.append(error)
    return failures


def _explain(console: Console, failures: Sequence[JobFailed]) -> None:
    # One job is meant to fail. If all fail, for example without `sh`, three errors are enough.
    for error in failures[:3]:
        on_purpose = error.result.name == demo_jobs.FAILS_ON_PURPOSE
        how = "as intended" if on_purpose else "unexpectedly"
        _print_text(console, f"`await {error.result.name}` raises, {how}:", style="bold")
        _print_text(console, f"{type(error).__name__}: {error}\n")


def _print_text(console: Console, text: str, style: str = "") -> None:
    _print(console, Text(text, style))


def _print(console: Console, text: Text) -> None:
    """Print text without markup; wrap lines on terminals only."""
    console.print(text, soft_wrap=not console.is_terminal)
