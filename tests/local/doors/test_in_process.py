"""The in-process door: every client of a LocalSession uses it, however it was created."""

import pytest
from aiobotocore.config import AioConfig
from botocore.config import Config

from asyncbatch.local import LocalBatch, LocalSession, ScriptedExecutor

pytestmark = pytest.mark.virtual_time


async def _queues(session: LocalSession, **options: object) -> list[str]:
    async with session.create_client("batch", **options) as client:
        response = await client.describe_job_queues()
    return [queue["jobQueueName"] for queue in response["jobQueues"]]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"config": AioConfig(read_timeout=3, connector_args={"keepalive_timeout": 5})},
        {"config": Config(read_timeout=3)},
        {"region_name": "eu-west-1"},
        {"endpoint_url": "http://127.0.0.1:9"},
        {"aws_access_key_id": "a", "aws_secret_access_key": "b"},
        {"use_ssl": False, "verify": False},
    ],
    ids=lambda options: "+".join(options) or "nothing",
)
async def test_every_client_of_the_session_uses_the_engine_whatever_its_options(
    options: dict[str, object],
) -> None:
    async with LocalBatch(executor=ScriptedExecutor()) as local:
        assert await _queues(local.session, **options) == ["default"]
        assert local.calls == {"DescribeJobQueues": 1}


async def test_a_default_configuration_of_the_session_keeps_using_the_engine() -> None:
    async with LocalBatch(executor=ScriptedExecutor()) as local:
        local.session.set_default_client_config(AioConfig(user_agent_extra="mine"))
        assert await _queues(local.session) == ["default"]
        assert await _queues(local.session, config=AioConfig(read_timeout=3)) == ["default"]


async def test_the_configuration_of_a_client_is_respected() -> None:
    async with LocalBatch(executor=ScriptedExecutor()) as local:
        config = AioConfig(read_timeout=3, retries={"total_max_attempts": 1})
        async with local.session.create_client("batch", config=config) as client:
            assert client.meta.config.read_timeout == 3
            assert client.meta.config.retries["total_max_attempts"] == 1
            assert client.meta.region_name == "local"


async def test_the_aws_configuration_of_the_machine_is_ignored(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {
        "AWS_PROFILE": "no-such-profile",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/nowhere",
        "AWS_ACCESS_KEY_ID": "real",
        "AWS_SECRET_ACCESS_KEY": "real",
    }.items():
        monkeypatch.setenv(name, value)
    async with (
        LocalBatch(executor=ScriptedExecutor()) as local,
        local.session.create_client("batch") as client,
    ):
        assert client.meta.region_name == "local"
        await client.describe_job_queues()


async def test_aioboto3_accepts_the_session() -> None:
    aioboto3 = pytest.importorskip("aioboto3")
    async with LocalBatch(executor=ScriptedExecutor()) as local:
        session = aioboto3.Session(botocore_session=local.session)
        async with session.client("batch") as client:
            response = await client.describe_job_queues()
    assert response["jobQueues"][0]["jobQueueName"] == "default"


async def test_two_engines_share_no_state() -> None:
    async with (
        LocalBatch(executor=ScriptedExecutor()) as one,
        LocalBatch(executor=ScriptedExecutor()) as two,
    ):
        await _queues(one.session)
        assert (sum(one.calls.values()), sum(two.calls.values())) == (1, 0)
