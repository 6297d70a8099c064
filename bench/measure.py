"""Computes results from the engine's account, the contender's records and its resource usage."""

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
    """The result of one contender for one workload.

    Attributes:
        workload: The workload's name.
        contender: The contender's name.
        jobs: Number of requested jobs.
        error: Why the run failed; None if it succeeded.
        wall_s: Seconds from the start to the end of the program, in virtual time if `virtual`.
        cpu_s: CPU seconds of all its processes; in virtual time without those of the engine.
        held_cpu_s: CPU seconds while following jobs that do not end; None without such jobs.
        memory_mb: Peak memory of all its processes in MB; in virtual time with the engine.
        calls: Number of requests by operation.
        throttled: Number of throttled requests.
        submit_s: Seconds from the first accepted submission to the last.
        delay_p50_s: Median of the seconds from the end of a job until the contender reported it.
        delay_p95_s: The 95th percentile of the same.
        lost: Requested jobs whose end was never reported.
        doubled: Submitted jobs beyond the requested ones.
        seen: Held jobs that have been described; None if not counted.
        virtual: Whether the run was in virtual time.
        logs: Results for log lines by name; empty if logs were not followed.
        first_status_s: Seconds from opening the client of the resuming process to the first status
            of a job; None without resumption.
        own_mb: Peak memory of the resuming process in MB; None without resumption.
        rounds: Number of runs of which this is the least disturbed.
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
    delay_p50_s: float | None
    delay_p95_s: float | None
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
        """Number of calls that read the status of jobs."""
        return sum(self.calls.get(operation, 0) for operation in STATUS_OPERATIONS)

    @property
    def log_calls(self) -> int:
        """Number of calls that read logs."""
        return sum(self.calls.get(operation, 0) for operation in LOG_OPERATIONS)


@dataclass(frozen=True, slots=True)
class Known:
    """The records of a contender.

    Attributes:
        ends: Time at which the end of each job was reported, by job id.
        figures: Further numbers that the contender measured itself, by name.
    """

    ends: dict[str, float]
    figures: dict[str, float]

    @classmethod
    def parse(cls, lines: Iterable[str]) -> "Known":
        """Parse the lines that `Recorder` wrote; of two reports of an end, the first counts."""
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
    """Compute the measurement of a run."""
    delays = [known.ends[job] - at for job, at in account.ends.items() if job in known.ends]
    requested = 1 if workload.array else workload.jobs
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
        delay_p50_s=percentile(delays, 50),
        delay_p95_s=percentile(delays, 95),
        lost=requested - ended
        if workload.hold is None
        else requested - min(requested, account.submissions),
        doubled=max(0, account.submissions - requested),
        seen=None if seen is None else int(seen),
        virtual=workload.is_virtual,
        logs={name: value for name, value in figures.items() if name in LOG_FIGURES},
        first_status_s=figures.get("first_status_s"),
        own_mb=figures.get("own_mb"),
    )


def least_disturbed(runs: Sequence[Measurement]) -> Measurement:
    """Return the run with the least CPU time: disturbances by other programs only add to it.

    A run that failed, lost a job or submitted one twice is not disturbed but wrong: it is returned
    before any other, so that no correct run hides it.
    """
    chosen = min(runs, key=lambda run: (_is_right(run), run.cpu_s))
    return dataclasses.replace(chosen, rounds=len(runs))


def _is_right(run: Measurement) -> bool:
    return run.error is None and not run.lost and not run.doubled


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Return the smallest value that at least `percent` percent of the values do not exceed.

    None without values.
    """
    if not values:
        return None
    rank = math.ceil(len(values) * percent / 100)
    return sorted(values)[max(rank, 1) - 1]


def _error(usage: Usage) -> str | None:
    if usage.exit_code is None:
        return "took too long"
    return None if usage.exit_code == 0 else f"exit code {usage.exit_code}"
