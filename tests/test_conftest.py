"""The rules that conftest enforces for every test."""

import asyncio
import os
import socket
import time

import pytest
from aiobotocore.session import AioSession

from tests import support


def test_environment_contains_no_aws_account() -> None:
    present = {name: os.environ[name] for name in support.aws_variables(os.environ)}
    assert present == dict(support.NO_AWS_ACCOUNT)


def test_connection_to_another_machine_is_refused() -> None:
    with socket.socket() as client, pytest.raises(support.NetworkUsed, match=r"192\.0\.2\.1"):
        client.connect(("192.0.2.1", 443))


def test_connection_to_this_machine_is_allowed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()


@pytest.mark.virtual_time
async def test_sleep_in_virtual_time_takes_no_real_time() -> None:
    loop = asyncio.get_running_loop()
    before, real_before = loop.time(), time.monotonic()
    await asyncio.sleep(3600)
    assert loop.time() - before == pytest.approx(3600)
    assert time.monotonic() - real_before < 3600


async def test_moto_finishes_a_job_immediately(moto: str, aio_session: AioSession) -> None:
    setup = await support.set_up_batch(aio_session, moto)
    async with aio_session.create_client("batch", endpoint_url=moto) as batch:
        submitted = await batch.submit_job(
            jobName="hello", jobQueue=setup.queue, jobDefinition=setup.job_definition
        )
        described = await batch.describe_jobs(jobs=[submitted["jobId"]])
    assert described["jobs"][0]["status"] == "SUCCEEDED"


async def test_moto_is_reset_between_tests(moto: str, aio_session: AioSession) -> None:
    async with aio_session.create_client("batch", endpoint_url=moto) as batch:
        queues = await batch.describe_job_queues()
    assert queues["jobQueues"] == []
