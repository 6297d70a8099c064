"""One API call: waits for its rate limit, is sent, and is retried by one rule.

The only retry loop of the package is `Calls.send`. Reads may be repeated after any fault. SubmitJob
may not: it has no idempotency token, so it is repeated only where the request certainly did not
arrive, and an unknown outcome is raised for `_submitting` to settle.

How long faults are tolerated depends on whether this endpoint has ever responded: a wrong endpoint
fails within seconds, an outage in the middle of a long run is waited out.
"""

import logging
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anyio

from asyncbatch._aws.connection import Connection
from asyncbatch._aws.pacing import Pacer
from asyncbatch._aws.wire.responses import UNREADABLE
from asyncbatch._values.errors import (
    APIError,
    AsyncBatchError,
    ConnectionFailed,
    CredentialsExpired,
    ServiceFault,
    Throttled,
)
from asyncbatch._values.events import (
    Event,
    RequestCompleted,
    RequestRetried,
    RequestThrottled,
)
from asyncbatch._values.policies import Backoff, RateLimits

logger = logging.getLogger("asyncbatch")

Response = dict[str, Any]
Arguments = Mapping[str, Any]

BuildArguments = Callable[[], Awaitable[Arguments | None]]
"""Builds the arguments of a call when the rate limit allows it; None sends nothing."""

_FIRST_CONTACT_TRIES = 3
_CREDENTIAL_SECONDS = 60.0
_BACKOFF = Backoff()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One API operation, as this package uses it.

    Attributes:
        service: ``"batch"`` or ``"logs"``.
        name: The operation in AWS's spelling, such as ``"SubmitJob"``.
        pace: Name of the rate limit that it counts against; see `_pacers`.
        required: Member that each of AWS's responses has. A proxy or a login page answers with
            status 200 and lacks it. None where AWS's response may be empty.
        required_type: Its type. A response of AWS in which it is null, or of another type, cannot
            be read: a fault of the service.
        validate: Whether the SDK checks the arguments against its model first. That takes a tenth
            of the CPU time of a SubmitJob, so it is off where the arguments are all our own.
    """

    service: str
    name: str
    pace: str
    required: str | None = None
    required_type: type = list
    validate: bool = True


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call tolerates faults that may pass.

    Attributes:
        seconds: Time from the first fault after which the next one is raised; None never raises
            them. Throttling is always tolerated: the rate is lowered instead.
        may_repeat: Whether the call may be sent again although it may have arrived.
        backoff: Delays between tries.
        unreadable: Number of responses in a row that cannot be read, after which the fault is
            raised; None for as many as `seconds` allows.
    """

    seconds: float | None
    may_repeat: bool = True
    backoff: Backoff = _BACKOFF
    unreadable: int | None = None


READING = Patience(120.0)
LOOKING_UP = Patience(120.0, backoff=Backoff(first=0.1))
"""For calls that many submissions wait for together."""
EXPLAINING = Patience(5.0)
"""For calls whose result completes an answer that is useful without it."""
POLLING = Patience(None)
# One odd job may make the response for many jobs unreadable: the caller then divides them.
POLLING_MANY = Patience(None, unreadable=2)
SENDING = Patience(600.0, may_repeat=False)


class Calls:
    """Sends API calls through one connection, within its rate limits."""

    def __init__(
        self,
        connection: Connection,
        limits: RateLimits,
        rng: random.Random,
        report: Callable[[Event], None],
    ) -> None:
        """Send through an open connection; `report` gets an event for each retry."""
        self._connection = connection
        self._limits = limits
        self._rng = rng
        self._report = report
        self._has_responded = False
        self._has_succeeded = False
        self._pacers = {
            "submit": Pacer(limits.submit_per_second),
            "describe": Pacer(limits.describe_per_second),
            "list": Pacer(limits.list_per_second),
            "terminate": Pacer(limits.terminate_per_second),
            "register": Pacer(limits.register_per_second),
        }

    def logs_per_second(self, operation: str, region: str | None) -> float:
        """Return the rate limit of GetLogEvents or FilterLogEvents in a Region."""
        return self._limits.logs_per_second(operation, region or self._connection.region)

    async def send(
        self,
        operation: Operation,
        arguments: Arguments | BuildArguments,
        patience: Patience,
        *,
        region: str | None = None,
    ) -> Response:
        """Send a call until it succeeds, is refused, or patience ends.

        Args:
            operation: What to call.
            arguments: Its arguments in AWS's spelling, or a coroutine function that builds them.
                It is called once, when the rate limit allows the call: the latest moment to choose
                which jobs to describe, or to record what is about to be sent.
            patience: How long faults are tolerated.
            region: Another Region than the connection's own.

        Returns:
            AWS's response; empty where there was nothing to send.
        """
        pacer = self._pacer(operation, region)
        await pacer.turn()
        built = await arguments() if callable(arguments) else arguments
        if built is None:
            return {}
        tries = unreadable = 0
        first_fault_at: float | None = None
        while True:
            sent_at = anyio.current_time()
            try:
                response = await self._send_once(operation, built, region, patience)
            except AsyncBatchError as fault:
                self._report_completed(operation, sent_at, fault)
                tries += 1
                unreadable = unreadable + 1 if is_unreadable(fault) else 0
                now = anyio.current_time()
                first_fault_at = now if first_fault_at is None else first_fault_at
                self._has_responded |= isinstance(fault, APIError) and fault.status is not None
                if unreadable == patience.unreadable or not self._tolerates(
                    fault, patience, tries, now - first_fault_at
                ):
                    # Where it was sent from says nothing about what AWS refused.
                    raise fault.with_traceback(None) from fault.__cause__
                await self._wait(fault, tries, pacer, patience.backoff)
                await pacer.turn()
            else:
                self._report_completed(operation, sent_at, None)
                self._has_responded = self._has_succeeded = True
                return response

    def _report_completed(
        self, operation: Operation, sent_at: float, fault: AsyncBatchError | None
    ) -> None:
        code = None if fault is None else getattr(fault, "code", type(fault).__name__)
        seconds = anyio.current_time() - sent_at
        self._report(RequestCompleted(operation=operation.name, seconds=seconds, code=code))

    async def _send_once(
        self, operation: Operation, arguments: Arguments, region: str | None, patience: Patience
    ) -> Response:
        """Send a call once.

        A call that may not be repeated is not cancelled halfway: its response decides.
        """
        response: Response = {}
        if not patience.may_repeat:
            # The wait for the rate limit may have ended just now: then nothing is sent any more.
            await anyio.lowlevel.checkpoint_if_cancelled()
        try:
            with anyio.CancelScope(shield=not patience.may_repeat):
                response = await self._connection.call(
                    operation.service,
                    operation.name,
                    arguments,
                    region,
                    validate=operation.validate,
                )
        except anyio.get_cancelled_exc_class() as cancelled:
            if patience.may_repeat:
                raise
            # An event loop that shuts down cancels every task by itself, shielded or not.
            raise ConnectionFailed(
                operation.name, "Cancelled", "the event loop was shut down", may_have_arrived=True
            ) from cancelled
        _require_readable(operation, response)
        return response

    def _pacer(self, operation: Operation, region: str | None) -> Pacer:
        """Return the pacer of an operation; logs have a quota of their own in each Region."""
        if operation.service != "logs":
            return self._pacers[operation.pace]
        home = region in {None, self._connection.region}
        name = operation.pace if home else f"{operation.pace} {region}"
        if name not in self._pacers:
            self._pacers[name] = Pacer(self.logs_per_second(operation.name, region))
        return self._pacers[name]

    def _tolerates(
        self, fault: AsyncBatchError, patience: Patience, tries: int, seconds: float
    ) -> bool:
        """Return whether a fault may pass, so that the call is sent again."""
        if isinstance(fault, Throttled):
            return True
        if isinstance(fault, CredentialsExpired):
            # Credentials may be renewed meanwhile, by the SDK or by a person who logs in again.
            return self._has_succeeded and seconds < _CREDENTIAL_SECONDS
        if isinstance(fault, ConnectionFailed):
            if not self._has_responded and tries >= _FIRST_CONTACT_TRIES:
                return False
            repeatable = patience.may_repeat or not fault.may_have_arrived
        else:
            repeatable = patience.may_repeat and isinstance(fault, ServiceFault)
        return repeatable and (patience.seconds is None or seconds < patience.seconds)

    async def _wait(
        self, fault: AsyncBatchError, tries: int, pacer: Pacer, backoff: Backoff
    ) -> None:
        """Lower the rate after throttling, back off after any other fault."""
        if not isinstance(fault, APIError):
            return
        if isinstance(fault, Throttled):
            rate = pacer.throttled()
            logger.debug("%s throttled; rate lowered to %.1f calls/s", fault.operation, rate)
            self._report(RequestThrottled(operation=fault.operation, per_second=rate))
            return
        delay = backoff.delay(tries, self._rng)
        logger.info(
            "%s failed (%s); retrying in %.1f s (try %d): %s",
            *(fault.operation, fault.code, delay, tries, fault),
        )
        self._report(
            RequestRetried(operation=fault.operation, code=fault.code, tries=tries, delay=delay)
        )
        await anyio.sleep(delay)  # noqa: TID251 - back-off: gives a fault time to pass


def is_unreadable(error: Exception) -> bool:
    """Return whether AWS answered, but the response cannot be read."""
    return isinstance(error, ServiceFault) and error.code == UNREADABLE


def _require_readable(operation: Operation, response: Response) -> None:
    """Raise unless a response is from AWS, and has what each of its responses has.

    Raises:
        ConnectionFailed: It is not from AWS.
        ServiceFault: It cannot be read.
    """
    name = operation.required
    if name is None:
        return
    if name not in response:
        problem = f"the response has no {name!r}, so it is not from AWS (a proxy or a login page?)"
        raise ConnectionFailed(operation.name, "UnexpectedResponse", problem, may_have_arrived=True)
    value = response[name]
    if not isinstance(value, operation.required_type) or value == "":
        raise ServiceFault(operation.name, UNREADABLE, f"{name!r} is {value!r:.100}")
