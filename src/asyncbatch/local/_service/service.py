"""AWS Batch and CloudWatch Logs as one service: a request in, a response or a lost connection out.

A request is parsed, counted, delayed or failed by faults and quotas, and carried out. All faults of
a request are drawn at once when it arrives. The order of the steps decides what a fault means: what
comes before the handler leaves no trace, what comes after it loses only the response.
"""

import enum
from collections.abc import Callable, Mapping
from typing import Any

import anyio

from asyncbatch.local._engine.errors import ServiceError
from asyncbatch.local._engine.ids import IdMaker
from asyncbatch.local._service.faults import Fault, Faults, Kind
from asyncbatch.local._service.ledger import Ledger
from asyncbatch.local._service.messages import LOGS, Call, Request, Response, Visibility
from asyncbatch.local._service.quotas import Quotas, TokenBucket
from asyncbatch.local._service.rendering import render_error, render_result
from asyncbatch.local._service.routing import Router, unknown_operation
from asyncbatch.local._time.clock import Clock

Handler = Callable[[Call], dict[str, Any]]
DrawnFaults = Mapping[Kind, Fault]


class Loss(enum.Enum):
    """How a connection ends without a complete response."""

    REFUSED = enum.auto()
    DROPPED = enum.auto()
    RESET = enum.auto()


class ConnectionLost(Exception):
    """The connection ended without a complete response.

    Attributes:
        how: How the connection ends.
        partial: Response that is cut off in the middle; None if nothing is sent.
    """

    def __init__(self, how: Loss, *, partial: Response | None = None) -> None:
        super().__init__(how.name.lower())
        self.how = how
        self.partial = partial


class ServiceClosed(Exception):
    """The service is closed, and answers no request any more."""


_BEFORE = {
    Kind.REFUSE: Loss.REFUSED,
    Kind.DROP_BEFORE: Loss.DROPPED,
    Kind.RESET_BEFORE: Loss.RESET,
}
_AFTER = {Kind.DROP_AFTER: Loss.DROPPED, Kind.RESET_AFTER: Loss.RESET}


class Service:
    """AWS Batch and CloudWatch Logs.

    Args:
        router: Parses requests.
        handlers: Handler of each operation of each service.
        clock: The engine's clock.
        ids: Source of request ids.
        quotas: Rate limits.
        faults: Faults in force.
        ledger: Counts requests and their outcomes.
    """

    def __init__(
        self,
        *,
        router: Router,
        handlers: Mapping[str, Mapping[str, Handler]],
        clock: Clock,
        ids: IdMaker,
        quotas: Quotas,
        faults: Faults,
        ledger: Ledger,
    ) -> None:
        self._router = router
        self._handlers = handlers
        self._clock = clock
        self._ids = ids
        self._quotas = quotas
        self._faults = faults
        self._ledger = ledger
        self._buckets: dict[str, TokenBucket] = {}
        self._closed = False

    def close(self) -> None:
        """Refuse all later requests."""
        self._closed = True

    async def handle(self, request: Request) -> Response:
        """Handle a request.

        Raises:
            ConnectionLost: A fault lost the response, and perhaps the request.
            ServiceClosed: The service is closed.
        """
        if self._closed:
            raise ServiceClosed
        # Requests that are no known operation are not counted: the ledger is by operation.
        request_id = self._ids.uuid()
        try:
            call = self._router.parse(request, request_id)
        except ServiceError as error:
            return render_error(error, request.service, request_id)
        self._ledger.calls[call.operation] += 1
        drawn = self._faults.draw(call.operation, self._clock.time())
        await _sleep(drawn.get(Kind.LATENCY_BEFORE))
        self._lose(call, drawn, _BEFORE)
        response = self._respond(call, drawn)
        await _sleep(drawn.get(Kind.LATENCY))
        self._lose(call, drawn, _AFTER)
        return self._damage_body(call, drawn, response)

    def _respond(self, call: Call, drawn: DrawnFaults) -> Response:
        try:
            self._check_rate(call, drawn)
            if Kind.ERROR in drawn:
                _raise_error(drawn[Kind.ERROR])
            handler = self._handlers[call.service].get(call.operation, _no_handler)
            return render_result(call, handler(_with_visibility(call, drawn)))
        except ServiceError as error:
            throttled = error.code in {"TooManyRequestsException", "ThrottlingException"}
            counter = self._ledger.throttled if throttled else self._ledger.failed
            counter[call.operation] += 1
            return render_error(error, call.service, call.request_id)

    def _check_rate(self, call: Call, drawn: DrawnFaults) -> None:
        rate = self._quotas.rate_of(call.operation)
        within_rate = True
        if rate is not None:  # a throttled request takes a token as well, if there is one
            bucket = self._buckets.setdefault(call.operation, TokenBucket(rate))
            within_rate = bucket.take(self._clock.time())
        if within_rate and Kind.THROTTLE not in drawn:
            return
        if call.service == LOGS:
            raise ServiceError("ThrottlingException", "Rate exceeded")
        raise ServiceError("TooManyRequestsException", "Too Many Requests", status=429)

    def _lose(self, call: Call, drawn: DrawnFaults, losses: Mapping[Kind, Loss]) -> None:
        for kind, loss in losses.items():
            if kind in drawn:
                self._ledger.lost[call.operation] += 1
                raise ConnectionLost(loss)

    def _damage_body(self, call: Call, drawn: DrawnFaults, response: Response) -> Response:
        if Kind.TRUNCATE in drawn:
            self._ledger.lost[call.operation] += 1
            raise ConnectionLost(Loss.DROPPED, partial=response)
        if Kind.SLOW_BODY not in drawn:
            return response
        return Response(
            status=response.status,
            headers=response.headers,
            body=response.body,
            pause_in_body=drawn[Kind.SLOW_BODY].seconds,
        )


def _with_visibility(call: Call, drawn: DrawnFaults) -> Call:
    """Return the call with the faults that hide something from its response."""
    lag, retention = drawn.get(Kind.LAG), drawn.get(Kind.FORGET)
    empty = Kind.EMPTY_PAGE in drawn
    partial = drawn.get(Kind.PARTIAL)
    if lag is None and retention is None and partial is None and not empty:
        return call
    visibility = Visibility(
        lag=lag.seconds if lag else 0.0,
        retention=retention.seconds if retention else float("inf"),
        empty_page=empty,
        partial_error=(partial.code, partial.message) if partial else None,
    )
    return Call(
        service=call.service,
        operation=call.operation,
        params=call.params,
        body=call.body,
        request_id=call.request_id,
        visibility=visibility,
    )


def _raise_error(fault: Fault) -> None:
    raise ServiceError(fault.code, fault.message, status=fault.status)


def _no_handler(call: Call) -> dict[str, Any]:
    raise unknown_operation(call.operation)


async def _sleep(fault: Fault | None) -> None:
    if fault is not None:
        await anyio.sleep(fault.seconds)  # noqa: TID251 (the latency of an injected fault)
