"""The HTTP door: other programs (the AWS CLI, boto3, luigi.contrib.batch) reach the same service.

A caller of this server can run any command as this user, so access is restricted:

* It listens on 127.0.0.1 only.
* Each request has to be signed with a secret key that is random for each door (see `signature`).
  That keeps other users of the machine out.
* Requests with an `Origin` header are rejected: a browser sends it, a program does not.
* Requests with another host name are rejected. A web page can make its own host name resolve to
  127.0.0.1 ("DNS rebinding") and would then count as same-origin.
* A request without access is rejected before its body is read. Bodies are bounded in size and time.
"""

import contextlib
import logging
import secrets
import socket
import struct
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

import anyio
from aiohttp import web

from asyncbatch.local._doors.signature import Verifier
from asyncbatch.local._engine.errors import ServiceError
from asyncbatch.local._engine.ids import REGION
from asyncbatch.local._service.messages import BATCH, LOGS, Request, Response
from asyncbatch.local._service.rendering import render_error
from asyncbatch.local._service.service import ConnectionLost, Loss, Service, ServiceClosed

HOST = "127.0.0.1"
_SHUTDOWN_TIMEOUT = 1.0  # seconds for requests in progress when the door closes
_MAX_BODY = 1024**2  # bytes; the largest valid request, SubmitJob, has 30 KiB
_BODY_TIMEOUT = 20.0  # seconds from the headers of a request to the end of its body
# Seconds until a connection is closed that sends nothing, or not all headers of a request. More
# than the time for which SDKs keep idle connections, so that none is closed in use.
_IDLE_TIMEOUT = 90.0
_LOGGER = logging.getLogger("asyncbatch.local")


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
        """Environment variables that direct the AWS CLI and the AWS SDKs to this server.

        They concern AWS Batch and CloudWatch Logs only, not the clients of other services.
        """
        return {
            "AWS_ENDPOINT_URL_BATCH": self.url,
            "AWS_ENDPOINT_URL_CLOUDWATCH_LOGS": self.url,
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
            _RequestHandler(service, door).handle,
            handler_cancellation=True,
            access_log=None,
            keepalive_timeout=_IDLE_TIMEOUT,
            auto_decompress=False,  # signatures cover the body as it was sent
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
        self._verifier = Verifier(
            access_key_id=door.access_key_id,
            secret_access_key=door.secret_access_key,
            region=REGION,
            services=(BATCH, LOGS),
        )
        self._hosts = {f"{HOST}:{door.port}", f"localhost:{door.port}"}

    async def handle(self, http: web.BaseRequest) -> web.StreamResponse:
        """Respond to a request, or end its connection."""
        headers = _headers(http)
        protocol = LOGS if "x-amz-target" in headers else BATCH
        try:
            request = await self._accepted(http, headers)
            response = await self._service.handle(request)
        except ServiceError as error:
            rejection = _complete(render_error(error, protocol, secrets.token_hex(16)))
            if not http.content.is_eof():
                rejection.force_close()  # the rest of the body must not count as a request
            return rejection
        except ConnectionLost as lost:
            return await _end_connection(http, lost)
        except ServiceClosed:  # as a closed port, which the server's becomes as well
            return await _end_connection(http, ConnectionLost(Loss.REFUSED))
        except Exception:
            _LOGGER.exception("Local engine failed to handle a request: %s", http.path)
            failure = ServiceError("ServerException", "Internal error", status=500)
            return _complete(render_error(failure, protocol, secrets.token_hex(16)))
        if response.pause_in_body:
            return await _send_slowly(http, response)
        return _complete(response)

    async def _accepted(self, http: web.BaseRequest, headers: Mapping[str, str]) -> Request:
        """Return a request that has access.

        Raises:
            ServiceError: The request is rejected.
        """
        if "origin" in headers:
            raise _forbidden("Origin headers are not allowed.")
        if headers.get("host", "") not in self._hosts:
            hosts = " or ".join(sorted(self._hosts))
            raise _forbidden(f"The Host header must be {hosts}.")
        authorization = self._verifier.check_headers(headers)
        body = await _read_body(http)
        self._verifier.check_signature(
            authorization, method=http.method, target=http.raw_path, headers=headers, body=body
        )
        return Request(
            service=authorization.service,
            method=http.method,
            target=http.raw_path,
            headers=headers,
            body=body,
        )


def _headers(http: web.BaseRequest) -> dict[str, str]:
    """Return the headers, names in lower case; the values of a repeated one are joined."""
    names = {name.lower() for name in http.headers}
    return {name: ",".join(http.headers.getall(name)) for name in names}


async def _read_body(http: web.BaseRequest) -> bytes:
    too_large = ServiceError(
        "RequestEntityTooLargeException",
        f"The request body must have at most {_MAX_BODY} bytes.",
        status=413,
    )
    if (http.content_length or 0) > _MAX_BODY:
        raise too_large
    try:
        with anyio.fail_after(_BODY_TIMEOUT):
            return await http.read()
    except web.HTTPRequestEntityTooLarge:  # its limit is the same
        raise too_large from None
    except TimeoutError:
        raise ServiceError(
            "RequestTimeoutException",
            f"The request body did not arrive within {_BODY_TIMEOUT:.0f} seconds.",
            status=408,
        ) from None


def _forbidden(message: str) -> ServiceError:
    return ServiceError("AccessDeniedException", message, status=403)


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
