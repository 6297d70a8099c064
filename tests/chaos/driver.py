"""The program that is killed: runs its requests with a journal, and reports what it received.

The report is a file of lines, which survives the process.
"""

import asyncio
import contextlib
import json
import logging
import os
import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from asyncbatch import (
    ArrayJob,
    AsyncBatchClient,
    AsyncBatchError,
    Event,
    Job,
    JobFinished,
    JobRequest,
    JobResult,
    JobSubmitted,
    Journal,
    Observer,
    RecoveryPolicy,
    SubmitUncertain,
    stop_on_sigterm,
)
from tests.chaos.clock import FastLoop, WallClock
from tests.chaos.disk import Disk
from tests.chaos.plan import MAX_SUBMISSIONS, Kill, Plan, PolicyPlace, Work
from tests.chaos.scripts import PRINT_INDEX
from tests.chaos.shared import Shared

DONE = 0
# Ended with an AsyncBatchError: the program is run again, as a user would do.
TO_BE_RUN_AGAIN = 3
STOPPED = 128 + signal.SIGTERM

CLIENT, CALL, REQUEST = PolicyPlace.CLIENT, PolicyPlace.CALL, PolicyPlace.REQUEST


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
        began: `time.monotonic()` and the time of the engine when the run began.
    """

    plan: Plan
    shared: Shared
    directory: Path
    door: Mapping[str, str]
    session: Any
    began: tuple[float, float]

    @property
    def journal(self) -> Path:
        """Path of the journal."""
        return self.directory / "run.db"


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
    wall = _set_clocks(world, report)
    number, kills = world.shared.driver_number, world.plan.kills
    Disk(
        world.journal,
        full_disks=world.plan.full_disks,
        kill=kills[number] if number < len(kills) else Kill(),
        shared=world.shared,
        clock=wall.true,
    ).use()
    try:
        with stop_on_sigterm():
            results = await _Program(world, report, wall).results()
    except AsyncBatchError as error:
        report.write(error=f"{type(error).__name__}: {error}")
        return TO_BE_RUN_AGAIN
    report.write(results=[facts_of(result) for result in results])
    return DONE


class _Program:
    """What a user's program does: it runs its requests, and reports."""

    def __init__(self, world: World, report: Report, wall: WallClock) -> None:
        self._world = world
        self._plan = world.plan
        self._report = report
        self._wall = wall

    async def results(self) -> list[JobResult]:
        """Run the requests of the plan and return their results."""
        async with _client(self._world, self._observe) as batch:
            if self._plan.resumes and self._world.shared.driver_number:
                await self._resume(batch)
            if self._plan.uses_run:
                with self._reporting("run"):
                    requests = [request(work, self._policy(REQUEST)) for work in self._plan.work]
                    return await batch.run(requests, check=False, recovery=self._policy(CALL))
            return await self._submit_each(batch)

    def _policy(self, place: PolicyPlace) -> RecoveryPolicy | None:
        return policy(self._plan, place)

    def _observe(self, event: Event) -> None:
        if isinstance(event, JobSubmitted):
            self._report.write(submitted=event.job_id)
        if isinstance(event, JobFinished):
            self._world.shared.delivered()
            self._report.write(finished=event.job_id)

    async def _resume(self, batch: AsyncBatchClient) -> None:
        # Afterwards, the same requests settle what `resume` cannot, as they have the content.
        with contextlib.suppress(SubmitUncertain), self._reporting("resume"):
            self._report.write(resumed=[job.id for job in await batch.resume()])

    async def _submit_each(self, batch: AsyncBatchClient) -> list[JobResult]:
        jobs = await asyncio.gather(
            *(self._submit(batch, work) for work in self._plan.work), return_exceptions=True
        )
        for job in jobs:
            if isinstance(job, BaseException):
                raise job
        return [
            await self._result(job, work)
            for job, work in zip(jobs, self._plan.work, strict=True)
            if isinstance(job, Job)
        ]

    async def _submit(self, batch: AsyncBatchClient, work: Work) -> Job:
        with self._reporting("submit", work.content):
            recovery = self._policy(REQUEST) or self._policy(CALL)
            return await batch.submit(request(work, recovery))

    async def _result(self, job: Job, work: Work) -> JobResult:
        with self._reporting("recovery", work.content):
            if work.courses and isinstance(job, ArrayJob):
                children = [await child.result(check=False) for child in job]
                succeeded = [child.succeeded for child in children]
                self._report.write(children=succeeded, request=work.number)
            return await job.result(check=False)

    @contextlib.contextmanager
    def _reporting(self, during: str, content: int | None = None) -> Iterator[None]:
        """Report a submission that is uncertain; `content` is that of its request, if known."""
        try:
            yield
        except SubmitUncertain as error:
            self._report.write(
                uncertain=during,
                content=content,
                name=error.name,
                mark=error.mark,
                since=error.since.timestamp(),
                until=error.until.timestamp(),
                at=self._wall.true(),
                known=[job.id for job in error.submitted],
                doubt=error.doubt,
            )
            raise


def _client(world: World, observe: Observer) -> AsyncBatchClient:
    door = world.door
    world.session.set_credentials(door["AWS_ACCESS_KEY_ID"], door["AWS_SECRET_ACCESS_KEY"])
    return AsyncBatchClient(
        session=world.session,
        region_name=door["AWS_REGION"],
        endpoint_url=door["AWS_ENDPOINT_URL_BATCH"],
        # Without recovery, FAILED jobs are not run again: the oracle expects one job for each
        # request.
        journal=Journal(
            world.journal,
            rerun_failed=world.plan.recovery is not None and world.plan.recovery.reruns_failed,
        ),
        recovery=policy(world.plan, CLIENT),
        observers=[observe],
    )


def _set_clocks(world: World, report: Report) -> WallClock:
    wall = WallClock(world.began)

    def set_wrong(seconds: float) -> None:
        wall.set(seconds)
        report.write(clock=seconds)

    for at, seconds in world.plan.clock_jumps:
        asyncio.get_running_loop().call_later(at, set_wrong, seconds)
    return wall


def policy(plan: Plan, place: PolicyPlace) -> RecoveryPolicy | None:
    """Return the policy that the program sets at a place; None for none."""
    if plan.recovery is None or plan.recovery.place is not place:
        return None
    spot = RecoveryPolicy.for_spot(max_submissions=MAX_SUBMISSIONS, delay=plan.recovery.delay)
    return spot | RecoveryPolicy.more_memory(max_submissions=MAX_SUBMISSIONS)


def request(work: Work, recovery: RecoveryPolicy | None) -> JobRequest:
    """Return the request for a job of the plan."""
    return JobRequest(
        "chaos",
        queue="default",
        name=work.name,
        # The line that sets the index of a child that runs again needs the command.
        command=PRINT_INDEX if work.courses and work.array_size else None,
        environment={
            "CONTENT": str(work.content),
            "FOR": str(work.seconds),
            "EXIT": str(work.exit_code),
        },
        array_size=work.array_size,
        key=work.key,
        recovery=recovery,
    )


def facts_of(result: JobResult) -> dict[str, object]:
    """Return what the report has about the end of a job."""
    return {"id": result.job_id, "succeeded": result.succeeded}
