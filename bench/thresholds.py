"""Performance targets: the report shows whether they are reached; nothing fails if not."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from asyncbatch import PollPolicy
from bench.measure import Measurement
from bench.workloads import FLOOR, JOURNALLED, LUIGI, LUIGI_OURS, OURS

Results = Mapping[tuple[str, int, str], Measurement]
_QUOTA = 50.0  # SubmitJob calls a second
_LONGEST_JOB = 15.0  # seconds
_WALL = "wall time"


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """A measured number and its limit.

    Attributes:
        workload: Description of the workload.
        what: Description of the number.
        limit: Maximum value.
        value: Measured value; None if it was not measured.
        unit: Unit of both.
    """

    workload: str
    what: str
    limit: float
    value: float | None
    unit: str = ""

    @property
    def reached(self) -> bool:
        """Whether the value does not exceed the limit."""
        return self.value is not None and self.value <= self.limit


def index(measurements: Iterable[Measurement]) -> Results:
    """Return measurements by workload, number of jobs and contender."""
    return {(each.workload, each.jobs, each.contender): each for each in measurements}


def thresholds(measurements: Iterable[Measurement]) -> Iterator[Threshold]:
    """Yield the thresholds for which there are measurements."""
    results = index(measurements)
    yield from _short(results.get(("short", 1_000, OURS)), results.get(("short", 1_000, FLOOR)))
    yield from _medium(results.get(("medium", 10_000, OURS)))
    yield from _live(results.get(("live100k", 100_000, OURS)))
    yield from _array(results.get(("array", 10_000, OURS)))
    yield from _journal(
        results.get(("journal", 1_000, OURS)), results.get(("journal", 1_000, JOURNALLED))
    )
    yield from _resume(results.get(("resume100k", 100_000, JOURNALLED)))
    yield from _idle(results.get(("idle", 10_000, OURS)))
    yield from _logs(results.get(("logs1000", 1_000, OURS)))
    yield from _long_log(results.get(("log200k", 1, OURS)))
    yield from _luigi(results)


def _short(ours: Measurement | None, floor: Measurement | None) -> Iterator[Threshold]:
    if ours is None:
        return
    name = "1,000 jobs of 5-15 s"
    failed = float(ours.error is not None)
    share = None if floor is None else 100 * ours.cpu_s / floor.cpu_s
    for what, limit, value, unit in (
        ("errors", 0, failed, ""),
        ("lost", 0, ours.lost, ""),
        ("doubled", 0, ours.doubled, ""),
        ("submission, 5 % above the quota's own time", 1.05 * 1_000 / _QUOTA, ours.submit_s, "s"),
        ("DescribeJobs and ListJobs calls", 150, ours.status_calls, ""),
        ("median delay", 1, ours.delay_p50_s, "s"),
        ("CPU, share of the floor's", 60, share, "%"),
        ("memory", 70, ours.memory_mb, "MB"),
    ):
        yield Threshold(workload=name, what=what, limit=limit, value=value, unit=unit)


def _medium(ours: Measurement | None) -> Iterator[Threshold]:
    if ours is None:
        return
    name = "10,000 jobs of 1-5 min"
    for what, limit, value, unit in (
        ("lost", 0, ours.lost, ""),
        ("median delay", 6, ours.delay_p50_s, "s"),
        ("95th percentile of the delay", 15, ours.delay_p95_s, "s"),
        ("status calls", 3_500, ours.status_calls, ""),
        ("status calls a second", 5, ours.status_calls / ours.wall_s, ""),
    ):
        yield Threshold(workload=name, what=what, limit=limit, value=value, unit=unit)


def _live(ours: Measurement | None) -> Iterator[Threshold]:
    if ours is not None:
        yield Threshold(
            workload="100,000 live jobs",
            what="memory of the client's process",
            limit=400,
            value=ours.memory_mb,
            unit="MB",
        )


def _array(ours: Measurement | None) -> Iterator[Threshold]:
    if ours is None:
        return
    name = "an array of 10,000"
    policy = PollPolicy()
    soonest = policy.min_interval * (1 - policy.jitter / 2)
    polls = ours.wall_s / soonest + 1
    for what, limit, value in (
        ("SubmitJob calls", 1, ours.calls.get("SubmitJob", 0)),
        ("status calls per poll", 1, ours.status_calls / polls),
    ):
        yield Threshold(workload=name, what=what, limit=limit, value=value)


def _journal(ours: Measurement | None, journalled: Measurement | None) -> Iterator[Threshold]:
    if ours is not None and journalled is not None:
        yield Threshold(
            workload="1,000 jobs with a journal",
            what="submission, share of that without one",
            limit=105,
            value=100 * journalled.submit_s / ours.submit_s,
            unit="%",
        )


def _resume(resumed: Measurement | None) -> Iterator[Threshold]:
    if resumed is None:
        return
    name = "100,000 jobs resumed from a journal"
    for what, limit, value, unit in (
        ("first status", 5, resumed.first_status_s, "s"),
        ("memory of the process", 500, resumed.own_mb, "MB"),
    ):
        yield Threshold(workload=name, what=what, limit=limit, value=value, unit=unit)


def _idle(ours: Measurement | None) -> Iterator[Threshold]:
    if ours is not None:
        yield Threshold(
            workload="10,000 jobs RUNNABLE for an hour",
            what="CPU while they wait",
            limit=60,
            value=ours.held_cpu_s,
            unit="s",
        )


def _logs(ours: Measurement | None) -> Iterator[Threshold]:
    if ours is None:
        return
    name = "1,000 logs followed live"
    figures = ours.logs
    grown = None if "late_mb" not in figures else figures["late_mb"] - figures["early_mb"]
    calls = ours.calls.get("FilterLogEvents", 0) / ours.wall_s
    for what, limit, value, unit in (
        ("lines missing", 0, figures.get("missing"), ""),
        ("lines doubled", 0, figures.get("doubled"), ""),
        ("lines out of order", 0, figures.get("disordered"), ""),
        ("median delay of lines", 5, figures.get("delay_p50_s"), "s"),
        ("FilterLogEvents calls a second", 10, calls, ""),
        ("CPU, share of a core", 50, figures.get("cpu_share"), "%"),
        ("growth of memory in the second half", 10, grown, "MB"),
    ):
        yield Threshold(workload=name, what=what, limit=limit, value=value, unit=unit)


def _long_log(ours: Measurement | None) -> Iterator[Threshold]:
    if ours is None:
        return
    speed = ours.logs.get("lines_per_second")
    yield Threshold(
        workload="a log of 200,000 lines",
        what="time for 30,000 lines",
        limit=1,
        value=None if not speed else 30_000 / speed,
        unit="s",
    )
    for what in ("missing", "doubled"):
        yield Threshold(
            workload="a log of 200,000 lines",
            what=f"lines {what}",
            limit=0,
            value=ours.logs.get(what),
        )


def _luigi(results: Results) -> Iterator[Threshold]:
    one, theirs = (results.get(("luigi-one", 1, name)) for name in (LUIGI_OURS, LUIGI))
    if one is not None and theirs is not None:
        yield Threshold(
            workload="one Luigi task",
            what="wall time, share of luigi.contrib.batch's",
            limit=100,
            value=100 * one.wall_s / theirs.wall_s,
            unit="%",
        )
    yield from _luigi_tasks(
        results.get(("luigi", 1_000, LUIGI_OURS)), results.get(("luigi", 1_000, LUIGI))
    )
    for workload, jobs, name, seconds, megabytes in (
        ("luigi-open", 2_000, "2,000 Luigi tasks of 5 s, no quotas", 15, 130),
        ("luigi-sleep", 10_000, "10,000 Luigi tasks that sleep 1 s", 10, 250),
    ):
        ours = results.get((workload, jobs, LUIGI_OURS))
        if ours is not None:
            yield Threshold(workload=name, what="lost", limit=0, value=ours.lost)
            yield Threshold(workload=name, what=_WALL, limit=seconds, value=ours.wall_s, unit="s")
            yield Threshold(
                workload=name, what="memory", limit=megabytes, value=ours.memory_mb, unit="MB"
            )


def _luigi_tasks(ours: Measurement | None, theirs: Measurement | None) -> Iterator[Threshold]:
    if ours is None:
        return
    name = "1,000 Luigi tasks of 5-15 s"
    share = None if theirs is None else 100 * ours.cpu_s / theirs.cpu_s
    longest = 1.3 * (1_000 / _QUOTA + _LONGEST_JOB)
    for what, limit, value, unit in (
        ("lost", 0, ours.lost, ""),
        ("doubled", 0, ours.doubled, ""),
        (_WALL, longest, ours.wall_s, "s"),
        ("memory", 150, ours.memory_mb, "MB"),
        ("CPU, share of luigi.contrib.batch's", 10, share, "%"),
    ):
        yield Threshold(workload=name, what=what, limit=limit, value=value, unit=unit)
