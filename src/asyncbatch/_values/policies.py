"""What users may turn: numbers with their arithmetic, and the journal. Durations are seconds."""

import math
import random
from dataclasses import KW_ONLY, dataclass, fields
from os import PathLike

from asyncbatch._values import checks as check
from asyncbatch._values.errors import InvalidRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class PollPolicy:
    """How eagerly jobs are asked about.

    A job is looked at again after ``growth`` times the time since its last change, but not sooner
    than `min_interval` and not later than `max_interval`. What that costs, in calls: one
    DescribeJobs serves 100 jobs, so looking at N live jobs takes N/100 calls; where 200 and more
    of them are in one state of a queue, that is listed instead, which takes N/1,000 calls. What it
    brings, in seconds: news arrives on average half an interval after it happened, as long as the
    calls fit into `RateLimits.describe_per_second`; beyond that, one look at all jobs takes as
    long as its calls at that pace, and jobs that somebody awaits come first.

    With the defaults, in virtual time: 1,000 jobs of 5 to 15 s, submitted at the quota, cost 44
    calls, and half of the news came within 0.9 s; 10,000 jobs of 1 to 5 minutes some 730 calls,
    and half of the news came within 4.0 s, 95 % within 9.2 s.

    Attributes:
        min_interval: Soonest look after a change.
        max_interval: Latest look, however long nothing changes; jitter may add its share.
        growth: Share of the time since the last change to wait until the next look.
        jitter: Share of an interval over which looks are spread at random, half of it before and
            half after; 0 to 1.
        missing_grace: How long a job that was submitted, or seen before, may be unknown to
            DescribeJobs before it counts as vanished. Just-submitted jobs can be unknown for a
            while.
        unknown_grace: The same for an id that was attached and never seen: more likely a typing
            error.

    Raises:
        InvalidRequest: A number is out of range.
    """

    min_interval: float = 1.5
    max_interval: float = 15.0
    growth: float = 0.05
    jitter: float = 0.1
    missing_grace: float = 270.0
    unknown_grace: float = 30.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        _require_positive(self, "min_interval", "max_interval")
        _require_not_negative(self, "growth", "missing_grace", "unknown_grace")
        if self.max_interval < self.min_interval:
            raise InvalidRequest("max_interval", self.max_interval, "not below min_interval")
        if not _is_number(self.jitter) or not 0 <= self.jitter <= 1:
            raise InvalidRequest("jitter", self.jitter, "0 to 1")

    def interval(self, age: float, rng: random.Random) -> float:
        """Return how long to wait until the next look at a job.

        Args:
            age: Seconds since the job's last change.
            rng: Source of the jitter.
        """
        plain = min(max(self.growth * age, self.min_interval), self.max_interval)
        return plain * (1 + self.jitter * (rng.random() - 0.5))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPolicy:
    """How logs are read.

    Attributes:
        interval: Seconds between two reads of a log stream that is followed. Longer where the
            rate limits of `RateLimits` require it.
        drain: Seconds without a new line, counted from the end of an attempt, after which its log
            is complete. CloudWatch Logs shows lines some seconds after they were written. A log
            that goes on is read for at most six times as long.
        failure_lines: Number of last log lines that a `JobFailed` carries; 0 reads none.

    Raises:
        InvalidRequest: A number is out of range.
    """

    interval: float = 1.0
    drain: float = 10.0
    failure_lines: int = 50

    def __post_init__(self) -> None:
        """Check the numbers."""
        _require_positive(self, "interval")
        _require_not_negative(self, "drain")
        check.integer("failure_lines", self.failure_lines, 0)


# Calls a second per account, by Region; "" stands for all others. Not adjustable.
# https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
_GET_LOG_EVENTS = {
    "": 25.0,
    **dict.fromkeys(("us-west-2", "eu-west-1", "eu-central-1", "ap-northeast-3"), 10.0),
    **dict.fromkeys(("ap-southeast-3", "ca-west-1", "il-central-1"), 10.0),
    "eu-west-3": 30.0,
}
_FILTER_LOG_EVENTS = {
    "": 10.0,
    **dict.fromkeys(("eu-central-1", "ap-northeast-3", "ap-southeast-3"), 5.0),
    **dict.fromkeys(("ca-west-1", "il-central-1"), 5.0),
    "us-east-1": 25.0,
}
_SHARE_OF_LOGS = 0.8
"""The console and colleagues read logs within the same quota."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """Most calls a second that one client makes, by kind of call.

    AWS allows 50 SubmitJob calls a second per account and Region, fixed, and does not publish its
    other limits for Batch. When AWS throttles, the client goes below these numbers by itself and
    creeps back.

    Attributes:
        submit_per_second: SubmitJob.
        describe_per_second: The budget of all polling: DescribeJobs, and ListJobs where jobs are
            followed by listing their queue.
        list_per_second: ListJobs and the other calls that list or describe something.
        terminate_per_second: TerminateJob, TerminateJobs, CancelJob.
        register_per_second: RegisterJobDefinition.
        log_events_per_second: GetLogEvents, in each Region. None takes four fifths of the Region's
            quota, which is 25 in most and 10 in some.
        filter_log_events_per_second: FilterLogEvents, in each Region. None takes four fifths of the
            Region's quota, which is 10 in most, 25 in us-east-1 and 5 in some.

    Raises:
        InvalidRequest: A number is not positive.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html and
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
    """

    submit_per_second: float = 49.0
    describe_per_second: float = 5.0
    list_per_second: float = 5.0
    terminate_per_second: float = 10.0
    register_per_second: float = 5.0
    log_events_per_second: float | None = None
    filter_log_events_per_second: float | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        optional = {f.name for f in fields(self) if f.default is None}
        absent = {name for name in optional if getattr(self, name) is None}
        _require_positive(self, *(f.name for f in fields(self) if f.name not in absent))

    def logs_per_second(self, operation: str, region: str) -> float:
        """Return the pace of ``"GetLogEvents"`` or ``"FilterLogEvents"`` in a Region."""
        is_filter = operation == "FilterLogEvents"
        own = self.filter_log_events_per_second if is_filter else self.log_events_per_second
        if own is not None:
            return own
        quotas = _FILTER_LOG_EVENTS if is_filter else _GET_LOG_EVENTS
        return _SHARE_OF_LOGS * quotas.get(region, quotas[""])


@dataclass(frozen=True, slots=True)
class Journal:
    """Where a client keeps what it submits, and what running the same again does.

    Attributes:
        path: The file; made if there is none. One process writes it at a time. Its directory also
            gets the files that SQLite keeps beside it, and a lock.
        rerun_failed: Whether a request whose job FAILED or vanished is submitted again when the
            program is run again; else it gets the old result, or error.

    Raises:
        InvalidRequest: A value breaks a rule.
    """

    path: str | PathLike[str]
    _: KW_ONLY
    rerun_failed: bool = True

    def __post_init__(self) -> None:
        """Check the values."""
        check.path("journal", self.path)
        check.flag("rerun_failed", self.rerun_failed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential waiting between tries, with full jitter on the upper half.

    Attributes:
        first: Longest wait before the second try.
        factor: Growth from try to try.
        most: Upper bound of any wait.
    """

    first: float = 0.5
    factor: float = 2.0
    most: float = 30.0

    def delay(self, tries: int, rng: random.Random) -> float:
        """Return how long to wait after `tries` failed tries (1 or more)."""
        # The exponent is bounded, or a week of outage would overflow a float.
        longest = min(self.first * self.factor ** min(tries - 1, 64), self.most)
        return longest * (0.5 + 0.5 * rng.random())


def _require_positive(policy: object, *names: str) -> None:
    for name in names:
        value = getattr(policy, name)
        if not _is_number(value) or value <= 0:
            raise InvalidRequest(name, value, "a number above 0")


def _require_not_negative(policy: object, *names: str) -> None:
    for name in names:
        value = getattr(policy, name)
        if not _is_number(value) or value < 0:
            raise InvalidRequest(name, value, "a number, 0 or more")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
