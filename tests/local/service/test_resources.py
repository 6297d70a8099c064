"""Queues, job definitions, the compute environment, tags."""

import pytest
from botocore.exceptions import ClientError

from asyncbatch.local import Script
from tests.local.harness import open_engine, pass_time

pytestmark = pytest.mark.virtual_time

ORDER = [{"order": 1, "computeEnvironment": "local"}]
CLOUD = {"order": 1, "computeEnvironment": "cloud"}


async def test_a_new_engine_has_the_default_queue_and_one_compute_environment() -> None:
    async with open_engine() as engine:
        [queue] = (await engine.batch.describe_job_queues())["jobQueues"]
        environments = await engine.batch.describe_compute_environments()
    [environment] = environments["computeEnvironments"]
    assert queue["jobQueueName"] == "default"
    assert (queue["state"], queue["status"], queue["priority"]) == ("ENABLED", "VALID", 1)
    assert (
        queue["computeEnvironmentOrder"][0]["computeEnvironment"]
        == environment["computeEnvironmentArn"]
    )
    assert "schedulingPolicyArn" not in queue


async def test_a_queue_is_created_changed_and_deleted() -> None:
    async with open_engine(Script(duration=None)) as engine:
        created = await engine.batch.create_job_queue(
            jobQueueName="second", priority=5, computeEnvironmentOrder=ORDER, tags={"a": "b"}
        )
        job_id = await engine.submit(jobQueue=created["jobQueueArn"])
        await pass_time(5)
        with pytest.raises(ClientError, match="not in DISABLED state"):
            await engine.batch.delete_job_queue(jobQueue="second")
        await engine.batch.update_job_queue(jobQueue="second", state="DISABLED", priority=7)
        [queue] = (await engine.batch.describe_job_queues(jobQueues=["second", "none"]))[
            "jobQueues"
        ]
        await engine.batch.delete_job_queue(jobQueue="second")
        await engine.batch.delete_job_queue(jobQueue="second")
        remaining = (await engine.batch.describe_job_queues())["jobQueues"]
        job = await engine.ended(job_id)
    assert (queue["state"], queue["priority"], queue["tags"]) == ("DISABLED", 7, {"a": "b"})
    assert [queue["jobQueueName"] for queue in remaining] == ["default"]
    assert job["isTerminated"]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"jobQueueName": "default"}, "already exists"),
        ({"jobQueueName": "no spaces"}, "valid pattern"),
        ({"computeEnvironmentOrder": [CLOUD]}, "does not exist"),
        ({"state": "OPEN"}, "OPEN should be one of"),
        ({"schedulingPolicyArn": "arn:aws:batch:x"}, "arn:aws:batch:x does not exist"),
        ({"jobQueueType": "EKS"}, "does not support job queues of type EKS"),
    ],
)  # fmt: skip
async def test_an_invalid_queue_is_rejected(request_: dict[str, object], message: str) -> None:
    base = {"jobQueueName": "new", "priority": 1, "computeEnvironmentOrder": ORDER}
    async with open_engine() as engine:
        with pytest.raises(ClientError, match=message):
            await engine.batch.create_job_queue(**{**base, **request_})


async def test_there_are_at_most_fifty_queues() -> None:
    async with open_engine() as engine:
        for number in range(49):
            await engine.batch.create_job_queue(
                jobQueueName=f"q{number}", priority=1, computeEnvironmentOrder=ORDER
            )
        with pytest.raises(ClientError, match="limited to 50"):
            await engine.batch.create_job_queue(
                jobQueueName="q50", priority=1, computeEnvironmentOrder=ORDER
            )


async def test_job_definitions_are_described_in_pages_of_100() -> None:
    async with open_engine() as engine:
        for number in range(249):
            await engine.define(f"definition-{number}")
        responses = engine.batch.get_paginator("describe_job_definitions").paginate(status="ACTIVE")
        pages = [page["jobDefinitions"] async for page in responses]
        few = engine.batch.get_paginator("describe_job_definitions").paginate(
            PaginationConfig={"PageSize": 99, "MaxItems": 150}
        )
        assert [len(page["jobDefinitions"]) async for page in few] == [99, 51]
    assert [len(page) for page in pages] == [100, 100, 50]
    assert len({item["jobDefinitionArn"] for page in pages for item in page}) == 250


async def test_pages_of_definitions_are_stable_while_new_ones_are_registered() -> None:
    async with open_engine() as engine:
        for number in range(4):
            await engine.define(f"d{number}")
        first = await engine.batch.describe_job_definitions(maxResults=2)
        await engine.define("new")
        second = await engine.batch.describe_job_definitions(
            maxResults=2, nextToken=first["nextToken"]
        )
    names = [
        item["jobDefinitionName"] for item in first["jobDefinitions"] + second["jobDefinitions"]
    ]
    assert names == ["d3", "d2", "d1", "d0"]


async def test_definitions_are_found_by_name_revision_and_status() -> None:
    async with open_engine() as engine:
        for _ in range(2):
            await engine.define("task", parameters={"a": "b"}, tags={"c": "d"})
        await engine.batch.deregister_job_definition(jobDefinition="task:1")
        revisions = {}
        for status in ("ACTIVE", "INACTIVE"):
            response = await engine.batch.describe_job_definitions(
                jobDefinitionName="task", status=status
            )
            revisions[status] = [item["revision"] for item in response["jobDefinitions"]]
        references = ["task:3", "task:9", "task"]
        [found] = (await engine.batch.describe_job_definitions(jobDefinitions=references))[
            "jobDefinitions"
        ]
        with pytest.raises(ClientError, match="with its revision"):
            await engine.batch.deregister_job_definition(jobDefinition="task")
        with pytest.raises(ClientError, match="does not exist"):
            await engine.batch.deregister_job_definition(jobDefinition="task:77")
    assert revisions == {"ACTIVE": [3, 2], "INACTIVE": [1]}
    assert (found["revision"], found["parameters"], found["tags"]) == (3, {"a": "b"}, {"c": "d"})
    assert found["containerProperties"]["image"] == "any"


async def test_tags_can_be_changed_on_jobs_queues_and_definitions() -> None:
    async with open_engine() as engine:
        definition = await engine.define()
        job = await engine.job(await engine.submit(tags={"team": "blue"}))
        [queue] = (await engine.batch.describe_job_queues())["jobQueues"]
        for arn in (definition, job["jobArn"], queue["jobQueueArn"]):
            await engine.batch.tag_resource(resourceArn=arn, tags={"a/b": "c d", "x": "y"})
            await engine.batch.untag_resource(resourceArn=arn, tagKeys=["x", "unknown"])
            tags = (await engine.batch.list_tags_for_resource(resourceArn=arn))["tags"]
            assert {**tags, "team": "blue"} == {"a/b": "c d", "team": "blue"}
        assert (await engine.job(job["jobId"]))["tags"] == {"a/b": "c d", "team": "blue"}
        with pytest.raises(ClientError, match="not found"):
            await engine.batch.list_tags_for_resource(resourceArn="arn:aws:batch:local:0:job/none")
        with pytest.raises(ClientError, match="limit is 50"):
            await engine.batch.tag_resource(
                resourceArn=job["jobArn"], tags={f"k{i}": "v" for i in range(50)}
            )


async def test_an_unsupported_operation_is_an_unknown_operation() -> None:
    async with open_engine() as engine:
        with pytest.raises(ClientError) as rejected:
            await engine.batch.list_jobs_by_consumable_resource(consumableResource="licence")
        with pytest.raises(ClientError, match="does not support the operation StartQuery"):
            await engine.logs.start_query(startTime=0, endTime=1, queryString="x")
    assert rejected.value.response["Error"] == {
        "Code": "UnknownOperationException",
        "Message": "The local engine does not support the operation ListJobsByConsumableResource.",
    }
