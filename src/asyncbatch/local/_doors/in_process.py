"""The in-process door: an aiobotocore session whose clients reach the service without a socket.

aiobotocore accepts a custom HTTP session class. `LocalSession` gives its clients one that passes
each signed request to the service and the response to botocore's parser. Failures raise the same
exceptions as aiobotocore's own aiohttp session, because a client's retry rules depend on them.
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

from asyncbatch._values.errors import ClientClosed
from asyncbatch.local._doors.signature import scope_service
from asyncbatch.local._engine.ids import REGION
from asyncbatch.local._service.messages import BATCH, LOGS, Request, Response
from asyncbatch.local._service.service import ConnectionLost, Loss, Service, ServiceClosed

_CREDENTIAL = "local"
_CLOSED = (
    "the local AWS Batch is closed, and its jobs have ended. Close clients before their LocalBatch:"
    " enter it first in `async with`."
)

# No AWS configuration of the machine reaches these clients: neither files nor environment.
_ISOLATED = {
    "profile": (None, None, None, None),
    "region": (None, None, REGION, None),
    "config_file": (None, None, os.devnull, None),
    "credentials_file": (None, None, os.devnull, None),
}


class LocalSession(AioSession):  # type: ignore[misc]  # aiobotocore has no types
    """An aiobotocore session that is connected to a local engine only.

    Its clients need no credentials and use the Region `local` by default. aioboto3 accepts it as
    well: `aioboto3.Session(botocore_session=session)`.

    Attributes:
        jobs_outlive_program: Whether jobs continue after the program; False, because they end with
            the engine. With True, a client reports unfinished jobs at the end of the program.
    """

    def __init__(self, service: Service, loader: Loader) -> None:
        self.jobs_outlive_program = False
        super().__init__(session_vars=_ISOLATED)
        self.register_component("data_loader", loader)
        self.set_credentials(_CREDENTIAL, _CREDENTIAL)
        self._base_config = _InProcessConfig(
            http_session_cls=partial(InProcessHTTPSession, service)
        )

    def get_default_client_config(self) -> AioConfig:
        """Return the configuration that each client's own is merged into."""
        own = super().get_default_client_config()
        return self._base_config if own is None else self._base_config.merge(own)


class _InProcessConfig(AioConfig):  # type: ignore[misc]  # aiobotocore has no types
    """A configuration that keeps its HTTP session class when merged; aiobotocore 2 drops it."""

    def merge(self, other_config: AioConfig) -> AioConfig:
        options = {**self._user_provided_options, **other_config._user_provided_options}  # noqa: SLF001 (as the base class)
        options.pop("http_session_cls", None)
        connector_args = getattr(other_config, "connector_args", None)
        merged = _InProcessConfig(http_session_cls=self.http_session_cls, **options)
        if connector_args is not None:
            merged.connector_args = connector_args
        return merged


class InProcessHTTPSession:
    """An HTTP session class for aiobotocore that calls a service instead of the network.

    Args:
        service: Handles the requests.
        timeout: Connect and read timeout in seconds; only the read timeout applies here.
        max_pool_connections: Maximum number of concurrent requests.
        network: Options that concern a network only (TLS, proxies, sockets); ignored.
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
            ClientClosed: The local engine is closed.
            ConnectionClosedError: The connection was closed before the response was complete.
            EndpointConnectionError: The connection was refused or reset.
            ReadTimeoutError: The response took longer than the read timeout.
        """
        url: str = request.url
        # As in a connection pool: the read timeout starts only with a connection.
        async with self._connections:
            try:
                with anyio.fail_after(self._read_timeout):
                    response = await self._service.handle(_to_request(request))
                # A read timeout limits each read, so it starts again in the body.
                if response.pause_in_body:
                    with anyio.fail_after(self._read_timeout):
                        await anyio.sleep(response.pause_in_body)  # noqa: TID251 (an injected fault)
            except TimeoutError as timeout:
                error = aiohttp.SocketTimeoutError(f"Timeout on reading data from {url}")
                raise ReadTimeoutError(endpoint_url=url, error=error) from timeout
            except ConnectionLost as lost:
                raise _client_error(lost, request) from lost
            except ServiceClosed as closed:
                # No fault of a network, which a client would retry: this engine never opens again.
                raise ClientClosed(_CLOSED) from closed
        return AioAWSResponse(url, response.status, response.headers, _Body(response))


class _Body:
    """A response body with the interface that aiobotocore reads."""

    def __init__(self, response: Response) -> None:
        self._body = response.body

    async def read(self) -> bytes:
        return self._body


class _Refused(aiohttp.ClientConnectorError):
    """aiohttp's error for a closed port; the base class's constructor needs a connection key."""

    def __init__(self, url: str) -> None:
        self._url = url
        aiohttp.ClientOSError.__init__(self, errno.ECONNREFUSED, f"Connect call failed: {url}")

    def __str__(self) -> str:
        return f"Cannot connect to {self._url}"


def _client_error(lost: ConnectionLost, request: AWSPreparedRequest) -> Exception:
    """Return the exception of aiobotocore's own HTTP session for such a lost connection."""
    url = request.url
    cause: Exception
    if lost.how is Loss.DROPPED:
        cause = aiohttp.ServerDisconnectedError()
        if lost.partial is not None:
            cause = aiohttp.ClientPayloadError("Response payload is not completed")
        closed: Exception = ConnectionClosedError(error=cause, request=request, endpoint_url=url)
        return closed
    if lost.how is Loss.RESET:
        cause = aiohttp.ClientOSError(errno.ECONNRESET, "Connection reset by peer")
    else:
        cause = _Refused(url)
    failed: Exception = EndpointConnectionError(endpoint_url=url, error=cause)
    return failed


def _to_request(request: AWSPreparedRequest) -> Request:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        text: Any = value
        headers[name.lower()] = text.decode() if isinstance(text, bytes) else str(text)
    body = request.body or b""
    target = request.url.partition("://")[2].partition("/")[2]
    # A client can be configured not to sign: then only the protocol distinguishes the services.
    unsigned = LOGS if "x-amz-target" in headers else BATCH
    return Request(
        service=scope_service(headers) or unsigned,
        method=request.method,
        target=f"/{target}",
        headers=headers,
        body=body.encode() if isinstance(body, str) else bytes(body),
    )
