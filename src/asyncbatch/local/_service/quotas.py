"""How many requests a second the services take: token buckets, one for each operation.

Source: https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html and
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self


class Rate(NamedTuple):
    """Requests a second, and how many may come at once (by default, a second's worth)."""

    per_second: float
    burst: float | None = None


class TokenBucket:
    """Lets through what a rate allows.

    Args:
        rate: The rate.
    """

    def __init__(self, rate: Rate) -> None:
        self._per_second = rate.per_second
        self._capacity = max(1.0, rate.per_second if rate.burst is None else rate.burst)
        self._tokens = self._capacity
        self._at: float | None = None

    def take(self, now: float) -> bool:
        """Whether a request that comes at `now` (seconds) gets through."""
        passed = 0.0 if self._at is None else now - self._at
        self._tokens = min(self._capacity, self._tokens + passed * self._per_second)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """The rates of the operations.

    Attributes:
        rates: The rate of each operation, by its name in AWS's words.
        default: The rate of every other operation; None does not limit it.
    """

    rates: Mapping[str, Rate] = field(default_factory=dict)
    default: Rate | None = None

    @classmethod
    def unlimited(cls) -> Self:
        """Return quotas that limit nothing."""
        return cls()

    @classmethod
    def aws(cls) -> Self:
        """Return what AWS grants an account in a Region: 50 calls a second of each operation."""
        rates = {
            "GetLogEvents": Rate(25),
            "FilterLogEvents": Rate(10),
            "DescribeLogStreams": Rate(25),
            "DescribeLogGroups": Rate(10),
        }
        return cls(rates=rates, default=Rate(50))

    def rate_of(self, operation: str) -> Rate | None:
        """Return the rate of an operation, or None when it is not limited."""
        return self.rates.get(operation, self.default)
