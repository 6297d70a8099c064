"""Jobs that write one line per second, and the check that all their lines were read."""

from collections.abc import AsyncIterator
from typing import Any

from asyncbatch import Job, JobRequest, LogEvent
from asyncbatch.local import Launch, Script
from tests.fixtures.bench import DEFINITION, Bench

JOBS = 120
SECONDS = 40


def chatty(launch: Launch, seconds: int = SECONDS) -> Script:
    """Write a line per second, at a random fraction of it."""
    phase = launch.random.random()
    lines = [(phase + t, f"{launch.name} {t}") for t in range(seconds)]
    return Script(duration=seconds + 1, lines=lines)


async def submit(b: Bench, jobs: int = JOBS) -> list[Job]:
    return await b.batch.submit_many(JobRequest("hello", name=f"j{n}") for n in range(jobs))


async def collect(lines: AsyncIterator[LogEvent], into: list[LogEvent]) -> None:
    async for event in lines:
        into.append(event)  # noqa: PERF401 - keeps the events before an error


def lines_by_job(events: list[LogEvent]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for event in events:
        found.setdefault(event.job_id, []).append(event.message)
    return found


def assert_all_once_in_order(
    jobs: list[Job], events: list[LogEvent], seconds: int = SECONDS
) -> None:
    found = lines_by_job(events)
    assert found == {job.id: [f"{job.name} {t}" for t in range(seconds)] for job in jobs}


async def define(b: Bench, name: str, logs: dict[str, Any]) -> None:
    properties = {**DEFINITION["containerProperties"], "logConfiguration": logs}
    definition = {**DEFINITION, "jobDefinitionName": name, "containerProperties": properties}
    await b.batch.register_job_definition(definition)
