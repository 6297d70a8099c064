"""A client on the embedded engine, whose jobs play scripts."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import anyio
import pytest

from asyncbatch import AsyncBatchClient, Event, LogPolicy, PollPolicy, RateLimits
from asyncbatch._polling import queues
from asyncbatch.local import LocalBatch, Script, ScriptedExecutor

DEFINITION: dict[str, Any] = {
    "jobDefinitionName": "hello",
    "type": "container",
    "containerProperties": {
        "image": "busybox",
        "command": ["echo", "hello"],
        "resourceRequirements": [
            {"type": "VCPU", "value": "1"},
            {"type": "MEMORY", "value": "128"},
        ],
    },
}


class Bench:
    """A client, the engine below it, and the events that the client told."""

    def __init__(self, local: LocalBatch, batch: AsyncBatchClient, events: list[Event]) -> None:
        self.local = local
        self.batch = batch
        self.events = events

    def told(self, kind: type[Event]) -> list[Any]:
        """Return the events of one kind, in order."""
        return [event for event in self.events if isinstance(event, kind)]

    async def submitted_by_another(self, number: int) -> list[str]:
        """Submit jobs past the client, and return their ids."""
        async with self.local.session.create_client("batch") as aws:
            answers = [
                await aws.submit_job(jobName="theirs", jobQueue="default", jobDefinition="hello")
                for _ in range(number)
            ]
        return [answer["jobId"] for answer in answers]

    async def next_call(self, operation: str) -> None:
        """Wait until the next call of an operation has arrived at the engine."""
        before = self.local.calls[operation]
        while self.local.calls[operation] == before:  # noqa: ASYNC110 - nobody tells of calls
            await anyio.sleep(0.05)


class MakeBench(Protocol):
    """Opens engine and client; see `bench`."""

    def __call__(
        self,
        script: Script | Callable[..., Script] | None = None,
        *,
        poll: PollPolicy | None = None,
        logs: LogPolicy | None = None,
        limits: RateLimits | None = None,
        **engine: object,
    ) -> AbstractAsyncContextManager[Bench]: ...


@pytest.fixture
def bench() -> MakeBench:
    """Return a context manager that opens an engine with a job definition, and a client."""

    @asynccontextmanager
    async def opened(
        script: Script | Callable[..., Script] | None = None,
        *,
        poll: PollPolicy | None = None,
        logs: LogPolicy | None = None,
        limits: RateLimits | None = None,
        **engine: object,
    ) -> AsyncIterator[Bench]:
        events: list[Event] = []
        settings: dict[str, Any] = {"vcpus": 10_000, "seed": 1, **engine}
        async with LocalBatch(executor=ScriptedExecutor(script), **settings) as local:
            local.session.jobs_outlive_program = True  # the engine plays AWS
            client = AsyncBatchClient(
                session=local.session,
                poll=poll,
                logs=logs,
                limits=limits,
                observers=[events.append],
            )
            async with client as batch:
                await batch.register_job_definition(DEFINITION)
                yield Bench(local, batch, events)

    return opened


@pytest.fixture
def half_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let half of the usual number of jobs be worth a list, to keep tests short."""
    monkeypatch.setattr(queues, "_ENOUGH_JOBS", 100)
    monkeypatch.setattr(queues, "_TOO_FEW_JOBS", 60)
