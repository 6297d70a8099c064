"""The workloads: number and kind of jobs, contenders, and configuration of the engine."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from bench.endpoint import Setting

OURS = "asyncbatch"
JOURNALLED = "asyncbatch, journal"
FLOOR = "floor"
LUIGI_OURS = "asyncbatch_luigi"
LUIGI_FLOOR = "floor of Luigi"
LUIGI = "luigi.contrib.batch"
CONTENDERS = (OURS, FLOOR, "gather", LUIGI, "aio-aws")
ALL_CONTENDERS = (*CONTENDERS, JOURNALLED, LUIGI_OURS, LUIGI_FLOOR)
FLOORS = (FLOOR, LUIGI_FLOOR)
_OURS_AND_FLOOR = (OURS, FLOOR)
_HOUR = 3600.0
_FEW = 20  # jobs of the brief workloads


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The same work for several contenders.

    Attributes:
        name: Name on the command line.
        title: Title in the report.
        jobs: Number of jobs.
        setting: Configuration of the engine.
        contenders: Names of the contenders.
        array: Whether the jobs are the children of one array.
        status_per_second: Maximum rate of status calls; None: default of the contender.
        submit_per_second: Rate of submissions; None: default of the contender.
        hold: Seconds for which jobs that do not end are followed.
        sleep: Seconds that each task sleeps instead of running a job; None runs jobs.
        is_virtual: Whether engine and contender run in one process in virtual time.
        module: Program to run, if it differs from the usual one of the contender.
        timeout: Real seconds after which a contender is killed.
    """

    name: str
    title: str
    jobs: int
    setting: Setting = field(default_factory=Setting)
    contenders: tuple[str, ...] = _OURS_AND_FLOOR
    array: bool = False
    status_per_second: float | None = None
    submit_per_second: float | None = None
    hold: float | None = None
    sleep: float | None = None
    is_virtual: bool = False
    module: str | None = None
    timeout: float = 1800.0


def short(jobs: int, contenders: tuple[str, ...]) -> Workload:
    """Return jobs of 5 to 15 seconds under AWS's quotas."""
    return Workload(
        name="short",
        title=f"{jobs:,} jobs of 5-15 s, quotas of 50 calls/s",
        jobs=jobs,
        contenders=contenders,
    )


MEDIUM = Workload(
    name="medium",
    title="10,000 jobs of 1-5 minutes, a budget of 5 status calls/s; virtual time",
    jobs=10_000,
    setting=Setting(shortest=60.0, longest=300.0),
    status_per_second=5.0,
    is_virtual=True,
)
ARRAY = Workload(
    name="array", title="One array of 10,000 children of 5-15 s", jobs=10_000, array=True
)
IDLE = Workload(
    name="idle",
    title="10,000 jobs that stay RUNNABLE for an hour, 5 status calls/s; virtual time",
    jobs=10_000,
    setting=Setting(starts=False),
    status_per_second=5.0,
    hold=_HOUR,
    is_virtual=True,
)
LIVE = Workload(
    name="live100k",
    title="100,000 running jobs in one process (submitted without a quota)",
    jobs=100_000,
    setting=Setting(longest=None, quotas=False),
    submit_per_second=1000.0,
    status_per_second=5.0,
    hold=120.0,
)
JOURNAL = Workload(
    name="journal",
    title="1,000 jobs of 5-15 s, quotas of 50 calls/s; with and without a journal",
    jobs=1_000,
    contenders=(OURS, JOURNALLED),
)
RESUME = replace(
    LIVE,
    name="resume100k",
    title="100,000 running jobs, resumed from a journal by another process",
    contenders=(JOURNALLED,),
    hold=30.0,
)

LUIGI_ONE = Workload(
    name="luigi-one",
    title="One Luigi task of 5 s",
    jobs=1,
    setting=Setting(longest=5.0),
    contenders=(LUIGI_OURS, LUIGI),
)
LUIGI_TASKS = Workload(
    name="luigi",
    title="1,000 Luigi tasks of 5-15 s, quotas of 50 calls/s",
    jobs=1_000,
    contenders=(LUIGI_OURS, LUIGI),
)
LUIGI_OPEN = Workload(
    name="luigi-open",
    title="2,000 Luigi tasks of 5 s, no quotas; the same jobs without Luigi",
    jobs=2_000,
    setting=Setting(longest=5.0, quotas=False),
    contenders=(LUIGI_OURS, OURS, FLOOR),
    submit_per_second=1000.0,
    status_per_second=50.0,
)
LUIGI_SLEEP = Workload(
    name="luigi-sleep",
    title="10,000 Luigi tasks that sleep for a second: Luigi's part, without AWS",
    jobs=10_000,
    contenders=(LUIGI_OURS, LUIGI_FLOOR),
    sleep=1.0,
)


LOGS = Workload(
    name="logs1000",
    title="1,000 running jobs, each writing a line a second, followed live; FilterLogEvents 10/s",
    jobs=1_000,
    setting=Setting(lines=180, line_every=1.0),
    contenders=(OURS,),
    module="bench.contenders.ours_logs",
)
LONG_LOG = Workload(
    name="log200k",
    title="One job's log of 200,000 lines, read to its end",
    jobs=1,
    setting=Setting(lines=200_000),
    contenders=(OURS,),
    module="bench.contenders.ours_logs",
)


def full(*, patient: bool = False, real: bool = False) -> Iterator[Workload]:
    """Yield the whole benchmark.

    Args:
        patient: Whether peers run 10,000 jobs as well.
        real: Whether the medium workload runs on the loopback address in real time.
    """
    yield short(100, CONTENDERS)
    yield short(1_000, CONTENDERS)
    yield replace(short(10_000, CONTENDERS if patient else _OURS_AND_FLOOR), timeout=5 * _HOUR)
    yield (
        replace(MEDIUM, title=MEDIUM.title.removesuffix("; virtual time"), is_virtual=False)
        if real
        else MEDIUM
    )
    yield ARRAY
    yield IDLE
    yield LIVE
    yield LOGS
    yield LONG_LOG
    yield JOURNAL
    yield RESUME
    yield from luigi()


def luigi() -> Iterator[Workload]:
    """Yield the workloads of Luigi tasks."""
    yield LUIGI_ONE
    yield LUIGI_TASKS
    yield LUIGI_OPEN
    yield LUIGI_SLEEP


def brief() -> Iterator[Workload]:
    """Yield small workloads that show in one minute that the benchmark runs."""
    quick = Setting(shortest=0.5, longest=1.0)
    yield replace(short(_FEW, _OURS_AND_FLOOR), title="20 jobs of 0.5-1 s", setting=quick)
    array = replace(ARRAY, title="One array of 20 children of 0.5-1 s", jobs=_FEW)
    yield replace(array, setting=quick, contenders=(OURS,))
    yield replace(MEDIUM, title="20 jobs of 1-5 minutes; virtual time", jobs=_FEW)
    journal = replace(JOURNAL, title="20 jobs of 0.5-1 s; with and without a journal", jobs=_FEW)
    yield replace(journal, setting=quick)
    tasks = replace(LUIGI_TASKS, title="20 Luigi tasks of 0.5-1 s", jobs=_FEW)
    yield replace(tasks, setting=quick, contenders=(LUIGI_OURS,))
    yield replace(IDLE, title="20 jobs RUNNABLE for 5 min; virtual time", jobs=_FEW, hold=300.0)
    few = Setting(lines=2, line_every=1.0)
    yield replace(
        LOGS, title="20 jobs, each writing 2 lines, followed live", jobs=_FEW, setting=few
    )
