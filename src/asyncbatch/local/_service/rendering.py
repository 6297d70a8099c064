"""From results and errors to HTTP responses, in the JSON protocol of the called service."""

import json
from collections.abc import Mapping
from typing import Any

from asyncbatch.local._engine.errors import ServiceError
from asyncbatch.local._service.messages import LOGS, Call, Response


def render_result(call: Call, result: Mapping[str, Any]) -> Response:
    """Return the response to a successful call."""
    return _response(call.service, 200, result, call.request_id)


def render_error(error: ServiceError, service: str, request_id: str) -> Response:
    """Return an error response in the protocol of the called service.

    Args:
        error: The error.
        service: The called service.
        request_id: Id of the request.
    """
    body = {"message": error.message}
    if service == LOGS:
        body = {"__type": error.code, **body}
    return _response(service, error.status, body, request_id, error.code)


def _response(
    service: str, status: int, body: Mapping[str, Any], request_id: str, error: str | None = None
) -> Response:
    content_type = "application/x-amz-json-1.1" if service == LOGS else "application/json"
    headers = {"content-type": content_type, "x-amzn-requestid": request_id}
    if error is not None:
        headers["x-amzn-errortype"] = error
    return Response(status=status, headers=headers, body=json.dumps(body).encode())
