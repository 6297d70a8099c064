"""Settings of a client: polling, logs, rate limits, journal. Durations are seconds."""

import random
from dataclasses import KW_ONLY, dataclass, fields
from os import PathLike

from asyncbatch._values import checks as check
from asyncbatch._values.errors import InvalidRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class PollPolicy:
    """How often jobs are polled.

    The polling interval of a job is ``growth`` times the time since its last status change, within
    `min_interval` and `max_interval`.

    Cost in calls: one DescribeJobs serves 100 jobs, so polling N live jobs takes N/100 calls. A
    state of a queue with 200 or more followed jobs is listed instead, which takes N/1,000 calls.

    Delay in seconds: a status change is noticed half an interval after it happened, on average,
    while the calls fit into `RateLimits.describe_per_second`. Beyond that, polling all jobs once
    takes as long as its calls at that rate, and awaited jobs are polled first.

    Measured with the defaults, in virtual time: 1,000 jobs of 5 to 15 s, submitted at the quota,
    cost 44 calls, and half of the changes were noticed within 0.9 s. 10,000 jobs of 1 to 5 minutes
    cost 730 calls; half of the changes were noticed within 4.0 s, 95 % within 9.2 s.

    Attributes:
        min_interval: Minimum polling interval in seconds, above 0.
        max_interval: Maximum polling interval in seconds, at least `min_interval`; `jitter` may
            lengthen it.
        growth: Interval as a share of the time since the last change, 0 or more.
        jitter: Share of an interval by which it varies at random, half of it up and half of it
            down, 0 to 1.
        missing_grace: Seconds after which a submitted job, or one that was described before, that
            DescribeJobs does not return counts as vanished. AWS does not return a job right after
            its submission, so short times report jobs as vanished that are not.
        unknown_grace: The same for an attached id that was never described. It is shorter, as such
            an id is more likely a typing error.

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
            rule = f"must be at least min_interval, which is {self.min_interval:g}"
            raise InvalidRequest("max_interval", self.max_interval, rule)
        if not check.is_number(self.jitter) or not 0 <= self.jitter <= 1:
            raise InvalidRequest("jitter", self.jitter, "must be a number from 0 to 1")

    def interval(self, age: float, rng: random.Random) -> float:
        """Return the polling interval of a job in seconds.

        Args:
            age: Seconds since the last status change of the job.
            rng: Random number generator for the jitter.
        """
        plain = min(max(self.growth * age, self.min_interval), self.max_interval)
        return plain * (1 + self.jitter * (rng.random() - 0.5))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPolicy:
    """How often and how long logs are read.

    Attributes:
        interval: Seconds between two reads of a followed log stream, above 0. They are longer
            where `RateLimits` requires it.
        drain: Seconds without a new line, counted from the end of an attempt, after which its log
            is complete, 0 or more. CloudWatch Logs returns lines some seconds after they were
            written. A log that goes on is read for at most six times as long.
        failure_lines: Number of last log lines in a `JobFailed`; 0 reads none.

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


# Calls per second and account, by Region; "" is every other Region. Not adjustable.
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
"""Share of the quota that one client uses: the console and other programs need some of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateLimits:
    """Maximum calls per second of one client, by kind of call; each is above 0.

    AWS allows 50 SubmitJob calls per second, account and Region, which is not adjustable, and does
    not publish its other limits for AWS Batch. When AWS throttles a call, the client lowers its
    rate below these numbers, and raises it again over a minute.

    Attributes:
        submit_per_second: SubmitJob.
        describe_per_second: All polling: DescribeJobs, and ListJobs where jobs are followed by
            listing their queue.
        list_per_second: ListJobs and other calls that list or describe, except polling.
        terminate_per_second: TerminateJob and TerminateJobs, CancelJob and CancelJobs.
        register_per_second: RegisterJobDefinition.
        log_events_per_second: GetLogEvents, in each Region. None uses 80 % of the Region's quota,
            which is 25 in most Regions and 10 in some.
        filter_log_events_per_second: FilterLogEvents, in each Region. None uses 80 % of the
            Region's quota, which is 10 in most Regions, 25 in us-east-1 and 5 in some.

    Raises:
        InvalidRequest: A number is not above 0.

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
        """Return the rate limit of ``"GetLogEvents"`` or ``"FilterLogEvents"`` in a Region."""
        is_filter = operation == "FilterLogEvents"
        own = self.filter_log_events_per_second if is_filter else self.log_events_per_second
        if own is not None:
            return own
        quotas = _FILTER_LOG_EVENTS if is_filter else _GET_LOG_EVENTS
        return _SHARE_OF_LOGS * quotas.get(region, quotas[""])


@dataclass(frozen=True, slots=True)
class Journal:
    """A file in which a client records its submissions, so that a later run finds their jobs.

    Attributes:
        path: The file; created if it does not exist. Only one process may use it at a time. SQLite
            keeps further files in its directory, and there is a lock file.
        rerun_failed: Whether a later run submits a request again whose job FAILED or vanished.
            False returns the old result, or raises the old error.

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
class FailureLimit:
    """When a run stops submitting since its jobs fail for the same permanent reason.

    Attributes:
        share: Share of the jobs that have ended, above 0 and at most 1.
        at_least: Number of failed jobs, 1 or more.

    Raises:
        InvalidRequest: A number is out of range.
    """

    share: float = 0.5
    at_least: int = 10

    def __post_init__(self) -> None:
        """Check the numbers."""
        check.number("share", self.share, above=0)
        if self.share > 1:
            raise InvalidRequest("share", self.share, "must be at most 1")
        check.integer("at_least", self.at_least, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """Exponential backoff between tries, with jitter on the upper half of each delay.

    Attributes:
        first: Maximum delay before the second try, in seconds.
        factor: Growth of the delay from try to try.
        most: Maximum of every delay, in seconds.
    """

    first: float = 0.5
    factor: float = 2.0
    most: float = 30.0

    def delay(self, tries: int, rng: random.Random) -> float:
        """Return the delay in seconds after `tries` failed tries, 1 or more."""
        # The exponent is bounded, as a long outage would overflow a float.
        longest = min(self.first * self.factor ** min(tries - 1, 64), self.most)
        return longest * (0.5 + 0.5 * rng.random())


def _require_positive(policy: object, *names: str) -> None:
    for name in names:
        check.number(name, getattr(policy, name), above=0)


def _require_not_negative(policy: object, *names: str) -> None:
    for name in names:
        value = getattr(policy, name)
        if not check.is_number(value) or value < 0:
            raise InvalidRequest(name, value, "must be a number of 0 or more")
