"""What the connections of one process have in common."""

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


def test_the_sdks_models_are_read_once() -> None:
    assert loader_of_new_session() is loader_of_new_session()


def test_what_is_preloaded_is_not_read_again() -> None:
    connection.preload()
    [loader] = connection._loaders.values()
    assert loader_of_new_session() is loader


def test_models_of_another_directory_are_read_for_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usual = loader_of_new_session()
    monkeypatch.setenv("AWS_DATA_PATH", "/somewhere/else")
    assert loader_of_new_session() is not usual


def test_a_session_that_is_given_keeps_its_own() -> None:
    own = AioSession()
    loader = own.get_component("data_loader")
    connection._prepared(connection.Target(region_name="eu-west-1", session=own))
    assert own.get_component("data_loader") is loader
    assert connection._loaders == {}


async def test_a_request_is_sent_once_and_names_no_attempt() -> None:
    """The SDK's retries are off, down to the headers that would count its attempts."""
    sent: list[set[str]] = []

    def note(request: Any, **_: object) -> None:  # noqa: ANN401 (botocore has no types)
        sent.append({name.lower() for name in request.headers})

    async with LocalBatch() as local, local.serve() as door:
        local.faults.add("DescribeJobs", Fault.server_error())
        session = AioSession()
        session.set_credentials(door.access_key_id, door.secret_access_key)
        target = Target(region_name="eu-west-1", session=session, endpoint_url=door.url)
        async with Connection.connect(target) as connection:
            client = await connection.client("batch")
            client.meta.events.register("before-send", note)
            with pytest.raises(ServiceFault):
                await connection.call("batch", "DescribeJobs", {"jobs": ["one"]})
    (headers,) = sent
    assert "authorization" in headers
    assert not any(name.startswith("amz-sdk-") for name in headers)
