"""From HTTP requests to validated calls, with botocore's own service models.

The models know the operations and members that the installed botocore can send, so the engine
accepts exactly what the client in use can send.

A request names its service in the scope of its signature. Both services have a TagResource, so
operation names alone are ambiguous. AWS Batch is a REST-JSON service: method and path name the
operation. CloudWatch Logs is a JSON-RPC service: the `X-Amz-Target` header names it.
"""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, unquote

from botocore.loaders import Loader
from botocore.model import OperationModel, ServiceModel
from botocore.validate import ParamValidator

from asyncbatch.local._engine.errors import ServiceError, executing_error, invalid_parameter
from asyncbatch.local._service.messages import BATCH, LOGS, Call, Request

_LOGS_PREFIX = "Logs_20140328."


class Router:
    """Parses requests to AWS Batch and CloudWatch Logs.

    Args:
        loader: Loads the service models, which takes tens of milliseconds.
    """

    def __init__(self, loader: Loader) -> None:
        self._batch = _model(loader, BATCH)
        self._logs = _model(loader, LOGS)
        self._routes: dict[tuple[str, str], str] = {}
        for name in self._batch.operation_names:
            http = self._batch.operation_model(name).http
            self._routes[http["method"], http["requestUri"].partition("{")[0]] = name

    def parse(self, request: Request, request_id: str) -> Call:
        """Return the call that a request stands for.

        Raises:
            ServiceError: There is no such operation, or the input does not fit its model.
        """
        if request.service == LOGS:
            return self._parse_logs(request, request_id)
        if request.service == BATCH:
            return self._parse_batch(request, request_id)
        raise unknown_operation(f"{request.method} {request.target} of {request.service}")

    def _parse_logs(self, request: Request, request_id: str) -> Call:
        target = request.headers.get("x-amz-target", "")
        operation = target.removeprefix(_LOGS_PREFIX)
        if operation == target or operation not in self._logs.operation_names:
            raise unknown_operation(operation or f"{request.method} {request.target}")
        params = _json_body(request)
        problem = _problem(params, self._logs.operation_model(operation))
        if problem:
            raise invalid_parameter(problem)
        return Call(
            service=LOGS,
            operation=operation,
            params=params,
            body=request.body,
            request_id=request_id,
        )

    def _parse_batch(self, request: Request, request_id: str) -> Call:
        path, _, query = request.target.partition("?")
        operation, in_path = self._route(request.method, path)
        model = self._batch.operation_model(operation)
        params = {**_json_body(request), **_located(model, in_path, query)}
        problem = _problem(params, model)
        if problem:
            raise executing_error(problem, request_id)
        return Call(
            service=BATCH,
            operation=operation,
            params=params,
            body=request.body,
            request_id=request_id,
        )

    def _route(self, method: str, path: str) -> tuple[str, str]:
        """Return the operation, and the part of the path that is an input member (an ARN)."""
        operation = self._routes.get((method, path))
        if operation is not None:
            return operation, ""
        # Only the tag operations have a member in the path: /v1/tags/{resourceArn}.
        prefix, rest = path[: path.find("/", 4) + 1], path[path.find("/", 4) + 1 :]
        operation = self._routes.get((method, prefix))
        if operation is None or not rest:
            raise unknown_operation(f"{method} {path}")
        return operation, unquote(rest)


def unknown_operation(operation: str) -> ServiceError:
    """Return the error for an operation that the local engine does not support."""
    return ServiceError(
        "UnknownOperationException", f"The local engine does not support the operation {operation}."
    )


def _model(loader: Loader, service: str) -> ServiceModel:
    return ServiceModel(loader.load_service_model(service, "service-2"), service)


def _json_body(request: Request) -> dict[str, Any]:
    try:
        body = json.loads(request.body or b"{}")
    except (ValueError, RecursionError) as error:  # a RecursionError if it is nested too deeply
        raise ServiceError("SerializationException", f"The request is not JSON: {error}") from None
    if not isinstance(body, dict):
        raise ServiceError("SerializationException", "The request is not a JSON object.")
    return body


def _located(model: OperationModel, in_path: str, query: str) -> dict[str, Any]:
    """Return the input members that are in the path or the query string."""
    if model.input_shape is None:
        return {}
    found: dict[str, Any] = {}
    values = parse_qs(query, keep_blank_values=True)
    for member, shape in model.input_shape.members.items():
        location = shape.serialization.get("location")
        if location == "uri":
            found[member] = in_path
        elif location == "querystring":
            found[member] = values.get(shape.serialization["name"], [])
    return found


def _problem(params: Mapping[str, Any], model: OperationModel) -> str:
    """Return what is invalid in an input according to its model; an empty text if nothing is."""
    if model.input_shape is None:
        return ""
    report = ParamValidator().validate(params, model.input_shape)
    problem: str = report.generate_report() if report.has_errors() else ""
    return problem
