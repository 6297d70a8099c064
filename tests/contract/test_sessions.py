"""Sessions, credentials and endpoints as users configure them, over real sockets."""

import socket
from collections.abc import AsyncIterator

import pytest

from asyncbatch import AsyncBatchClient, ConnectionFailed, CredentialsExpired, NoCredentials
from asyncbatch.local import Door, LocalBatch, Script, ScriptedExecutor
from tests.contract.conftest import QUICK, QUICK_LOGS

pytestmark = [pytest.mark.may_block, pytest.mark.timeout(60)]

DEFINITION = {
    "jobDefinitionName": "hello",
    "type": "container",
    "containerProperties": {"image": "busybox", "vcpus": 1, "memory": 64, "command": ["true"]},
}


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    """Open the loopback door of an engine whose jobs end immediately."""
    executor = ScriptedExecutor(Script(startup=0, duration=0))
    async with LocalBatch(executor=executor) as local, local.serve() as opened:
        yield opened


async def _one_job_ends(client: AsyncBatchClient) -> None:
    async with client as batch:
        definition = await batch.register_job_definition(DEFINITION)
        assert (await (await batch.submit(definition))).succeeded


async def test_client_is_configured_by_environment_variables(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in door.environment.items():
        monkeypatch.setenv(name, value)
    await _one_job_ends(AsyncBatchClient(poll=QUICK, logs=QUICK_LOGS))


async def test_aioboto3_session_is_accepted(door: Door) -> None:
    """Needs aioboto3, which is installed together with the oldest aiobotocore."""
    aioboto3 = pytest.importorskip("aioboto3")
    session = aioboto3.Session(
        aws_access_key_id=door.environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=door.environment["AWS_SECRET_ACCESS_KEY"],
        region_name="local",
    )
    client = AsyncBatchClient(session=session, endpoint_url=door.url, poll=QUICK, logs=QUICK_LOGS)
    await _one_job_ends(client)


async def test_missing_credentials_raise_an_error_with_the_next_step(door: Door) -> None:
    client = AsyncBatchClient(region_name="local", endpoint_url=door.url)
    async with client as batch:
        with pytest.raises(NoCredentials, match=r"aws sso login.*AWS_PROFILE"):
            await batch.submit("hello")


async def test_wrong_credentials_raise_an_error_immediately(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "wrong")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    client = AsyncBatchClient(region_name="local", endpoint_url=door.url)
    async with client as batch:
        with pytest.raises(
            CredentialsExpired, match=r"security token.*does not know the access key"
        ):
            await batch.submit("hello")


async def test_unreachable_endpoint_raises_connection_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    async with AsyncBatchClient(region_name="local", endpoint_url=url) as batch:
        with pytest.raises(ConnectionFailed, match=r"Could not connect.*endpoint_url"):
            await batch.submit("hello")
