"""The merged logs of many jobs: each line is yielded once and in order, whenever it was written.

Engine, client and consumer are real, in virtual time. The expected lines are what the jobs wrote.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from asyncbatch import AsyncBatchClient, JobRequest, RetryStrategy
from asyncbatch.local import (
    Fault,
    Launch,
    LocalBatch,
    Script,
    ScriptedExecutor,
    run_in_virtual_time,
)

DEFINITION = {
    "jobDefinitionName": "hello",
    "type": "container",
    "containerProperties": {"image": "busybox", "command": ["true"], "vcpus": 1, "memory": 128},
}
FAULTS: dict[str, Fault | None] = {
    "none": None,
    "lost answers": Fault.drop_after(probability=0.2),
    "lost requests": Fault.drop_before(probability=0.2),
    "throttling": Fault.throttle(probability=0.3),
    "5xx": Fault.server_error(probability=0.2),
    "slow answers": Fault.latency(6, probability=0.2),
}

# Seconds since RUNNING; some lines have equal times, and some come after the exit.
moments = st.lists(st.integers(0, 45), max_size=25).map(sorted)


@dataclass(frozen=True, slots=True)
class Written:
    """What one job writes: the times of the lines of each of its attempts."""

    attempts: list[list[int]]

    def lines(self, attempt: int) -> list[tuple[float, str]]:
        written = enumerate(self.attempts[attempt - 1])
        return [(float(moment), f"{attempt}.{number}") for number, moment in written]

    def script(self, attempt: int) -> Script:
        fails = attempt < len(self.attempts)
        return Script(duration=44, exit_code=int(fails), lines=self.lines(attempt))

    def texts(self) -> list[str]:
        attempts = range(1, len(self.attempts) + 1)
        return [text for attempt in attempts for _, text in self.lines(attempt)]


jobs_drawn = st.lists(
    st.lists(moments, min_size=1, max_size=2).map(Written), min_size=1, max_size=24
)


@settings(max_examples=15)  # half a second each
@given(
    written=jobs_drawn,
    fault_name=st.sampled_from(sorted(FAULTS)),
    pause=st.sampled_from([0.0, 0.05, 1.0]),
    reads_late=st.booleans(),
)
@pytest.mark.may_block
def test_each_line_is_yielded_once_and_in_the_order_of_its_job(
    written: list[Written], fault_name: str, pause: float, *, reads_late: bool
) -> None:
    async def story() -> None:
        async with (
            LocalBatch(vcpus=1000, executor=executor_of(written), seed=1) as local,
            AsyncBatchClient(session=local.session) as batch,
        ):
            await batch.register_job_definition(DEFINITION)
            if (fault := FAULTS[fault_name]) is not None:
                local.faults.add("FilterLogEvents", fault)
                local.faults.add("GetLogEvents", fault)
            jobs = await batch.submit_many(requests_of(written))
            if reads_late:
                await anyio.sleep(20)
            found: dict[str, list[str]] = {job.name: [] for job in jobs}
            names = {job.id: job.name for job in jobs}
            async for line in batch.logs(jobs):
                found[names[line.job_id]].append(line.message)
                await anyio.sleep(pause)
            record_operations(local.calls)
        assert found == {f"job{number}": job.texts() for number, job in enumerate(written)}

    run_in_virtual_time(story)


def executor_of(written: list[Written]) -> ScriptedExecutor:
    def script(launch: Launch) -> Script:
        return written[int(launch.name.removeprefix("job"))].script(launch.attempt)

    return ScriptedExecutor(script)


def requests_of(written: list[Written]) -> Iterator[JobRequest]:
    for number, job in enumerate(written):
        retry = RetryStrategy(attempts=len(job.attempts))
        yield JobRequest("hello", queue="default", name=f"job{number}", retry=retry)


def record_operations(calls: Counter[Any]) -> None:
    for operation in ("FilterLogEvents", "GetLogEvents"):
        event(f"{operation}: {'used' if calls[operation] else 'not used'}")
