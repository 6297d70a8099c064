"""Fault injection: a service that throttles, fails, lags, or loses requests and responses.

A `Fault` is a value; `Faults.add` injects it into one operation, or into all of them with `"*"`.

When a request arrives, the faults that hit it are drawn, at most one of each kind; faults of
different kinds apply together. They apply in the order in which a request passes the service:

1. Before it is carried out: `latency_before`, `refuse`, `drop_before`, `reset_before`, `limit`,
   `throttle`, `error`. The request has no effect.
2. While it is carried out: `partial` and the faults of visibility, `lag`, `forget`, `empty_page`.
3. After it was carried out: `latency`, `drop_after`, `reset_after`, `truncated`, `slow_body`. The
   request has its effect, but the response is late or lost. For SubmitJob this is the dangerous
   case: the job exists and the caller does not have its id.
"""

import enum
import random
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from asyncbatch.local._service.quotas import Rate, TokenBucket

EVERY_OPERATION = "*"


class Kind(enum.Enum):
    """The kinds of faults."""

    THROTTLE = enum.auto()
    ERROR = enum.auto()
    REFUSE = enum.auto()
    DROP_BEFORE = enum.auto()
    DROP_AFTER = enum.auto()
    RESET_BEFORE = enum.auto()
    RESET_AFTER = enum.auto()
    TRUNCATE = enum.auto()
    LATENCY_BEFORE = enum.auto()
    LATENCY = enum.auto()
    SLOW_BODY = enum.auto()
    LAG = enum.auto()
    FORGET = enum.auto()
    EMPTY_PAGE = enum.auto()
    PARTIAL = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """A fault of the service; create one with the class methods.

    Attributes:
        kind: Kind of the fault.
        times: Number of requests that it hits; None is unlimited.
        probability: Probability that it hits a request, from 0 to 1.
        seconds: Duration, for kinds that take time.
        rate: Rate of requests that are not hit, for `limit`.
        status: HTTP status, for `error`.
        code: Error code, for `error` and `partial`.
        message: Error message, for `error` and `partial`.
    """

    kind: Kind
    times: int | None = None
    probability: float = 1.0
    seconds: float = 0.0
    rate: Rate | None = None
    status: int = 0
    code: str = ""
    message: str = ""

    @classmethod
    def limit(cls, per_second: float, burst: float | None = None) -> Self:
        """Throttle requests above a rate.

        Args:
            per_second: Requests per second.
            burst: Requests at once; by default, one second's worth.
        """
        return cls(kind=Kind.THROTTLE, rate=Rate(per_second, burst))

    @classmethod
    def throttle(cls, *, times: int | None = None, probability: float = 1.0) -> Self:
        """Respond as if the rate limit was exceeded."""
        return cls(kind=Kind.THROTTLE, times=times, probability=probability)

    @classmethod
    def error(
        cls,
        code: str,
        message: str = "",
        *,
        status: int = 400,
        times: int | None = None,
        probability: float = 1.0,
    ) -> Self:
        """Respond with an error; the request is not carried out."""
        return cls(
            kind=Kind.ERROR,
            code=code,
            message=message,
            status=status,
            times=times,
            probability=probability,
        )

    @classmethod
    def server_error(cls, *, times: int | None = None, probability: float = 1.0) -> Self:
        """Respond with HTTP 500 ServerException; the request is not carried out."""
        return cls.error(
            "ServerException", "Internal error", status=500, times=times, probability=probability
        )

    @classmethod
    def refuse(cls, *, times: int | None = None, probability: float = 1.0) -> Self:
        """Refuse the connection.

        The HTTP server has accepted it already, so it resets the connection instead.
        """
        return cls(kind=Kind.REFUSE, times=times, probability=probability)

    @classmethod
    def drop_before(cls, *, times: int | None = None, probability: float = 1.0) -> Self:
        """Close the connection; the request is not carried out."""
        return cls(kind=Kind.DROP_BEFORE, times=times, probability=probability)

    @classmethod
    def drop_after(cls, *, times: int | None = None, probability: float = 1.0) -> Self:
        """Carry the request out, then close the connection: only the response is lost."""
        return cls(kind=Kind.DROP_AFTER, times=times, probability=probability)

    @classmethod
    def reset_before(cls, *, times: int | None = None, probability: float = 1.0) -> Self:
        """Reset the connection (TCP RST); the request is not carried out."""
        return cls(kind=Kind.RESET_BEFORE, times=times, probability=probability)

    @classmethod
    def reset_after(cls, *, times: int | None = None, probability: float = 1.0) -> Self:
        """Carry the request out, then reset the connection (TCP RST)."""
        return cls(kind=Kind.RESET_AFTER, times=times, probability=probability)

    @classmethod
    def truncated(cls, *, times: int | None = None, probability: float = 1.0) -> Self:
        """Carry the request out, then close the connection in the middle of the response's body."""
        return cls(kind=Kind.TRUNCATE, times=times, probability=probability)

    @classmethod
    def latency(cls, seconds: float, *, times: int | None = None, probability: float = 1.0) -> Self:
        """Carry the request out, then respond `seconds` later."""
        return cls(kind=Kind.LATENCY, seconds=seconds, times=times, probability=probability)

    @classmethod
    def latency_before(
        cls, seconds: float, *, times: int | None = None, probability: float = 1.0
    ) -> Self:
        """Wait `seconds`, then carry the request out unless the caller has timed out."""
        return cls(kind=Kind.LATENCY_BEFORE, seconds=seconds, times=times, probability=probability)

    @classmethod
    def slow_body(
        cls, seconds: float, *, times: int | None = None, probability: float = 1.0
    ) -> Self:
        """Carry the request out, then pause for `seconds` in the middle of the response's body."""
        return cls(kind=Kind.SLOW_BODY, seconds=seconds, times=times, probability=probability)

    @classmethod
    def lag(cls, seconds: float, *, times: int | None = None, probability: float = 1.0) -> Self:
        """Hide a job from DescribeJobs and ListJobs in the first `seconds` after its submission."""
        return cls(kind=Kind.LAG, seconds=seconds, times=times, probability=probability)

    @classmethod
    def forget(cls, seconds: float, *, times: int | None = None, probability: float = 1.0) -> Self:
        """Hide a job from DescribeJobs and ListJobs later than `seconds` after its end."""
        return cls(kind=Kind.FORGET, seconds=seconds, times=times, probability=probability)

    @classmethod
    def empty_page(cls, *, times: int | None = None, probability: float = 1.0) -> Self:
        """Respond with a page of log events that is empty but not the last; never two in a row."""
        return cls(kind=Kind.EMPTY_PAGE, times=times, probability=probability)

    @classmethod
    def partial(
        cls, code: str, message: str = "", *, times: int | None = None, probability: float = 1.0
    ) -> Self:
        """Carry out a bulk request for every second job, with an error for each of the others.

        For TerminateJobs and CancelJobs; the first job of the request is left out.
        """
        return cls(
            kind=Kind.PARTIAL, code=code, message=message, times=times, probability=probability
        )


class Injection:
    """A fault in force until `remove` is called, or until the end of a `with` block.

    Attributes:
        operation: Name of the operation, or `"*"` for all.
        fault: The fault.
        hits: Number of requests that it has hit.
    """

    def __init__(self, active: "list[Injection]", operation: str, fault: Fault) -> None:
        self._active = active
        self._bucket = TokenBucket(fault.rate) if fault.rate is not None else None
        self.operation = operation
        self.fault = fault
        self.hits = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remove()

    def remove(self) -> None:
        """End the fault; does nothing if it has ended already."""
        if self in self._active:
            self._active.remove(self)

    def strikes(self, operation: str, now: float, rng: random.Random) -> bool:
        """Whether the fault hits a request that arrives at `now` (seconds); counts the hit."""
        if self.operation not in {operation, EVERY_OPERATION} or self.hits == self.fault.times:
            return False
        if self._bucket is not None:
            hit = not self._bucket.take(now)
        else:
            hit = self.fault.probability >= 1 or rng.random() < self.fault.probability
        self.hits += hit
        return hit


class Faults:
    """The faults in force.

    Args:
        rng: Random generator for probabilities.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._injections: list[Injection] = []

    def add(self, operation: str, fault: Fault) -> Injection:
        """Inject a fault into an operation.

        Args:
            operation: Name of the operation, such as `SubmitJob`; `"*"` is every operation.
            fault: The fault.

        Returns:
            The injection, a context manager that ends the fault.
        """
        injection = Injection(self._injections, operation, fault)
        self._injections.append(injection)
        return injection

    def clear(self) -> None:
        """End all faults."""
        self._injections.clear()

    def draw(self, operation: str, now: float) -> dict[Kind, Fault]:
        """Return the faults that hit a request that arrives at `now`: the first of each kind."""
        drawn: dict[Kind, Fault] = {}
        for injection in self._injections:
            fault = injection.fault
            if fault.kind not in drawn and injection.strikes(operation, now, self._rng):
                drawn[fault.kind] = fault
        return drawn
