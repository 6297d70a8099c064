"""`Connection`: models shared by the sessions of a process, and the SDK's retries switched off."""

import asyncio
from typing import Any

import pytest
from aiobotocore.session import AioSession

from asyncbatch import APIError, InvalidRequest, ServiceFault
from asyncbatch._aws import connection
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
    assert caught.value.status == 307
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
