"""The endpoint that contenders work against, and the oracle: what really happened, and when.

`python -m bench.endpoint` serves the local engine on loopback in a process of its own: it reads a
`Setting` from its argument, prints the environment that leads to it, and, when its standard input
closes, prints an `Account` of what happened.
"""

import asyncio
import dataclasses
import json
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

from asyncbatch.local import (
    AttemptEvents,
    Exit,
    Fault,
    Launch,
    LocalBatch,
    Process,
    Quotas,
    Script,
    ScriptedExecutor,
)
from bench.work import JOB_DEFINITION, log_line

_PLENTY = 1_000_000  # vCPUs: every job starts at once
_STARTUP = 1.0  # seconds from STARTING to RUNNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the engine is like.

    Attributes:
        shortest: Seconds that the shortest job runs.
        longest: Seconds that the longest job runs; None lets them run for ever.
        starts: Whether jobs start at all; else they stay RUNNABLE.
        quotas: Whether AWS's quotas hold.
        latency: Seconds that every answer takes.
        seed: Where durations come from.
        lines: Lines that each job writes.
        line_every: Seconds between two lines of a job; 0 writes them all at once.
    """

    shortest: float = 5.0
    longest: float | None = 15.0
    starts: bool = True
    quotas: bool = True
    latency: float = 0.03
    seed: int = 1
    lines: int = 0
    line_every: float = 0.0

    def script(self, launch: Launch) -> Script:
        """Return what a job does."""
        if self.lines:
            return self._writing(launch)
        if self.longest is None:
            return Script(startup=_STARTUP, duration=None)
        seconds = launch.random.uniform(self.shortest, self.longest)
        return Script(startup=_STARTUP, duration=seconds)

    def _writing(self, launch: Launch) -> Script:
        """Return a job that writes its lines, beginning at a moment of its own, and ends."""
        first = launch.random.uniform(0, self.line_every)
        lines = [(first + n * self.line_every, log_line(n)) for n in range(self.lines)]
        return Script(startup=_STARTUP, duration=lines[-1][0] + 1.0, lines=lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What really happened.

    Attributes:
        calls: Requests that arrived, by operation.
        throttled: Requests that were throttled.
        submissions: How many jobs were submitted; an array is one.
        submit_seconds: From the first submission to the last one.
        ends: When jobs ended, by their ids; an array ends with its last child.
    """

    calls: dict[str, int]
    throttled: int
    submissions: int
    submit_seconds: float
    ends: dict[str, float]

    @classmethod
    def of(cls, local: LocalBatch, watch: "EndWatch") -> Self:
        """Take it from an engine that is still open."""
        ledger = local.ledger
        times = [job.at for job in ledger.submissions]
        return cls(
            calls=dict(ledger.calls),
            throttled=ledger.throttled.total(),
            submissions=len(times),
            submit_seconds=max(times) - min(times) if times else 0.0,
            ends=watch.ends(),
        )


class EndWatch:
    """An executor that plays scripts and remembers, on the loop's clock, when each attempt ended.

    No job of the benchmark is tried again, so the end of its attempt is the end of the job.
    """

    def __init__(self, setting: Setting) -> None:
        self._player = ScriptedExecutor(setting.script)
        self._ends: dict[str, float] = {}
        self.open = self._player.open
        self.aclose = self._player.aclose

    def start(self, launch: Launch, events: AttemptEvents) -> Process:
        """Start an attempt."""
        return self._player.start(launch, _Watched(events, launch.id, self._ends))

    def ends(self) -> dict[str, float]:
        """Return when jobs ended; an array that is not over yet is told by its last end so far."""
        ends: dict[str, float] = {}
        for child, at in self._ends.items():
            job_id = child.partition(":")[0]
            ends[job_id] = max(at, ends.get(job_id, at))
        return ends


class _Watched:
    """Hands on what an attempt reports, and notes when it ends."""

    __slots__ = ("_ends", "_events", "_job_id", "line", "running")

    def __init__(self, events: AttemptEvents, job_id: str, ends: dict[str, float]) -> None:
        self._events = events
        self._job_id = job_id
        self._ends = ends
        self.running = events.running
        self.line = events.line

    def exited(self, exit: Exit) -> None:  # noqa: A002 (the protocol's word)
        self._ends[self._job_id] = asyncio.get_running_loop().time()
        self._events.exited(exit)


@asynccontextmanager
async def engine(setting: Setting) -> AsyncIterator[tuple[LocalBatch, EndWatch]]:
    """Open an engine with one job definition that nobody has asked anything yet."""
    watch = EndWatch(setting)
    local = LocalBatch(
        vcpus=_PLENTY if setting.starts else 1,
        executor=watch,
        quotas=Quotas.aws() if setting.quotas else None,
        seed=setting.seed,
    )
    async with local:
        async with local.session.create_client("batch") as batch:
            await batch.register_job_definition(**_definition(setting))
        local.ledger.calls.clear()
        local.faults.add("*", Fault.latency(setting.latency))
        yield local, watch


def _definition(setting: Setting) -> dict[str, Any]:
    # More vCPUs than there are: such a job stays RUNNABLE.
    needs = {"VCPU": "1" if setting.starts else "2", "MEMORY": "256"}
    return {
        "jobDefinitionName": JOB_DEFINITION,
        "type": "container",
        "containerProperties": {
            "image": "none",
            "command": ["true"],
            "resourceRequirements": [
                {"type": kind, "value": value} for kind, value in needs.items()
            ],
        },
    }


async def _serve(setting: Setting) -> None:
    async with engine(setting) as (local, watch), local.serve() as door:
        print(json.dumps(door.environment), flush=True)
        await asyncio.to_thread(sys.stdin.read)
        print(json.dumps(dataclasses.asdict(Account.of(local, watch))), flush=True)


if __name__ == "__main__":
    asyncio.run(_serve(Setting(**json.loads(sys.argv[1]))))
