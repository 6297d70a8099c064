"""The HTTP server: access control, and use by other AWS clients."""

import asyncio
import io
import os
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
from asyncbatch.local._doors import http_server
from asyncbatch.local._service.service import Service
from tests.local.doors.signing import sign
from tests.local.harness import CONTAINER

QUICK = Script(startup=0, duration=0, lines=[(0, "hello")])


@asynccontextmanager
async def _open_server() -> AsyncIterator[tuple[LocalBatch, Door]]:
    executor = ScriptedExecutor(QUICK)
    async with LocalBatch(executor=executor) as local, local.serve() as door:
        yield local, door


QUEUES = "/v1/describejobqueues"


async def _post(
    door: Door, headers: Mapping[str, str], path: str = QUEUES, body: bytes | io.BytesIO = b"{}"
) -> tuple[int, str | None, dict[str, Any]]:
    """Return status, error code and body of the response to a request."""
    async with (
        aiohttp.ClientSession(auto_decompress=False) as http,
        http.post(f"{door.url}{path}", headers=headers, data=body) as response,
    ):
        return (
            response.status,
            response.headers.get("x-amzn-errortype"),
            await response.json(content_type=None),
        )


async def test_a_signed_request_is_accepted() -> None:
    async with _open_server() as (_, door):
        status, error, answer = await _post(door, sign(door, QUEUES, b"{}"))
    assert (status, error) == (200, None)
    assert answer["jobQueues"][0]["jobQueueName"] == "default"


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://example.com"}, {"Origin": "null"}, {"Host": "evil.example"}],
)
async def test_a_request_from_a_web_page_is_rejected_even_with_a_valid_signature(
    headers: dict[str, str],
) -> None:
    async with _open_server() as (local, door):
        status, error, _ = await _post(door, sign(door, QUEUES, b"{}", headers=headers))
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
        assert first.secret_access_key != second.secret_access_key
        assert first.port != second.port
        headers = sign(
            second,
            QUEUES,
            b"{}",
            access_key_id=first.access_key_id,
            secret_access_key=first.secret_access_key,
        )
        status, error, _ = await _post(second, headers)
    assert (status, error) == (403, "UnrecognizedClientException")


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


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"[" * 100_000])
async def test_a_body_that_is_not_a_json_object_is_rejected(body: bytes) -> None:
    async with _open_server() as (_, door):
        headers = sign(door, "/v1/describejobs", body)
        status, error, _ = await _post(door, headers, "/v1/describejobs", body)
    assert (status, error) == (400, "SerializationException")


@pytest.mark.parametrize("path", ["/", "/v1/", "/v1/nothing", "/favicon.ico", "//v1/../x?a=b&a"])
async def test_an_unknown_path_is_an_unknown_operation(path: str) -> None:
    async with _open_server() as (_, door):
        status, error, answer = await _post(door, sign(door, path, b"{}"), path)
    assert (status, error) == (400, "UnknownOperationException")
    assert "does not support the operation" in answer["message"]


@pytest.mark.parametrize("service", ["batch", "logs"])
async def test_a_body_that_is_too_large_is_rejected_in_the_services_protocol(service: str) -> None:
    target = {"X-Amz-Target": "Logs_20140328.DescribeLogGroups"} if service == "logs" else {}
    body = b" " * (1024**2 + 1)
    large = io.BytesIO(body)
    async with _open_server() as (_, door):
        headers = sign(door, "/", body, headers=target, service=service)
        status, error, answer = await _post(door, headers, "/", large)
    assert (status, error) == (413, "RequestEntityTooLargeException")
    assert "at most 1048576 bytes" in answer["message"]
    assert ("__type" in answer) == (service == "logs")


async def test_a_chunked_body_that_is_too_large_is_rejected() -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(2**12):
            yield b" " * 1024

    async with _open_server() as (_, door), aiohttp.ClientSession() as http:
        headers = sign(door, QUEUES)
        async with http.post(f"{door.url}{QUEUES}", headers=headers, data=endless()) as response:
            assert response.status == 413


async def test_a_request_without_access_is_rejected_before_its_body_is_read() -> None:
    async with _open_server() as (_, door):
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        head = f"POST {QUEUES} HTTP/1.1\r\nHost: 127.0.0.1:{door.port}\r\nContent-Length: 9\r\n\r\n"
        writer.write(head.encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 403 ")
        writer.close()


async def test_a_body_that_does_not_arrive_in_time_is_rejected_and_its_connection_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http_server, "_BODY_TIMEOUT", 0)
    async with _open_server() as (_, door):
        signed = sign(door, QUEUES, b"{}", headers={"Host": f"127.0.0.1:{door.port}"})
        lines = [f"{name}: {value}" for name, value in signed.items()]
        lines.append("Content-Length: 2")
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write("\r\n".join([f"POST {QUEUES} HTTP/1.1", *lines, "", "{"]).encode())
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
        assert b"RequestTimeoutException" in await reader.read()
        writer.close()


@pytest.mark.parametrize("sent", ["", "POST /v1/describejobs HTT", "POST / HTTP/1.1\r\nHost: a"])
async def test_a_connection_without_complete_headers_is_closed_after_a_while(
    monkeypatch: pytest.MonkeyPatch, sent: str
) -> None:
    monkeypatch.setattr(http_server, "_IDLE_TIMEOUT", 0.01)
    async with _open_server() as (_, door):
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        writer.write(sent.encode())
        assert await reader.read() == b""
        writer.close()


async def test_an_error_of_the_engine_is_an_internal_error(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(self: object, request: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Service, "handle", broken)
    async with _open_server() as (_, door):
        answer = await _post(door, sign(door, QUEUES, b"{}"))
    assert answer == (500, "ServerException", {"message": "Internal error"})
    assert "failed to handle a request: /v1/describejobqueues" in caplog.text


def _tag_queue_as_log_group(environment: Mapping[str, str]) -> dict[str, Any]:
    """Send a request of CloudWatch Logs that names a resource of AWS Batch."""
    session = boto3.Session()
    batch, logs = session.client("batch"), session.client("logs")
    queue = batch.describe_job_queues()["jobQueues"][0]["jobQueueArn"]
    with pytest.raises(ClientError, match="does not support the operation TagResource"):
        logs.tag_resource(resourceArn=queue, tags={"a": "b"})
    tags: dict[str, Any] = batch.list_tags_for_resource(resourceArn=queue)["tags"]
    return tags


async def test_requests_are_routed_by_service_and_operation(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both services have a TagResource."""
    async with _open_server() as (_, door):
        for name, value in door.environment.items():
            monkeypatch.setenv(name, value)
        assert await asyncio.to_thread(_tag_queue_as_log_group, door.environment) == {}


def _use_boto3(environment: Mapping[str, str]) -> dict[str, Any]:
    """Use AWS Batch and CloudWatch Logs as a program does that is not made for local engines."""
    session = boto3.Session(
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    )
    batch = session.client("batch", endpoint_url=environment["AWS_ENDPOINT_URL_BATCH"])
    logs = session.client("logs", endpoint_url=environment["AWS_ENDPOINT_URL_CLOUDWATCH_LOGS"])
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


def _environment_for(door: Door) -> dict[str, str]:
    """Return the environment of a program that uses the door."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return {**kept, "AWS_EC2_METADATA_DISABLED": "true", **door.environment}


BOTO3 = """
import boto3
print(boto3.client("batch").describe_job_queues()["jobQueues"][0]["jobQueueName"])
print(boto3.client("logs").describe_log_groups()["logGroups"])
print(boto3.client("sts").meta.endpoint_url)
"""
AIOBOTOCORE = """
import asyncio
from aiobotocore.session import get_session
async def main():
    async with get_session().create_client("batch") as batch:
        print((await batch.describe_job_queues())["jobQueues"][0]["jobQueueName"])
    async with get_session().create_client("logs") as logs:
        print((await logs.describe_log_groups())["logGroups"])
    async with get_session().create_client("sts", region_name="eu-west-1") as sts:
        print(sts.meta.endpoint_url)
asyncio.run(main())
"""
ASYNCBATCH = """
import asyncio
from asyncbatch import AsyncBatchClient
async def main():
    async with AsyncBatchClient() as batch:
        print("default", await batch.find(queue="default"))
asyncio.run(main())
"""


@pytest.mark.parametrize("program", [BOTO3, AIOBOTOCORE, ASYNCBATCH], ids=["boto3", "aio", "own"])
async def test_the_environment_variables_direct_a_program_to_the_server(program: str) -> None:
    """Clients of other services keep their own endpoints."""
    async with _open_server() as (local, door):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            program,
            env=_environment_for(door),
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate()
        assert local.calls
    lines = output.decode().split()
    assert lines[:2] == ["default", "[]"]
    assert str(door.port) not in "".join(lines)


async def test_the_environment_variables_suffice_to_configure_boto3(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with _open_server() as (_, door):
        for name, value in door.environment.items():
            monkeypatch.setenv(name, value)
        client = await asyncio.to_thread(boto3.Session().client, "batch")
        queues = await asyncio.to_thread(client.describe_job_queues)
    assert queues["jobQueues"][0]["jobQueueName"] == "default"
