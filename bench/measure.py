"""What a run showed: pure arithmetic on the engine's account, the contender's news, its usage."""

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bench.endpoint import Account
from bench.processes import Usage
from bench.work import LOG_FIGURES
from bench.workloads import Workload

STATUS_OPERATIONS = ("DescribeJobs", "ListJobs")
LOG_OPERATIONS = ("FilterLogEvents", "GetLogEvents")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """One contender at one workload.

    Attributes:
        workload: The workload's name.
        contender: The contender's name.
        jobs: How many jobs were asked for.
        error: Why the numbers are not those of a success; None if they are.
        wall_s: Seconds from the start to the end of the program; virtual ones in virtual time.
        cpu_s: CPU seconds of all its processes; in virtual time without the engine's answering.
        held_cpu_s: CPU seconds while jobs that do not end were held; None if none were.
        memory_mb: Most memory of all its processes together, in MB; the engine's included in
            virtual time.
        calls: Requests by operation.
        throttled: Requests that were throttled.
        submit_s: Seconds from the first submission that was accepted to the last one.
        news_p50_s: Median of the seconds from the end of a job until it was known.
        news_p95_s: The 95th percentile of the same.
        lost: Jobs that were asked for and whose end was never known.
        doubled: Jobs that were submitted beyond those that were asked for.
        seen: Jobs that were held and had been described; None where nobody counted.
        virtual: Whether the work took place in virtual time.
        logs: What was found of the lines of logs, by name; empty where they were not followed.
        first_status_s: Seconds from the start of the resuming process's client until it heard of
            the first job; None where nothing was resumed.
        own_mb: Most memory of the resuming process, in MB; None where nothing was resumed.
        rounds: Of how many runs this is the calmest.
    """

    workload: str
    contender: str
    jobs: int
    error: str | None
    wall_s: float
    cpu_s: float
    held_cpu_s: float | None
    memory_mb: float
    calls: dict[str, int]
    throttled: int
    submit_s: float
    news_p50_s: float | None
    news_p95_s: float | None
    lost: int
    doubled: int
    seen: int | None
    virtual: bool
    logs: dict[str, float] = field(default_factory=dict)
    first_status_s: float | None = None
    own_mb: float | None = None
    rounds: int = 1

    @property
    def status_calls(self) -> int:
        """Calls that ask how jobs are."""
        return sum(self.calls.get(operation, 0) for operation in STATUS_OPERATIONS)

    @property
    def log_calls(self) -> int:
        """Calls that read logs."""
        return sum(self.calls.get(operation, 0) for operation in LOG_OPERATIONS)


@dataclass(frozen=True, slots=True)
class Known:
    """What a contender wrote down.

    Attributes:
        ends: When it knew of the end of a job, by the job's id.
        figures: Numbers that only it can tell, by their names.
    """

    ends: dict[str, float]
    figures: dict[str, float]

    @classmethod
    def parse(cls, lines: Iterable[str]) -> "Known":
        """Read the lines that `News` wrote; what was known twice counts from the first time."""
        ends: dict[str, float] = {}
        figures: dict[str, float] = {}
        for line in lines:
            what, number = line.split()
            if what.startswith("#"):
                figures[what.removeprefix("#")] = float(number)
            else:
                ends.setdefault(what, float(number))
        return cls(ends, figures)


def measurement(
    workload: Workload, contender: str, *, usage: Usage, account: Account, known: Known
) -> Measurement:
    """Put together what a run showed."""
    delays = [known.ends[job] - at for job, at in account.ends.items() if job in known.ends]
    asked = 1 if workload.array else workload.jobs
    ended = len(known.ends if workload.sleep else known.ends.keys() & account.ends.keys())
    figures = known.figures
    seen = figures.get("seen")
    return Measurement(
        workload=workload.name,
        contender=contender,
        jobs=workload.jobs,
        error=_error(usage),
        wall_s=figures.get("virtual_s", usage.wall_s),
        cpu_s=usage.cpu_s - figures.get("engine_cpu_s", 0.0),
        held_cpu_s=figures.get("held_cpu_s"),
        memory_mb=usage.memory_mb,
        calls=account.calls,
        throttled=account.throttled,
        submit_s=account.submit_seconds,
        news_p50_s=percentile(delays, 50),
        news_p95_s=percentile(delays, 95),
        lost=asked - ended if workload.hold is None else asked - min(asked, account.submissions),
        doubled=max(0, account.submissions - asked),
        seen=None if seen is None else int(seen),
        virtual=workload.is_virtual,
        logs={name: value for name, value in figures.items() if name in LOG_FIGURES},
        first_status_s=figures.get("first_status_s"),
        own_mb=figures.get("own_mb"),
    )


def calmest(runs: Sequence[Measurement]) -> Measurement:
    """Return the run that was disturbed least: other programs only ever add to its CPU time.

    A run that failed, or lost or doubled a job, is not disturbed but wrong, so it goes first.
    """
    chosen = min(runs, key=lambda run: (_is_right(run), run.cpu_s))
    return dataclasses.replace(chosen, rounds=len(runs))


def _is_right(run: Measurement) -> bool:
    return run.error is None and not run.lost and not run.doubled


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Return the smallest value that at least so many percent do not exceed; None without any."""
    if not values:
        return None
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(rank, 1) - 1]


def _error(usage: Usage) -> str | None:
    if usage.exit_code is None:
        return "took too long"
    return None if usage.exit_code == 0 else f"exit code {usage.exit_code}"
