"""One call after another: paced, and retried by one rule.

The one retry loop of the package is `Caller.call`. Reading may be repeated whatever happened.
Sending a job may not: it is repeated only where the request certainly did not arrive.

How long a fault is borne depends on whether this endpoint has ever answered: a wrong endpoint is
told within seconds, an outage in the middle of a long run is sat through.
"""

import functools
import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anyio

from asyncbatch._aws.connection import Connection
from asyncbatch._aws.pacing import Pacer
from asyncbatch._values.errors import (
    APIError,
    AsyncBatchError,
    ConnectionFailed,
    CredentialsExpired,
    ServiceFault,
    Throttled,
)
from asyncbatch._values.events import Event, RequestRetried, RequestThrottled
from asyncbatch._values.policies import Backoff, RateLimits

logger = logging.getLogger("asyncbatch")

Answer = dict[str, Any]

_FIRST_CONTACT_TRIES = 3
_CREDENTIAL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call bears faults that pass.

    Attributes:
        seconds: Time from the first fault on after which the last one is raised; None bears them
            for ever. Throttling is always borne: the pace gives way instead.
        may_repeat: Whether the call may be sent again although it may have arrived.
    """

    seconds: float | None
    may_repeat: bool = True


READING = Patience(120.0)
POLLING = Patience(None)
SENDING = Patience(600.0, may_repeat=False)


# What every answer to an operation has; a proxy or a login page says 200 and has not.
_ALWAYS_THERE = {
    "SubmitJob": "jobId",
    "DescribeJobs": "jobs",
    "ListJobs": "jobSummaryList",
    "DescribeJobQueues": "jobQueues",
    "DescribeJobDefinitions": "jobDefinitions",
    "RegisterJobDefinition": "revision",
    "GetLogEvents": "events",
    "FilterLogEvents": "events",
}


def _require_answer(operation: str, answer: Mapping[str, Any]) -> None:
    """Raise unless an answer is one of AWS's.

    Raises:
        ConnectionFailed: Somebody else answered.
    """
    member = _ALWAYS_THERE.get(operation)
    if member is not None and member not in answer:
        said = f"the answer has no {member!r}, so it is not one of AWS's: a proxy, a login page?"
        raise ConnectionFailed(operation, "UnexpectedAnswer", said, may_have_arrived=True)


class Caller:
    """One call after another: waits for its turn, sends, and decides what a fault means."""

    def __init__(
        self,
        connection: Connection,
        limits: RateLimits,
        rng: random.Random,
        notify: Callable[[Event], None],
    ) -> None:
        self._connection = connection
        self._rng = rng
        self._notify = notify
        self._backoff = Backoff()
        self._reached = False
        self._accepted = False
        listing = Pacer(limits.list_per_second)
        terminating = Pacer(limits.terminate_per_second)
        self._pacers = {
            "SubmitJob": Pacer(limits.submit_per_second),
            "DescribeJobs": Pacer(limits.describe_per_second),
            "ListJobs": listing,
            "DescribeJobQueues": listing,
            "DescribeJobDefinitions": listing,
            "TerminateJob": terminating,
            "TerminateJobs": terminating,
            "RegisterJobDefinition": Pacer(limits.register_per_second),
        }
        self._limits = limits

    async def turn(self, operation: str, region: str | None = None) -> None:
        """Wait until the next call of an operation may leave."""
        await self._pacer(operation, region).turn()

    def logs_per_second(self, operation: str, region: str | None) -> float:
        """Return the configured pace of reading logs in a Region."""
        return self._limits.logs_per_second(operation, region or self._connection.region)

    async def call(
        self,
        service: str,
        operation: str,
        arguments: Mapping[str, Any],
        patience: Patience,
        *,
        region: str | None = None,
        has_turn: bool = False,
        pace: str | None = None,
        is_checked: bool = False,
    ) -> Answer:
        """Send a call until it is answered, refused, or patience ends.

        Args:
            service: ``"batch"`` or ``"logs"``.
            operation: The operation in AWS's spelling.
            arguments: Its arguments in AWS's spelling.
            patience: How long faults are borne.
            region: Another Region than the connection's own.
            has_turn: Whether `turn` was awaited for the first try.
            pace: Operation whose pace it shares; None for its own.
            is_checked: Whether the arguments are known to fit the SDK's model.
        """
        pacer = self._pacer(pace or operation, region)
        send = functools.partial(
            self._connection.call, service, operation, arguments, region, is_checked=is_checked
        )
        tries = 0
        fault_since: float | None = None
        while True:
            if not has_turn:
                await pacer.turn()
            has_turn = False
            answer: Answer = {}
            try:
                answer = await _sent(send, operation, patience)
                _require_answer(operation, answer)
            except AsyncBatchError as fault:
                tries += 1
                fault_since = anyio.current_time() if fault_since is None else fault_since
                self._reached |= isinstance(fault, APIError) and fault.status is not None
                if not self._bears(fault, patience, tries, anyio.current_time() - fault_since):
                    raise
                await self._wait(fault, tries, pacer)
            else:
                self._reached = self._accepted = True
                return answer

    def _pacer(self, operation: str, region: str | None) -> Pacer:
        """Return the pacer of an operation; logs in another Region have a quota of their own."""
        name = operation if region in {None, self._connection.region} else f"{operation} {region}"
        if name not in self._pacers:
            self._pacers[name] = Pacer(self.logs_per_second(operation, region))
        return self._pacers[name]

    def _bears(self, fault: AsyncBatchError, patience: Patience, tries: int, lasted: float) -> bool:
        """Return whether a fault may pass, so that the call is sent again."""
        if isinstance(fault, Throttled):
            return True
        if isinstance(fault, CredentialsExpired):
            # Credentials are renewed beside us, by the SDK or by somebody who logs in again.
            return self._accepted and lasted < _CREDENTIAL_SECONDS
        if isinstance(fault, ConnectionFailed):
            if not self._reached and tries >= _FIRST_CONTACT_TRIES:
                return False
            repeatable = patience.may_repeat or not fault.may_have_arrived
        else:
            repeatable = patience.may_repeat and isinstance(fault, ServiceFault)
        return repeatable and (patience.seconds is None or lasted < patience.seconds)

    async def _wait(self, fault: AsyncBatchError, tries: int, pacer: Pacer) -> None:
        """Slow down after throttling, back off after anything else."""
        if not isinstance(fault, APIError):
            return
        if isinstance(fault, Throttled):
            pace = pacer.throttled()
            logger.debug("%s was throttled: %.1f calls a second now", fault.operation, pace)
            self._notify(RequestThrottled(operation=fault.operation, per_second=pace))
            return
        delay = self._backoff.delay(tries, self._rng)
        logger.info("%s Sent again in %.1f s (try %d).", fault, delay, tries)
        self._notify(
            RequestRetried(operation=fault.operation, code=fault.code, tries=tries, delay=delay)
        )
        await anyio.sleep(delay)  # noqa: TID251 - gives a fault time to pass


async def _sent(
    send: Callable[[], Awaitable[Answer]], operation: str, patience: Patience
) -> Answer:
    """Send a call once. What may not be repeated is not torn apart: its answer decides."""
    answer: Answer = {}
    try:
        with anyio.CancelScope(shield=not patience.may_repeat):
            answer = await send()
    except anyio.get_cancelled_exc_class() as torn:
        if patience.may_repeat:
            raise
        # An event loop that is shut down cancels every task by itself, shield or not.
        raise ConnectionFailed(
            operation, "Cancelled", "the event loop was shut down", may_have_arrived=True
        ) from torn
    return answer
