"""The figures of a report: hours, waste, cost, delays, failures by kind. Pure."""

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from asyncbatch._results.report.prices import Price, PriceTable
from asyncbatch._results.report.run import ReportedJob, Run, SubmissionRecord

_SHOWN_MESSAGES = 5
_SHOWN_EXAMPLES = 3
_HOUR = 3600.0
_MIB_PER_GIB = 1024


@dataclass(slots=True)
class Hours:
    """Resources that jobs asked for, times the hours in which they ran.

    Attributes:
        vcpu: vCPU-hours.
        gib: GiB-hours of memory.
        gpu: GPU-hours.
    """

    vcpu: float = 0.0
    gib: float = 0.0
    gpu: float = 0.0

    def add(self, other: "Hours") -> None:
        """Add the hours of another job."""
        self.vcpu += other.vcpu
        self.gib += other.gib
        self.gpu += other.gpu

    def cost(self, price: Price) -> float:
        """Return what they cost."""
        return self.vcpu * price.vcpu_hour + self.gib * price.gib_hour + self.gpu * price.gpu_hour


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFigures:
    """The figures of one job, with all of its submissions.

    Attributes:
        asked: Hours of all attempts.
        wasted: Hours of attempts that failed, and of attempts that were followed by another.
        cost: What they cost, in the currency of the prices; None where there is no price.
        is_known: Whether its resources and times are known: not of arrays, whose children AWS
            describes one by one, and of jobs with several containers or nodes.
        ran: Seconds that all attempts ran; None where none did.
    """

    asked: Hours
    wasted: Hours
    cost: float | None
    is_known: bool
    ran: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureGroup:
    """Jobs that failed in the same way.

    Attributes:
        kind: Kind of their failures.
        transient: How many of them are transient.
        jobs: Number of jobs.
        messages: The most frequent messages, with their numbers.
        examples: Some of the jobs; those with a log come first.
    """

    kind: str
    transient: int
    jobs: int
    messages: Sequence[tuple[str, int]]
    examples: Sequence[SubmissionRecord]


@dataclass(slots=True)
class Totals:
    """The figures of a run.

    Attributes:
        asked: Hours of all attempts.
        wasted: Hours of attempts that failed or were followed by another.
        cost: Sum of the known costs.
        priced: Number of jobs whose cost is known.
        ran: Number of jobs that ran and whose resources are known.
        unknown: Number of jobs that ran and whose resources are not known.
    """

    asked: Hours = field(default_factory=Hours)
    wasted: Hours = field(default_factory=Hours)
    cost: float = 0.0
    priced: int = 0
    ran: int = 0
    unknown: int = 0

    @property
    def wasted_share(self) -> float | None:
        """Share of the vCPU-hours that was wasted; None where there are none."""
        return self.wasted.vcpu / self.asked.vcpu if self.asked.vcpu else None


def figures_of(job: ReportedJob, prices: PriceTable | None) -> JobFigures:
    """Return the figures of a job."""
    asked, wasted, cost = Hours(), Hours(), 0.0
    ran: float | None = None
    is_priced = prices is not None
    is_known = True
    for submission in job.submissions:
        price = _price_of(submission, prices)
        hours = Hours()
        for segment in submission.segments():
            if not segment.ran:
                continue
            seconds = (segment.end - segment.begin).total_seconds()
            ran = (ran or 0.0) + seconds
            used = _hours(submission, seconds)
            if used is None:
                is_known = False
                continue
            hours.add(used)
            if not segment.useful:
                wasted.add(used)
        asked.add(hours)
        if price is None:
            is_priced = is_priced and not hours.vcpu
        else:
            cost += hours.cost(price)
    is_priced = is_priced and is_known and ran is not None
    return JobFigures(
        asked=asked, wasted=wasted, cost=cost if is_priced else None, is_known=is_known, ran=ran
    )


def totals_of(figures: Iterable[JobFigures]) -> Totals:
    """Return the sums of many jobs."""
    totals = Totals()
    for each in figures:
        if each.ran is None:
            continue
        totals.asked.add(each.asked)
        totals.wasted.add(each.wasted)
        totals.ran += each.is_known
        totals.unknown += not each.is_known
        if each.cost is not None:
            totals.cost += each.cost
            totals.priced += 1
    return totals


def failure_groups(run: Run) -> list[FailureGroup]:
    """Return the failed jobs by kind, the most frequent kind first."""
    by_kind: dict[str, list[SubmissionRecord]] = {}
    for job in run.jobs:
        if job.last.failure is not None:
            by_kind.setdefault(job.last.failure.kind, []).append(job.last)
    groups = [_group(kind, failed) for kind, failed in by_kind.items()]
    return sorted(groups, key=lambda group: -group.jobs)


def percentiles(values: Iterable[float | None]) -> dict[str, float]:
    """Return median, 90th percentile and maximum of the known values; empty for none."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return {}
    return {
        name: known[min(math.ceil(share * len(known)), len(known)) - 1]
        for name, share in (("median", 0.5), ("90th percentile", 0.9), ("maximum", 1.0))
    }


def _group(kind: str, failed: Sequence[SubmissionRecord]) -> FailureGroup:
    failures = [each.failure for each in failed if each.failure is not None]
    messages = Counter(failure.message for failure in failures)
    return FailureGroup(
        kind=kind,
        transient=sum(failure.transient for failure in failures),
        jobs=len(failed),
        messages=messages.most_common(_SHOWN_MESSAGES),
        examples=sorted(failed, key=lambda each: not each.log)[:_SHOWN_EXAMPLES],
    )


def _hours(submission: SubmissionRecord, seconds: float) -> Hours | None:
    """Return what a job asks for in some seconds; None where that is not known."""
    job = submission.description
    if job is None or len(job.containers) != 1 or submission.array_size is not None:
        return None
    container = job.containers[0]
    if container.vcpus is None:
        return None
    hours = seconds / _HOUR
    return Hours(
        vcpu=container.vcpus * hours,
        gib=(container.memory_mib or 0) / _MIB_PER_GIB * hours,
        gpu=(container.gpus or 0) * hours,
    )


def _price_of(submission: SubmissionRecord, prices: PriceTable | None) -> Price | None:
    if prices is None:
        return None
    job = submission.description
    is_fargate = job is not None and "FARGATE" in job.extra.get("platformCapabilities", ())
    return prices.queues.get(submission.queue) or (prices.fargate if is_fargate else None)
