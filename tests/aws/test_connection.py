"""`Connection`: models shared by the sessions of a process, and the SDK's retries switched off."""

from typing import Any

import pytest
from aiobotocore.session import AioSession

from asyncbatch import ServiceFault
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
