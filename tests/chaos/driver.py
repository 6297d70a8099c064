"""The program that is killed: runs its requests with a journal, and reports what it received.

The report is a file of lines, which survives the process.
"""

import asyncio
import json
import logging
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncbatch import (
    AsyncBatchClient,
    AsyncBatchError,
    Event,
    JobFinished,
    JobRequest,
    JobResult,
    Journal,
    Observer,
    stop_on_sigterm,
)
from tests.chaos.clock import FastLoop, WallClock
from tests.chaos.plan import Plan, Work
from tests.chaos.shared import Shared

DONE = 0
# Ended with an AsyncBatchError: the program is run again, as a user would do.
TO_BE_RUN_AGAIN = 3
STOPPED = 128 + signal.SIGTERM


class Report:
    """A file of JSON lines, written without a buffer."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, **facts: object) -> None:
        """Append a line."""
        os.write(self._file, json.dumps(facts).encode() + b"\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The environment of a driver.

    Attributes:
        plan: The run.
        shared: What the processes of the run share.
        directory: Directory of the journal, the report and the log.
        door: Environment variables for the endpoint and credentials of the engine.
        session: An aiobotocore session that has read its models already.
        began: `time.monotonic()` and `time.time()` when the run began.
    """

    plan: Plan
    shared: Shared
    directory: Path
    door: Mapping[str, str]
    session: Any
    began: tuple[float, float]


def drive(world: World) -> int:
    """Run one driver process and return its exit code."""
    world.shared.driver = os.getpid()
    path = world.directory / f"driver-{world.shared.driver_number}"
    logging.basicConfig(
        filename=path.with_suffix(".log"), level=logging.INFO, format="%(asctime)s %(message)s"
    )
    report = Report(path.with_suffix(".jsonl"))
    try:
        with asyncio.Runner(loop_factory=FastLoop) as runner:
            return runner.run(_drive(world, report))
    except SystemExit:  # by stop_on_sigterm
        return STOPPED


async def _drive(world: World, report: Report) -> int:
    _set_clocks(world, report)
    try:
        with stop_on_sigterm():
            results = await _results(world, report)
    except AsyncBatchError as error:
        report.write(error=f"{type(error).__name__}: {error}")
        return TO_BE_RUN_AGAIN
    report.write(results=[facts_of(result) for result in results])
    return DONE


async def _results(world: World, report: Report) -> list[JobResult]:
    """Run the requests of the plan and return their results."""

    def observe(event: Event) -> None:
        if isinstance(event, JobFinished):
            world.shared.delivered()
            report.write(finished=event.job_id)

    async with _client(world, observe) as batch:
        if world.plan.resumes and world.shared.driver_number:
            report.write(resumed=[job.id for job in await batch.resume()])
        return await batch.run(map(request, world.plan.work), check=False)


def _client(world: World, observe: Observer) -> AsyncBatchClient:
    door = world.door
    world.session.set_credentials(door["AWS_ACCESS_KEY_ID"], door["AWS_SECRET_ACCESS_KEY"])
    return AsyncBatchClient(
        session=world.session,
        region_name=door["AWS_REGION"],
        endpoint_url=door["AWS_ENDPOINT_URL_BATCH"],
        # FAILED jobs are not run again: the oracle expects one job for each request.
        journal=Journal(world.directory / "run.db", rerun_failed=False),
        observers=[observe],
    )


def _set_clocks(world: World, report: Report) -> None:
    wall = WallClock(world.began)

    def set_wrong(seconds: float) -> None:
        wall.set(seconds)
        report.write(clock=seconds)

    for at, seconds in world.plan.clock_jumps:
        asyncio.get_running_loop().call_later(at, set_wrong, seconds)


def request(work: Work) -> JobRequest:
    """Return the request for a job of the plan."""
    return JobRequest(
        "chaos",
        queue="default",
        name=work.name,
        environment={
            "NUMBER": str(work.number),
            "FOR": str(work.seconds),
            "EXIT": str(work.exit_code),
        },
        array_size=work.array_size,
    )


def facts_of(result: JobResult) -> dict[str, object]:
    """Return what the report has about the end of a job."""
    return {"id": result.job_id, "succeeded": result.succeeded}
