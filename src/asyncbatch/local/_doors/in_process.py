"""The in-process door: an aiobotocore session whose clients reach the service without a socket.

aiobotocore lets a client bring its own HTTP session class. `LocalSession` gives its clients one
that hands each signed request to the service and the answer to botocore's parser. What fails raises
what aiobotocore's own aiohttp session raises in the same case.
"""

import asyncio
import errno
import os
from functools import partial
from types import TracebackType
from typing import Any, Self

import aiohttp
import anyio
from aiobotocore.awsrequest import AioAWSResponse
from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession
from botocore.awsrequest import AWSPreparedRequest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from botocore.loaders import Loader

from asyncbatch.local._engine.ids import REGION
from asyncbatch.local._service.messages import Request, Response
from asyncbatch.local._service.service import ConnectionLost, Loss, Service

_CREDENTIAL = "local"

# Nothing of the machine's AWS configuration reaches these clients: neither files nor environment.
_ISOLATED = {
    "profile": (None, None, None, None),
    "region": (None, None, REGION, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


class LocalSession(AioSession):  # type: ignore[misc]  # aiobotocore has no types
    """An aiobotocore session that is connected to a local engine and to nothing else.

    Its clients need no credentials, and use the Region `local` unless they are told another.
    aioboto3 takes it as well: `aioboto3.Session(botocore_session=session)`.

    Attributes:
        jobs_outlive_program: Whether there is anything to say of jobs that run on at the end.
    """

    def __init__(self, service: Service, loader: Loader) -> None:
        self.jobs_outlive_program = False
        super().__init__(session_vars=_ISOLATED)
        self.register_component("data_loader", loader)
        self.set_credentials(_CREDENTIAL, _CREDENTIAL)
        self._door = _DoorConfig(http_session_cls=partial(InProcessHTTPSession, service))

    def get_default_client_config(self) -> AioConfig:
        """Return the configuration that every client's own is merged into: it holds the door."""
        own = super().get_default_client_config()
        return self._door if own is None else self._door.merge(own)


class _DoorConfig(AioConfig):  # type: ignore[misc]  # aiobotocore has no types
    """A configuration that keeps its HTTP session class in merges; aiobotocore 2 drops it."""

    def merge(self, other_config: AioConfig) -> AioConfig:
        options = {**self._user_provided_options, **other_config._user_provided_options}  # noqa: SLF001 (as the base class)
        options.pop("http_session_cls", None)
        connector_args = getattr(other_config, "connector_args", None)
        merged = _DoorConfig(http_session_cls=self.http_session_cls, **options)
        if connector_args is not None:
            merged.connector_args = connector_args
        return merged


class InProcessHTTPSession:
    """An HTTP session class of aiobotocore's that asks a service instead of the network.

    Args:
        service: Who answers.
        timeout: Seconds to wait for a connection and for an answer; the second one counts here.
        max_pool_connections: How many requests may be under way at once.
        network: What concerns a network only: TLS, proxies, socket options.
    """

    def __init__(
        self,
        service: Service,
        *,
        timeout: float | tuple[float, float] | list[float],
        max_pool_connections: int,
        **network: object,
    ) -> None:
        del network
        self._service = service
        self._read_timeout = timeout if isinstance(timeout, (int, float)) else timeout[1]
        self._connections = asyncio.Semaphore(max_pool_connections)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Do nothing: there is no connection to close."""

    async def close(self) -> None:
        """Do nothing: there is no connection to close."""

    async def send(self, request: AWSPreparedRequest) -> AioAWSResponse:
        """Send a signed request.

        Raises:
            ConnectionClosedError: The connection was closed before the whole answer had come.
            EndpointConnectionError: The connection was refused or, at any time, reset.
            ReadTimeoutError: The answer took longer than the client waits.
        """
        url: str = request.url
        async with self._connections:
            try:
                with anyio.fail_after(self._read_timeout):
                    response = await self._service.handle(_to_request(request))
                if response.seconds_in_body:
                    with anyio.fail_after(self._read_timeout):
                        await anyio.sleep(response.seconds_in_body)  # noqa: TID251 (a fault that was asked for)
            except TimeoutError as late:
                error = aiohttp.SocketTimeoutError(f"Timeout on reading data from {url}")
                raise ReadTimeoutError(endpoint_url=url, error=error) from late
            except ConnectionLost as lost:
                raise _as_seen_by_aiohttp(lost, request) from lost
        return AioAWSResponse(url, response.status, response.headers, _Body(response))


class _Body:
    """The body of an answer, read as aiobotocore reads one."""

    def __init__(self, response: Response) -> None:
        self._body = response.body

    async def read(self) -> bytes:
        return self._body


class _Refused(aiohttp.ClientConnectorError):
    """What aiohttp raises when nobody listens; its own needs a connection to be made of."""

    def __init__(self, url: str) -> None:
        self._url = url
        aiohttp.ClientOSError.__init__(self, errno.ECONNREFUSED, f"Connect call failed: {url}")

    def __str__(self) -> str:
        return f"Cannot connect to {self._url}"


def _as_seen_by_aiohttp(lost: ConnectionLost, request: AWSPreparedRequest) -> Exception:
    """Return what aiobotocore's own HTTP session raises when a connection ends like this."""
    url = request.url
    seen: Exception
    if lost.how is Loss.DROPPED:
        seen = aiohttp.ServerDisconnectedError()
        if lost.partial is not None:
            seen = aiohttp.ClientPayloadError("Response payload is not completed")
        closed: Exception = ConnectionClosedError(error=seen, request=request, endpoint_url=url)
        return closed
    if lost.how is Loss.RESET:
        seen = aiohttp.ClientOSError(errno.ECONNRESET, "Connection reset by peer")
    else:
        seen = _Refused(url)
    failed: Exception = EndpointConnectionError(endpoint_url=url, error=seen)
    return failed


def _to_request(request: AWSPreparedRequest) -> Request:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        text: Any = value
        headers[name.lower()] = text.decode() if isinstance(text, bytes) else str(text)
    body = request.body or b""
    target = request.url.partition("://")[2].partition("/")[2]
    return Request(
        method=request.method,
        target=f"/{target}",
        headers=headers,
        body=body.encode() if isinstance(body, str) else bytes(body),
    )
