"""What the connections of one process have in common."""

import pytest
from aiobotocore.session import AioSession

from asyncbatch._aws import _connection


@pytest.fixture(autouse=True)
def nothing_read_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_connection, "_loaders", {})


def loader_of_new_session() -> object:
    session, _region = _connection._prepared(_connection.Target(region_name="eu-west-1"))
    return session.get_component("data_loader")


def test_the_sdks_models_are_read_once() -> None:
    assert loader_of_new_session() is loader_of_new_session()


def test_what_is_preloaded_is_not_read_again() -> None:
    _connection.preload()
    [loader] = _connection._loaders.values()
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
    _connection._prepared(_connection.Target(region_name="eu-west-1", session=own))
    assert own.get_component("data_loader") is loader
    assert _connection._loaders == {}
