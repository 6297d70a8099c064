"""What enters and leaves the service: HTTP messages, and the call that a request stands for."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

BATCH = "batch"
LOGS = "logs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An HTTP request.

    Attributes:
        service: Service that the request is signed for, such as `batch` or `logs`.
        method: HTTP method.
        target: Path with its query.
        headers: Headers, names in lower case.
        body: Body.
    """

    service: str
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """An HTTP response.

    Attributes:
        status: HTTP status.
        headers: Headers, names in lower case.
        body: Body.
        pause_in_body: Seconds for which the body pauses in the middle.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    pause_in_body: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Visibility:
    """What a response hides: real services are eventually consistent and drop old jobs.

    Attributes:
        lag: Seconds after its submission in which a job is not visible.
        retention: Seconds after its end in which a job is still visible.
        empty_page: Whether a page of log events is returned empty although events follow.
        partial_error: Error code and message for the jobs that a bulk request leaves out; None if
            it handles all jobs.
    """

    lag: float = 0.0
    retention: float = float("inf")
    empty_page: bool = False
    partial_error: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A parsed and validated request.

    Attributes:
        service: `batch` or `logs`.
        operation: Name of the operation, such as `SubmitJob`.
        params: Input, validated against the service model.
        body: Body of the request, for limits on its size.
        request_id: Id of the request.
        visibility: What the response hides.
    """

    service: str
    operation: str
    params: Mapping[str, Any]
    body: bytes
    request_id: str
    visibility: Visibility = Visibility()
