"""Faults on demand: a service that throttles, fails, lags, or loses requests and answers.

Each fault is a value; `Faults.add` injects it into one operation, or into all of them with `"*"`.
"""

import enum
import random
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from asyncbatch.local._service.quotas import Rate, TokenBucket

EVERY_OPERATION = "*"


class Kind(enum.Enum):
    """What goes wrong."""

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
    """Something that goes wrong with a request; made by the class methods.

    Attributes:
        kind: What goes wrong.
        times: How many requests it hits; None hits all.
        probability: The chance that it hits a request, from 0 to 1.
        seconds: How long, where the fault takes time.
        rate: How many requests get through, where the fault is a limit.
        status: The HTTP status of an error.
        code: The error code of an error.
        message: The message of an error.
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
        """Throttle what exceeds a rate (a token bucket), as AWS does."""
        return cls(kind=Kind.THROTTLE, rate=Rate(per_second, burst))

    @classmethod
    def throttle(cls, *, times: int | None = None, probability: float = 1.0) -> Self:
        """Answer as if the rate was exceeded."""
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
        """Answer with an error instead of carrying the request out."""
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
        """Answer with HTTP 500 ServerException instead of carrying the request out."""
        return cls.error(
            "ServerException", "Internal error", status=500, times=times, probability=probability
        )

    @classmethod
    def refuse(cls, *, times: int | None = None, probability: float = 1.0) -> Self:
        """Refuse the connection; over HTTP, where it exists already, reset it."""
        return cls(kind=Kind.REFUSE, times=times, probability=probability)

    @classmethod
    def drop_before(cls, *, times: int | None = None, probability: float = 1.0) -> Self:
        """Close the connection; the request is not carried out."""
        return cls(kind=Kind.DROP_BEFORE, times=times, probability=probability)

    @classmethod
    def drop_after(cls, *, times: int | None = None, probability: float = 1.0) -> Self:
        """Carry the request out, then close the connection: only the answer is lost."""
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
        """Carry the request out, and close the connection in the middle of the answer's body."""
        return cls(kind=Kind.TRUNCATE, times=times, probability=probability)

    @classmethod
    def latency(cls, seconds: float, *, times: int | None = None, probability: float = 1.0) -> Self:
        """Carry the request out, and answer `seconds` later."""
        return cls(kind=Kind.LATENCY, seconds=seconds, times=times, probability=probability)

    @classmethod
    def latency_before(
        cls, seconds: float, *, times: int | None = None, probability: float = 1.0
    ) -> Self:
        """Wait `seconds`, then carry the request out, unless the caller has given up."""
        return cls(kind=Kind.LATENCY_BEFORE, seconds=seconds, times=times, probability=probability)

    @classmethod
    def slow_body(
        cls, seconds: float, *, times: int | None = None, probability: float = 1.0
    ) -> Self:
        """Carry the request out, and let the answer's body stop for `seconds` in the middle."""
        return cls(kind=Kind.SLOW_BODY, seconds=seconds, times=times, probability=probability)

    @classmethod
    def lag(cls, seconds: float, *, times: int | None = None, probability: float = 1.0) -> Self:
        """Do not show a job in the first `seconds` after it was submitted."""
        return cls(kind=Kind.LAG, seconds=seconds, times=times, probability=probability)

    @classmethod
    def forget(cls, seconds: float, *, times: int | None = None, probability: float = 1.0) -> Self:
        """Do not show a job any more when it ended `seconds` ago."""
        return cls(kind=Kind.FORGET, seconds=seconds, times=times, probability=probability)

    @classmethod
    def empty_page(cls, *, times: int | None = None, probability: float = 1.0) -> Self:
        """Answer with a page of log events that is empty but not the last; never two in a row."""
        return cls(kind=Kind.EMPTY_PAGE, times=times, probability=probability)

    @classmethod
    def partial(
        cls, code: str, message: str = "", *, times: int | None = None, probability: float = 1.0
    ) -> Self:
        """Carry a bulk request out for every second job, and answer with an error for the others.

        It is for TerminateJobs and CancelJobs; the first job is one of those left out.
        """
        return cls(
            kind=Kind.PARTIAL, code=code, message=message, times=times, probability=probability
        )


class Injection:
    """A fault that is in force until `remove` is called, or until the end of a `with` block.

    Attributes:
        operation: The operation, or `"*"`.
        fault: The fault.
        hits: How many requests it has hit.
    """

    def __init__(self, home: "list[Injection]", operation: str, fault: Fault) -> None:
        self._home = home
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
        """End the fault; harmless when it has ended already."""
        if self in self._home:
            self._home.remove(self)

    def strikes(self, operation: str, now: float, rng: random.Random) -> bool:
        """Whether it hits a request that comes now."""
        if self.operation not in {operation, EVERY_OPERATION} or self.hits == self.fault.times:
            return False
        if self._bucket is not None:
            hit = not self._bucket.take(now)
        else:
            hit = self.fault.probability >= 1 or rng.random() < self.fault.probability
        self.hits += hit
        return hit


class Faults:
    """The faults that are in force.

    Args:
        rng: Where chance comes from.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._injections: list[Injection] = []

    def add(self, operation: str, fault: Fault) -> Injection:
        """Inject a fault into an operation.

        Args:
            operation: The operation's name in AWS's words, such as `SubmitJob`; `"*"` means all.
            fault: What goes wrong.

        Returns:
            The injection: a context manager that ends it.
        """
        injection = Injection(self._injections, operation, fault)
        self._injections.append(injection)
        return injection

    def clear(self) -> None:
        """End all faults."""
        self._injections.clear()

    def draw(self, operation: str, now: float) -> dict[Kind, Fault]:
        """Return the faults that hit a request that comes now; the first of each kind."""
        drawn: dict[Kind, Fault] = {}
        for injection in self._injections:
            fault = injection.fault
            if fault.kind not in drawn and injection.strikes(operation, now, self._rng):
                drawn[fault.kind] = fault
        return drawn
