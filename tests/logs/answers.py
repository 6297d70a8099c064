"""Responses of CloudWatch Logs that a test rewrites, from the bytes of the body on."""

import dataclasses
import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from asyncbatch.local._service.messages import Request, Response
from asyncbatch.local._service.service import Service

Wire = dict[str, Any]
Rewrite = Callable[[str, Wire, Wire], object]
"""Returns the body of a response, as a value or as bytes, for operation, request and response."""

BOTH = frozenset({"GetLogEvents", "FilterLogEvents"})


class Answers:
    """Rewrites successful responses of GetLogEvents and FilterLogEvents.

    Attributes:
        rewrite: What the client gets instead of a response.
        limit: Maximum number of events per page; None leaves that to the engine.
        ignores_tokens_of: Operations that read from the beginning, whatever token is passed.
        counts: Number of rewritten responses by operation.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rewrite: Rewrite | None = None
        self.limit: int | None = None
        self.ignores_tokens_of: frozenset[str] = frozenset()
        self.counts: Counter[str] = Counter()
        handle = Service.handle

        async def handled(service: Service, request: Request) -> Response:
            operation = request.headers.get("x-amz-target", "").rpartition(".")[2]
            if operation not in BOTH:
                return await handle(service, request)
            sent = json.loads(request.body)
            if self.limit is not None:
                sent.setdefault("limit", self.limit)
            if operation in self.ignores_tokens_of:
                sent.pop("nextToken", None)
            request = dataclasses.replace(request, body=json.dumps(sent).encode())
            response = await handle(service, request)
            if self.rewrite is None or response.status != 200:
                return response
            body = self.rewrite(operation, sent, json.loads(response.body))
            encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.counts[operation] += encoded != response.body
            headers = {**response.headers, "content-length": str(len(encoded))}
            return dataclasses.replace(response, body=encoded, headers=headers)

        monkeypatch.setattr(Service, "handle", handled)
