"""The HTTP server: access control, and use by other AWS clients."""

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import boto3
import pytest
from botocore.exceptions import ClientError

from asyncbatch.local import Door, LocalBatch, Script, ScriptedExecutor
from tests.local.harness import CONTAINER

QUICK = Script(startup=0, duration=0, lines=[(0, "hello")])


@asynccontextmanager
async def _open_server() -> AsyncIterator[tuple[LocalBatch, Door]]:
    executor = ScriptedExecutor(QUICK)
    async with LocalBatch(executor=executor) as local, local.serve() as door:
        yield local, door


def _signed(door: Door, **headers: str) -> dict[str, str]:
    """Return the headers of a signed request."""
    credential = (
        f"AWS4-HMAC-SHA256 Credential={door.access_key_id}/20240115/local/batch/aws4_request"
    )
    return {"Authorization": f"{credential}, SignedHeaders=host, Signature=0", **headers}


async def _post(door: Door, headers: Mapping[str, str]) -> tuple[int, str | None, dict[str, Any]]:
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{door.url}/v1/describejobqueues", headers=headers, json={}) as response,
    ):
        return response.status, response.headers.get("x-amzn-errortype"), await response.json()


async def test_a_request_with_the_access_key_is_accepted() -> None:
    async with _open_server() as (_, door):
        status, error, answer = await _post(door, _signed(door))
    assert (status, error) == (200, None)
    assert answer["jobQueues"][0]["jobQueueName"] == "default"


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer token",
        "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20240115/local/batch/aws4_request",
        "AWS4-HMAC-SHA256 Credential=/20240115/local/batch/aws4_request",
    ],
)
async def test_a_request_without_the_access_key_is_rejected(authorization: str | None) -> None:
    async with _open_server() as (local, door):
        headers = {} if authorization is None else {"Authorization": authorization}
        status, error, answer = await _post(door, headers)
        assert not local.calls
    assert (status, error) == (403, "UnrecognizedClientException")
    assert answer["message"] == "The security token included in the request is invalid."


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://example.com"}, {"Origin": "null"}, {"Host": "evil.example"}],
)
async def test_a_request_from_a_web_page_is_rejected_even_with_the_access_key(
    headers: dict[str, str],
) -> None:
    async with _open_server() as (local, door):
        status, error, _ = await _post(door, _signed(door, **headers))
        assert not local.calls
    assert (status, error) == (403, "AccessDeniedException")


async def test_a_cors_preflight_request_is_rejected() -> None:
    async with _open_server() as (_, door), aiohttp.ClientSession() as http:
        headers = {"Origin": "https://example.com", "Access-Control-Request-Method": "POST"}
        async with http.options(door.url, headers=headers) as response:
            assert response.status == 403
            assert "access-control-allow-origin" not in response.headers


async def test_each_server_has_its_own_access_key() -> None:
    async with _open_server() as (local, first), local.serve() as second:
        assert first.access_key_id != second.access_key_id
        assert first.port != second.port
        assert (await _post(second, _signed(first)))[0] == 403


@pytest.mark.skipif(sys.platform != "linux", reason="all of 127.0.0.0/8 is this machine on Linux")
async def test_the_server_listens_on_127_0_0_1_only() -> None:
    async with _open_server() as (_, door):
        with socket.socket() as elsewhere:
            elsewhere.setblocking(False)  # noqa: FBT003 (the standard library's way)
            with pytest.raises(ConnectionRefusedError):
                await asyncio.get_running_loop().sock_connect(elsewhere, ("127.0.0.2", door.port))


async def test_the_port_can_be_chosen_and_is_free_afterwards() -> None:
    async with LocalBatch(executor=ScriptedExecutor()) as local:
        async with local.serve() as door:
            port = door.port
        async with local.serve(port=port) as again:
            assert again.url == f"http://127.0.0.1:{port}"


async def test_a_body_that_is_not_a_json_object_is_rejected() -> None:
    async with _open_server() as (_, door), aiohttp.ClientSession() as http:
        for body in (b"{", b"[]", b"\xff"):
            async with http.post(
                f"{door.url}/v1/describejobs", headers=_signed(door), data=body
            ) as response:
                assert response.status == 400
                assert response.headers["x-amzn-errortype"] == "SerializationException"


async def test_an_unknown_path_is_an_unknown_operation() -> None:
    async with _open_server() as (_, door), aiohttp.ClientSession() as http:
        for path in ("/", "/v1/", "/v1/nothing", "/favicon.ico"):
            async with http.get(f"{door.url}{path}", headers=_signed(door)) as response:
                assert response.status == 400
                answer = await response.json()
                assert "does not support the operation" in answer["message"]


def _use_boto3(environment: Mapping[str, str]) -> dict[str, Any]:
    """Use AWS Batch and CloudWatch Logs as a program does that is not made for local engines."""
    session = boto3.Session(
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    )
    batch = session.client("batch", endpoint_url=environment["AWS_ENDPOINT_URL"])
    logs = session.client("logs", endpoint_url=environment["AWS_ENDPOINT_URL"])
    definition = batch.register_job_definition(
        jobDefinitionName="task", type="container", containerProperties=CONTAINER
    )["jobDefinitionArn"]
    job = batch.submit_job(
        jobName="job", jobQueue="default", jobDefinition=definition, tags={"a": "b/c d"}
    )
    while True:
        [found] = batch.describe_jobs(jobs=[job["jobId"]])["jobs"]
        if found["status"] in {"SUCCEEDED", "FAILED"}:
            break
    stream = found["container"]["logStreamName"]
    events = logs.get_log_events(logGroupName="/aws/batch/job", logStreamName=stream)["events"]
    tags = batch.list_tags_for_resource(resourceArn=job["jobArn"])["tags"]
    with pytest.raises(ClientError, match="JobQueue nowhere not found"):
        batch.submit_job(jobName="job", jobQueue="nowhere", jobDefinition=definition)
    return {"status": found["status"], "tags": tags, "messages": [e["message"] for e in events]}


async def test_boto3_can_use_the_server_as_aws_batch_and_cloudwatch_logs() -> None:
    async with _open_server() as (_, door):
        found = await asyncio.to_thread(_use_boto3, door.environment)
    assert found == {"status": "SUCCEEDED", "tags": {"a": "b/c d"}, "messages": ["hello"]}


async def test_the_environment_variables_suffice_to_configure_boto3(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with _open_server() as (_, door):
        for name, value in door.environment.items():
            monkeypatch.setenv(name, value)
        client = await asyncio.to_thread(boto3.Session().client, "batch")
        queues = await asyncio.to_thread(client.describe_job_queues)
    assert queues["jobQueues"][0]["jobQueueName"] == "default"
