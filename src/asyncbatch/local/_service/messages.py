"""What enters and leaves the service: HTTP messages, and the call that a request stands for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BATCH = "batch"
LOGS = "logs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An HTTP request; header names are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An HTTP response.

    Attributes:
        status: The HTTP status.
        headers: The headers.
        body: The body.
        seconds_in_body: How long the body stops in the middle.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    seconds_in_body: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """How much of the truth an answer shows: a service may lag, or forget.

    Attributes:
        lag: Seconds for which a new job is not shown.
        forget: Seconds after its end for which a job is still shown.
        empty_page: Whether a page of log events comes without any.
        left_out: Code and message for the jobs that a bulk request leaves out; None for all done.
    """

    lag: float = 0.0
    forget: float = float("inf")
    empty_page: bool = False
    left_out: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request that was understood.

    Attributes:
        service: `batch` or `logs`.
        operation: The operation's name, in AWS's words.
        params: Its input, validated against the service model.
        body: The request's body, for limits on its size.
        request_id: The id of the request.
        views: What the answer hides.
    """

    service: str
    operation: str
    params: Mapping[str, Any]
    body: bytes
    request_id: str
    views: Views = Views()
