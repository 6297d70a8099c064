"""Queues, job definitions, the compute environment, tags."""

import pytest
from botocore.exceptions import ClientError

from asyncbatch.local import Script
from tests.local.harness import bench, pass_time

pytestmark = pytest.mark.virtual_time

ORDER = [{"order": 1, "computeEnvironment": "local"}]
CLOUD = {"order": 1, "computeEnvironment": "cloud"}


async def test_there_is_one_queue_to_begin_with() -> None:
    async with bench() as at:
        [queue] = (await at.batch.describe_job_queues())["jobQueues"]
        environments = await at.batch.describe_compute_environments()
    [environment] = environments["computeEnvironments"]
    assert queue["jobQueueName"] == "default"
    assert (queue["state"], queue["status"], queue["priority"]) == ("ENABLED", "VALID", 1)
    assert (
        queue["computeEnvironmentOrder"][0]["computeEnvironment"]
        == environment["computeEnvironmentArn"]
    )
    assert "schedulingPolicyArn" not in queue


async def test_a_queue_is_created_changed_and_deleted() -> None:
    async with bench(Script(duration=None)) as at:
        made = await at.batch.create_job_queue(
            jobQueueName="second", priority=5, computeEnvironmentOrder=ORDER, tags={"a": "b"}
        )
        job_id = await at.submit(jobQueue=made["jobQueueArn"])
        await pass_time(5)
        with pytest.raises(ClientError, match="not in DISABLED state"):
            await at.batch.delete_job_queue(jobQueue="second")
        await at.batch.update_job_queue(jobQueue="second", state="DISABLED", priority=7)
        [queue] = (await at.batch.describe_job_queues(jobQueues=["second", "none"]))["jobQueues"]
        await at.batch.delete_job_queue(jobQueue="second")
        await at.batch.delete_job_queue(jobQueue="second")
        left = (await at.batch.describe_job_queues())["jobQueues"]
        job = await at.ended(job_id)
    assert (queue["state"], queue["priority"], queue["tags"]) == ("DISABLED", 7, {"a": "b"})
    assert [queue["jobQueueName"] for queue in left] == ["default"]
    assert job["isTerminated"]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"jobQueueName": "default"}, "already exists"),
        ({"jobQueueName": "no spaces"}, "valid pattern"),
        ({"computeEnvironmentOrder": [CLOUD]}, "does not exist"),
        ({"state": "OPEN"}, "OPEN should be one of"),
        ({"schedulingPolicyArn": "arn:aws:batch:x"}, "does not support scheduling policies"),
        ({"jobQueueType": "EKS"}, "does not support job queues of type EKS"),
    ],
)  # fmt: skip
async def test_a_bad_queue_is_refused(request_: dict[str, object], message: str) -> None:
    base = {"jobQueueName": "new", "priority": 1, "computeEnvironmentOrder": ORDER}
    async with bench() as at:
        with pytest.raises(ClientError, match=message):
            await at.batch.create_job_queue(**{**base, **request_})


async def test_there_are_at_most_fifty_queues() -> None:
    async with bench() as at:
        for number in range(49):
            await at.batch.create_job_queue(
                jobQueueName=f"q{number}", priority=1, computeEnvironmentOrder=ORDER
            )
        with pytest.raises(ClientError, match="limited to 50"):
            await at.batch.create_job_queue(
                jobQueueName="q50", priority=1, computeEnvironmentOrder=ORDER
            )


async def test_queues_and_definitions_come_in_pages() -> None:
    async with bench() as at:
        for number in range(249):
            await at.define(f"definition-{number}")
        answers = at.batch.get_paginator("describe_job_definitions").paginate(status="ACTIVE")
        pages = [page["jobDefinitions"] async for page in answers]
        few = at.batch.get_paginator("describe_job_definitions").paginate(
            PaginationConfig={"PageSize": 99, "MaxItems": 150}
        )
        assert [len(page["jobDefinitions"]) async for page in few] == [99, 51]
    assert [len(page) for page in pages] == [100, 100, 50]
    assert len({item["jobDefinitionArn"] for page in pages for item in page}) == 250


async def test_a_page_stays_in_place_when_something_new_is_registered() -> None:
    async with bench() as at:
        for number in range(4):
            await at.define(f"d{number}")
        first = await at.batch.describe_job_definitions(maxResults=2)
        await at.define("new")
        second = await at.batch.describe_job_definitions(maxResults=2, nextToken=first["nextToken"])
    shown = [
        item["jobDefinitionName"] for item in first["jobDefinitions"] + second["jobDefinitions"]
    ]
    assert shown == ["d3", "d2", "d1", "d0"]


async def test_definitions_are_found_by_name_revision_and_status() -> None:
    async with bench() as at:
        for _ in range(2):
            await at.define("task", parameters={"a": "b"}, tags={"c": "d"})
        await at.batch.deregister_job_definition(jobDefinition="task:1")
        revisions = {}
        for status in ("ACTIVE", "INACTIVE"):
            answer = await at.batch.describe_job_definitions(
                jobDefinitionName="task", status=status
            )
            revisions[status] = [item["revision"] for item in answer["jobDefinitions"]]
        asked = ["task:3", "task:9", "task"]
        [found] = (await at.batch.describe_job_definitions(jobDefinitions=asked))["jobDefinitions"]
        with pytest.raises(ClientError, match="with its revision"):
            await at.batch.deregister_job_definition(jobDefinition="task")
        with pytest.raises(ClientError, match="does not exist"):
            await at.batch.deregister_job_definition(jobDefinition="task:77")
    assert revisions == {"ACTIVE": [3, 2], "INACTIVE": [1]}
    assert (found["revision"], found["parameters"], found["tags"]) == (3, {"a": "b"}, {"c": "d"})
    assert found["containerProperties"]["image"] == "any"


async def test_tags_are_kept_on_jobs_queues_and_definitions() -> None:
    async with bench() as at:
        definition = await at.define()
        job = await at.job(await at.submit(tags={"team": "blue"}))
        [queue] = (await at.batch.describe_job_queues())["jobQueues"]
        for arn in (definition, job["jobArn"], queue["jobQueueArn"]):
            await at.batch.tag_resource(resourceArn=arn, tags={"a/b": "c d", "x": "y"})
            await at.batch.untag_resource(resourceArn=arn, tagKeys=["x", "unknown"])
            tags = (await at.batch.list_tags_for_resource(resourceArn=arn))["tags"]
            assert {**tags, "team": "blue"} == {"a/b": "c d", "team": "blue"}
        assert (await at.job(job["jobId"]))["tags"] == {"a/b": "c d", "team": "blue"}
        with pytest.raises(ClientError, match="not found"):
            await at.batch.list_tags_for_resource(resourceArn="arn:aws:batch:local:0:job/none")
        with pytest.raises(ClientError, match="limit is 50"):
            await at.batch.tag_resource(
                resourceArn=job["jobArn"], tags={f"k{i}": "v" for i in range(50)}
            )


async def test_an_operation_that_the_engine_does_not_have_says_so() -> None:
    async with bench() as at:
        with pytest.raises(ClientError) as refused:
            await at.batch.describe_scheduling_policies(arns=["arn"])
        with pytest.raises(ClientError, match="does not have the operation StartQuery"):
            await at.logs.start_query(startTime=0, endTime=1, queryString="x")
    assert refused.value.response["Error"] == {
        "Code": "UnknownOperationException",
        "Message": "The local engine does not have the operation DescribeSchedulingPolicies.",
    }
