"""The HTTP door: other programs (the AWS CLI, boto3, luigi.contrib.batch) reach the same service.

A caller of this server can run any command as this user, so access is restricted:

* It listens on 127.0.0.1 only.
* Each request has to name an access key that is random for each door. That keeps other users of
  the machine out.
* Requests with an `Origin` header are rejected: a browser sends it, a program does not.
* Requests with another host name are rejected. A web page can make its own host name resolve to
  127.0.0.1 ("DNS rebinding") and would then count as same-origin.
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
_SHUTDOWN_TIMEOUT = 1.0  # seconds for requests in progress when the door closes


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """Address and credentials of a local engine's HTTP server.

    Attributes:
        port: TCP port on 127.0.0.1.
        access_key_id: Access key that each request must be signed with.
        secret_access_key: Secret key for it.
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
        """Environment variables that direct the AWS CLI and the AWS SDKs to this server."""
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
        service: Handles the requests.
        port: TCP port; 0 chooses a free one.

    Yields:
        The address and credentials.
    """
    with socket.create_server((HOST, port)) as listener:
        door = Door(
            port=listener.getsockname()[1],
            access_key_id=f"LOCAL{secrets.token_hex(8).upper()}",
            secret_access_key=secrets.token_urlsafe(30),
        )
        # With handler_cancellation, a caller's disconnect cancels the request: a request that
        # `latency_before` delays beyond the caller's timeout is never carried out.
        server = web.Server(
            _RequestHandler(service, door).handle, handler_cancellation=True, access_log=None
        )
        runner = web.ServerRunner(server, shutdown_timeout=_SHUTDOWN_TIMEOUT)
        await runner.setup()
        try:
            await web.SockSite(runner, listener).start()
            yield door
        finally:
            with anyio.CancelScope(shield=True):
                await runner.cleanup()


class _RequestHandler:
    """Checks access, then passes requests to the service and responses back."""

    def __init__(self, service: Service, door: Door) -> None:
        self._service = service
        self._key = door.access_key_id
        self._hosts = {f"{HOST}:{door.port}", f"localhost:{door.port}"}

    async def handle(self, http: web.BaseRequest) -> web.StreamResponse:
        """Respond to a request, or end its connection."""
        headers = {name.lower(): value for name, value in http.headers.items()}
        rejection = self._rejection(headers)
        if rejection is not None:
            return _complete(render_error(rejection, headers, secrets.token_hex(16)))
        body = await http.read()
        request = Request(method=http.method, target=http.raw_path, headers=headers, body=body)
        try:
            response = await self._service.handle(request)
        except ConnectionLost as lost:
            return await _end_connection(http, lost)
        if response.pause_in_body:
            return await _send_slowly(http, response)
        return _complete(response)

    def _rejection(self, headers: Mapping[str, str]) -> ServiceError | None:
        """Return the error for a request without access; None if it has access."""
        if "origin" in headers:
            return _forbidden("AccessDeniedException", "Origin headers are not allowed.")
        if headers.get("host", "") not in self._hosts:
            hosts = " or ".join(sorted(self._hosts))
            return _forbidden("AccessDeniedException", f"The Host header must be {hosts}.")
        found = _CREDENTIAL.match(headers.get("authorization", ""))
        if found is None or not hmac.compare_digest(found[1].encode(), self._key.encode()):
            return _forbidden(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            )
        return None


def _forbidden(code: str, message: str) -> ServiceError:
    return ServiceError(code, message, status=403)


def _complete(response: Response) -> web.Response:
    return web.Response(status=response.status, headers=dict(response.headers), body=response.body)


async def _send_first_half(http: web.BaseRequest, response: Response) -> web.StreamResponse:
    """Send the headers and the first half of the body, unless the caller has disconnected."""
    stream = web.StreamResponse(status=response.status, headers=dict(response.headers))
    stream.content_length = len(response.body)
    with contextlib.suppress(ConnectionError):
        await stream.prepare(http)
        await stream.write(response.body[: len(response.body) // 2])
    return stream


async def _send_slowly(http: web.BaseRequest, response: Response) -> web.StreamResponse:
    stream = await _send_first_half(http, response)
    await anyio.sleep(response.pause_in_body)  # noqa: TID251 (an injected fault)
    with contextlib.suppress(ConnectionError):  # the caller has timed out and disconnected
        await stream.write(response.body[len(response.body) // 2 :])
        await stream.write_eof()
    return stream


async def _end_connection(http: web.BaseRequest, lost: ConnectionLost) -> web.StreamResponse:
    """End the connection without a complete response."""
    stream: web.StreamResponse = web.Response()
    if lost.partial is not None:
        stream = await _send_first_half(http, lost.partial)
    if http.transport is not None:
        if lost.how in {Loss.RESET, Loss.REFUSED}:  # accepted already: too late to refuse
            _reset_on_close(http.transport.get_extra_info("socket"))
        http.transport.close()
    return stream


def _reset_on_close(connection: socket.socket) -> None:
    # SO_LINGER with 0 seconds makes the kernel send RST instead of FIN.
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
