"""Helpers for tests of programs with a journal that die.

A crash is simulated by a copy of the journal's files: what is on disk at one moment, while the jobs
go on.
"""

import shutil
from pathlib import Path

import anyio

from asyncbatch import AsyncBatchClient, Job, JobRequest, JobStatus, Journal
from tests.fixtures.bench import Bench


def client(b: Bench, journal: Path | Journal) -> AsyncBatchClient:
    """Return the client of a program with a journal."""
    return AsyncBatchClient(session=b.local.session, journal=journal, observers=[b.events.append])


def after_crash(path: Path) -> Path:
    """Return the path of the copy that `crash` makes."""
    return path.with_name(f"after-crash-{path.name}")


async def crash(path: Path) -> None:
    """Copy a journal as a program that is killed now would leave it."""
    copy = after_crash(path)
    for suffix in ("", "-wal"):
        if (file := path.with_name(path.name + suffix)).exists():
            await anyio.to_thread.run_sync(shutil.copy, file, copy.with_name(copy.name + suffix))


def requests(count: int) -> list[JobRequest]:
    """Return requests, each three of which are equal."""
    return [JobRequest("hello", environment={"N": str(n // 3)}) for n in range(count)]


def submitted(b: Bench) -> list[str]:
    return [each.job_id for each in b.local.ledger.submissions]


async def failed_once(b: Bench, job: Job) -> None:
    """Wait until a job has failed and its recovery has begun."""
    async for description in job.changes():
        if description.status is JobStatus.FAILED and b.record(job).is_recovering:
            return
