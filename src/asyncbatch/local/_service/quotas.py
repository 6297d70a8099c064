"""Rate limits of the services: a token bucket for each operation.

Sources: https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html and
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/cloudwatch_limits_cwl.html
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Self


class Rate(NamedTuple):
    """Requests per second, and the burst: requests at once (by default, one second's worth)."""

    per_second: float
    burst: float | None = None


class TokenBucket:
    """Limits requests to a rate.

    The bucket holds one token per allowed request, refills steadily and starts full.

    Args:
        rate: Refill rate and capacity; the capacity is at least 1.
    """

    def __init__(self, rate: Rate) -> None:
        self._per_second = rate.per_second
        self._capacity = max(1.0, rate.per_second if rate.burst is None else rate.burst)
        self._tokens = self._capacity
        self._at: float | None = None

    def take(self, now: float) -> bool:
        """Take a token for a request at `now` (seconds); return False if there is none."""
        elapsed = 0.0 if self._at is None else now - self._at
        self._tokens = min(self._capacity, self._tokens + elapsed * self._per_second)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotas:
    """Rate limits of the operations.

    Attributes:
        rates: Rate limit by operation name, such as `SubmitJob`.
        default: Rate limit of each other operation; None is unlimited.
    """

    rates: Mapping[str, Rate] = field(default_factory=dict)
    default: Rate | None = None

    @classmethod
    def unlimited(cls) -> Self:
        """Return quotas without any limit."""
        return cls()

    @classmethod
    def aws(cls) -> Self:
        """Return AWS's default quotas of an account in a Region.

        AWS Batch: 50 calls per second of each operation. CloudWatch Logs: 25 or 10.
        """
        rates = {
            "GetLogEvents": Rate(25),
            "FilterLogEvents": Rate(10),
            "DescribeLogStreams": Rate(25),
            "DescribeLogGroups": Rate(10),
        }
        return cls(rates=rates, default=Rate(50))

    def rate_of(self, operation: str) -> Rate | None:
        """Return the rate limit of an operation; None if it is unlimited."""
        return self.rates.get(operation, self.default)
