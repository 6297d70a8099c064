"""`Connection`: models shared by the sessions of a process, and the SDK's retries switched off."""

import asyncio
import contextlib
import copy
import json
import traceback
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiobotocore.session import AioSession
from botocore.exceptions import ClientError

from asyncbatch import (
    APIError,
    ConnectionFailed,
    CredentialsExpired,
    InvalidRequest,
    ServiceFault,
    fit_for_terminal,
)
from asyncbatch._aws import connection, sdk_hooks
from asyncbatch._aws.connection import Connection, Target
from asyncbatch.local import Fault, LocalBatch


@pytest.fixture(autouse=True)
def nothing_read_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_loaders", {})


def loader_of_new_session() -> object:
    session, _region = connection._prepared(connection.Target(region_name="eu-west-1"))
    return session.get_component("data_loader")


def test_sessions_share_the_models_of_the_sdk() -> None:
    assert loader_of_new_session() is loader_of_new_session()


def test_preloaded_models_are_not_read_again() -> None:
    connection.preload()
    [loader] = connection._loaders.values()
    assert loader_of_new_session() is loader


def test_models_of_another_data_path_are_not_shared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = loader_of_new_session()
    monkeypatch.setenv("AWS_DATA_PATH", "/somewhere/else")
    assert loader_of_new_session() is not usual


def test_session_of_the_user_keeps_its_own_models() -> None:
    own = AioSession()
    loader = own.get_component("data_loader")
    connection._prepared(connection.Target(region_name="eu-west-1", session=own))
    assert own.get_component("data_loader") is loader
    assert connection._loaders == {}


async def test_sdk_sends_a_request_once_and_without_retry_headers() -> None:
    sent: list[set[str]] = []

    def note(request: Any, **_: object) -> None:  # noqa: ANN401 (botocore has no types)
        sent.append({name.lower() for name in request.headers})

    async with LocalBatch() as local, local.serve() as door:
        local.faults.add("DescribeJobs", Fault.server_error())
        session = AioSession()
        session.set_credentials(door.access_key_id, door.secret_access_key)
        target = Target(region_name="local", session=session, endpoint_url=door.url)
        async with Connection.connect(target) as connection:
            client = await connection.client("batch")
            client.meta.events.register("before-send", note)
            with pytest.raises(ServiceFault):
                await connection.call("batch", "DescribeJobs", {"jobs": ["one"]})
    (headers,) = sent
    assert "authorization" in headers
    assert not any(name.startswith("amz-sdk-") for name in headers)


async def test_redirect_of_the_endpoint_is_not_followed() -> None:
    """The session token and the environment of a job must not go to another host."""
    requests: list[bytes] = []

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(
            b"HTTP/1.1 307 Temporary Redirect\r\nContent-Length: 0\r\nConnection: close\r\n"
            b"Location: http://localhost:%d/elsewhere\r\n\r\n" % port
        )
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(redirect, "127.0.0.1", 0) as server:
        port: int = server.sockets[0].getsockname()[1]
        session = AioSession()
        session.set_credentials("key", "secret", "token")
        url = f"http://127.0.0.1:{port}"
        target = Target(region_name="eu-west-1", session=session, endpoint_url=url)
        async with Connection.connect(target) as connection:
            with pytest.raises(APIError) as caught:
                await connection.call("batch", "DescribeJobs", {"jobs": ["one"]})
    assert "HTTP status 307" in str(caught.value)
    assert len(requests) == 1


async def test_invalid_type_in_extra_is_reported_without_values_of_environment_variables() -> None:
    session = AioSession()
    session.set_credentials("key", "secret")
    target = Target(region_name="eu-west-1", session=session, endpoint_url="http://127.0.0.1:9")
    variable = {"name": "DB_PASSWORD", "value": {"hunter2": 1}}
    overrides = {"environment": [variable], "command": 5}
    async with Connection.connect(target) as connection:
        with pytest.raises(InvalidRequest, match="command, value: 5") as caught:
            await connection.call("batch", "SubmitJob", {"containerOverrides": overrides})
    assert "environment[0].value, value: ***, type" in str(caught.value)
    assert "hunter2" not in str(caught.value)


@contextlib.asynccontextmanager
async def endpoint_that_sends(response: bytes) -> AsyncIterator[Connection]:
    """Connect to an endpoint that answers with some bytes, and keeps the connection open."""

    async def send(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(response)
        await writer.drain()
        await reader.read()  # until the client closes it
        writer.close()
        is_closed.set()

    is_closed = asyncio.Event()
    session = AioSession()
    session.set_credentials("AKID", "secret")
    async with await asyncio.start_server(send, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        target = Target(region_name="eu-west-1", session=session, endpoint_url=url)
        async with Connection.connect(target) as connection:
            yield connection
        await is_closed.wait()


def _response(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


ODD_BODIES = [
    b"null",
    b"[1, 2]",
    b"5",
    b'"text"',
    b"[" * 100_000,
    b'{"__type": 5, "message": 7}',
    b'{"__type": [1], "code": {}, "message": {"a": 1}}',
    b'{"__type": "MalformedQueryException", "queryCompileError": 5}',
    b'{"message": %s}' % (b"1" * 5_000),
]


@pytest.mark.parametrize("status", [300, 400, 500])
@pytest.mark.parametrize("body", ODD_BODIES, ids=lambda body: body[:20].decode())
async def test_error_response_of_any_content_is_an_error_of_the_package(
    status: int, body: bytes
) -> None:
    async with endpoint_that_sends(_response(status, body)) as connection:
        with pytest.raises(APIError):
            await connection.call("batch", "DescribeJobs", {"jobs": ["one"]})


async def test_response_that_is_nested_too_deeply_is_lost() -> None:
    """As every `ServiceFault`, it leaves open whether there is a job, which is looked up."""
    body = b'{"jobId": ' + b"[" * 100_000
    async with endpoint_that_sends(_response(200, body)) as connection:
        with pytest.raises(ServiceFault, match=r"UnreadableResponse.*nested too deeply"):
            await connection.call("batch", "SubmitJob", {}, validate=False)


async def test_code_and_message_of_an_error_response_are_kept() -> None:
    body = b'{"__type": "a#ClientException", "message": "no", "other": [{}]}'
    async with endpoint_that_sends(_response(400, body)) as connection:
        with pytest.raises(APIError) as caught:
            await connection.call("batch", "DescribeJobs", {"jobs": ["one"]})
    assert (caught.value.code, caught.value.message) == ("ClientException", "no")


async def test_response_that_never_ends_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK's own timeout is for each read: a response that trickles in would go on for ever."""
    monkeypatch.setattr(sdk_hooks, "_RESPONSE_SECONDS", 0.2)
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"
    async with endpoint_that_sends(begun) as connection:
        with pytest.raises(ConnectionFailed) as caught:
            await connection.call("batch", "SubmitJob", {}, validate=False)
    assert caught.value.may_have_arrived


async def test_traceback_of_an_error_response_has_no_control_characters() -> None:
    body = json.dumps({"message": "\x1b]0;title\x07 \u202e"}).encode()
    async with endpoint_that_sends(_response(400, body)) as connection:
        with pytest.raises(APIError) as caught:
            await connection.call("batch", "DescribeJobs", {"jobs": ["one"]})
    text = "".join(traceback.format_exception(caught.value))
    assert text == fit_for_terminal(text)
    assert "title" in caught.value.message


@pytest.mark.parametrize(
    ("code", "message", "advice"),
    [
        ("ExpiredTokenException", "The security token is expired", "Log in again"),
        ("SignatureDoesNotMatch", "The signature does not match", "secret key does not belong"),
        ("InvalidSignatureException", "The signature does not match", "secret key does not belong"),
        ("InvalidSignatureException", "Signature expired: 20240115T1000", "Set the clock"),
        ("RequestTimeTooSkewed", "The difference is too large", "Set the clock"),
        ("UnrecognizedClientException", "The token is invalid", "does not know the access key"),
        ("InvalidClientTokenId", "The token is invalid", "does not know the access key"),
    ],
)
def test_each_refusal_of_credentials_has_its_own_advice(
    code: str, message: str, advice: str
) -> None:
    from asyncbatch._aws.errors import translated

    answer = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": 403},
    }
    error = translated(ClientError(answer, "SubmitJob"), "SubmitJob")
    assert isinstance(error, CredentialsExpired)
    assert advice in str(error)
    assert copy.copy(error).next_step == error.next_step
