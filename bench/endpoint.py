"""The endpoint that contenders use, and the record of what happened on it and when.

`python -m bench.endpoint` serves the local engine on the loopback address. Its argument is a
`Setting`. It prints the environment variables of a client and, when its standard input is closed,
an `Account` of what happened.
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

_PLENTY = 1_000_000  # vCPUs: every job starts immediately
_STARTUP = 1.0  # seconds from STARTING to RUNNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Configuration of the engine.

    Attributes:
        shortest: Seconds that the shortest job runs.
        longest: Seconds that the longest job runs; None: jobs never end.
        starts: Whether jobs start; if not, they stay RUNNABLE.
        quotas: Whether the quotas of AWS apply.
        latency: Latency of each response in seconds.
        seed: Seed of the durations.
        lines: Number of log lines of each job.
        line_every: Seconds between two lines of a job; 0 writes all lines at once.
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
        """Return the script of a job."""
        if self.lines:
            return self._writing(launch)
        if self.longest is None:
            return Script(startup=_STARTUP, duration=None)
        seconds = launch.random.uniform(self.shortest, self.longest)
        return Script(startup=_STARTUP, duration=seconds)

    def _writing(self, launch: Launch) -> Script:
        """Return the script of a job that writes lines, from a random offset on, and ends."""
        first = launch.random.uniform(0, self.line_every)
        lines = [(first + n * self.line_every, log_line(n)) for n in range(self.lines)]
        return Script(startup=_STARTUP, duration=lines[-1][0] + 1.0, lines=lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What happened on the engine.

    Attributes:
        calls: Number of received requests by operation.
        throttled: Number of throttled requests.
        submissions: Number of submitted jobs; an array counts as one.
        submit_seconds: Seconds from the first submission to the last.
        ends: Time of the end of each job by id; an array ends with its last child.
    """

    calls: dict[str, int]
    throttled: int
    submissions: int
    submit_seconds: float
    ends: dict[str, float]

    @classmethod
    def of(cls, local: LocalBatch, watch: "EndWatch") -> Self:
        """Return the account of an engine that is still open."""
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
    """An executor of scripts that records when each attempt ended, in the time of the event loop.

    No job of the benchmark is retried, so the end of the attempt is the end of the job.
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
        """Return when jobs ended; for an array, when the last child so far ended."""
        ends: dict[str, float] = {}
        for child, at in self._ends.items():
            job_id = child.partition(":")[0]
            ends[job_id] = max(at, ends.get(job_id, at))
        return ends


class _Watched:
    """Forwards the events of an attempt, and records its end."""

    __slots__ = ("_ends", "_events", "_job_id", "line", "running")

    def __init__(self, events: AttemptEvents, job_id: str, ends: dict[str, float]) -> None:
        self._events = events
        self._job_id = job_id
        self._ends = ends
        self.running = events.running
        self.line = events.line

    def exited(self, exit: Exit) -> None:  # noqa: A002 (the name in the protocol)
        self._ends[self._job_id] = asyncio.get_running_loop().time()
        self._events.exited(exit)


@asynccontextmanager
async def engine(setting: Setting) -> AsyncIterator[tuple[LocalBatch, EndWatch]]:
    """Open an engine with one job definition and empty call counts."""
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
    # A job that needs more vCPUs than there are stays RUNNABLE.
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
