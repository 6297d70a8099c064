"""The HTTP door: other programs (the AWS CLI, boto3, luigi.contrib.batch) reach the same service.

It starts commands for whoever may use it, so it is careful: it listens on 127.0.0.1 only, demands
an access key that is drawn anew for each door, and refuses what a web page could make a browser
send: requests with an `Origin`, and requests to any other host name than its own ("DNS rebinding").
"""

import contextlib
import hmac
import re
import secrets
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import anyio
from aiohttp import web

from asyncbatch.local._engine.errors import ServiceError
from asyncbatch.local._engine.ids import REGION
from asyncbatch.local._service.messages import Request, Response
from asyncbatch.local._service.rendering import render_error
from asyncbatch.local._service.service import ConnectionLost, Loss, Service

HOST = "127.0.0.1"
_CREDENTIAL = re.compile(r"AWS4-HMAC-SHA256 +Credential=([^/,\s]+)/")
_CLOSING = 1.0  # seconds that requests under way get when the door closes


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Where a local engine answers HTTP, and the key to it.

    Attributes:
        port: The TCP port on 127.0.0.1.
        access_key_id: The key that each request must be signed with.
        secret_access_key: The secret that belongs to it.
    """

    port: int
    access_key_id: str
    secret_access_key: str

    @property
    def url(self) -> str:
        """The endpoint URL."""
        return f"http://{HOST}:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        """The environment variables that make the AWS CLI and the AWS SDKs use this door."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
        }


@contextlib.asynccontextmanager
async def open_door(service: Service, port: int) -> AsyncIterator[Door]:
    """Serve HTTP on 127.0.0.1 until the block ends.

    Args:
        service: Who answers.
        port: The TCP port; 0 takes a free one.

    Yields:
        The door.
    """
    with socket.create_server((HOST, port)) as listener:
        door = Door(
            port=listener.getsockname()[1],
            access_key_id=f"LOCAL{secrets.token_hex(8).upper()}",
            secret_access_key=secrets.token_urlsafe(30),
        )
        server = web.Server(
            _Porter(service, door).answer, handler_cancellation=True, access_log=None
        )
        runner = web.ServerRunner(server, shutdown_timeout=_CLOSING)
        await runner.setup()
        try:
            await web.SockSite(runner, listener).start()
            yield door
        finally:
            with anyio.CancelScope(shield=True):
                await runner.cleanup()


class _Porter:
    """Lets in who may come in, and carries requests and answers."""

    def __init__(self, service: Service, door: Door) -> None:
        self._service = service
        self._key = door.access_key_id
        self._hosts = {f"{HOST}:{door.port}", f"localhost:{door.port}"}

    async def answer(self, http: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, or end its connection."""
        headers = {name.lower(): value for name, value in http.headers.items()}
        refusal = self._refusal(headers)
        if refusal is not None:
            return _whole(render_error(refusal, headers, secrets.token_hex(16)))
        body = await http.read()
        request = Request(method=http.method, target=http.raw_path, headers=headers, body=body)
        try:
            response = await self._service.handle(request)
        except ConnectionLost as lost:
            return await _break(http, lost)
        if response.seconds_in_body:
            return await _send_slowly(http, response)
        return _whole(response)

    def _refusal(self, headers: Mapping[str, str]) -> ServiceError | None:
        """Return why a request is refused, or None."""
        if "origin" in headers:
            return _forbidden("AccessDeniedException", "Requests from web pages are refused.")
        if headers.get("host", "") not in self._hosts:
            return _forbidden("AccessDeniedException", "This is not the host that was asked for.")
        found = _CREDENTIAL.match(headers.get("authorization", ""))
        if found is None or not hmac.compare_digest(found[1].encode(), self._key.encode()):
            return _forbidden(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            )
        return None


def _forbidden(code: str, message: str) -> ServiceError:
    return ServiceError(code, message, status=403)


def _whole(response: Response) -> web.Response:
    return web.Response(status=response.status, headers=dict(response.headers), body=response.body)


async def _begin(http: web.BaseRequest, response: Response) -> web.StreamResponse:
    """Send the headers and the first half of the body; who lost patience has gone."""
    stream = web.StreamResponse(status=response.status, headers=dict(response.headers))
    stream.content_length = len(response.body)
    with contextlib.suppress(ConnectionError):
        await stream.prepare(http)
        await stream.write(response.body[: len(response.body) // 2])
    return stream


async def _send_slowly(http: web.BaseRequest, response: Response) -> web.StreamResponse:
    stream = await _begin(http, response)
    await anyio.sleep(response.seconds_in_body)  # noqa: TID251 (a fault that was asked for)
    with contextlib.suppress(ConnectionError):  # who lost patience has gone
        await stream.write(response.body[len(response.body) // 2 :])
        await stream.write_eof()
    return stream


async def _break(http: web.BaseRequest, lost: ConnectionLost) -> web.StreamResponse:
    """End the connection instead of answering."""
    stream: web.StreamResponse = web.Response()
    if lost.partial is not None:
        stream = await _begin(http, lost.partial)
    if http.transport is not None:
        if lost.how in {Loss.RESET, Loss.REFUSED}:  # it was accepted: too late to refuse it
            _reset_on_close(http.transport.get_extra_info("socket"))
        http.transport.close()
    return stream


def _reset_on_close(connection: socket.socket) -> None:
    # Lingering for 0 seconds makes the kernel send RST instead of FIN.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
