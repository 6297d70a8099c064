"""From results and errors to HTTP responses, in the JSON protocol of the called service."""

import json
from collections.abc import Mapping
from typing import Any

from asyncbatch.local._engine.errors import ServiceError
from asyncbatch.local._service.messages import BATCH, LOGS, Call, Response


def render_answer(call: Call, answer: Mapping[str, Any]) -> Response:
    """Return the response to a call that went well."""
    return _response(call.service, 200, answer, call.request_id)


def render_error(error: ServiceError, headers: Mapping[str, str], request_id: str) -> Response:
    """Return the response that tells an error in the words of the service that was asked.

    Args:
        error: The error.
        headers: The headers of the request; they tell the services apart.
        request_id: The id of the request.
    """
    service = LOGS if "x-amz-target" in headers else BATCH
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
