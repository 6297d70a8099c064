"""Validation of SubmitJob and RegisterJobDefinition, with AWS's messages where they are known."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from asyncbatch.local import Launch, Script
from tests.local.harness import CONTAINER, Json, open_engine

pytestmark = pytest.mark.virtual_time

DEFINITIONS = "arn:aws:batch:local:000000000000:job-definition/"
NODES = {"numNodes": 1, "mainNode": 0, "nodeRangeProperties": []}
SECRETS = [{"name": "A", "valueFrom": "arn"}]
RULE = {"onExitCode": "1", "action": "RETRY"}


BAD_JOBS: list[tuple[Json, str]] = [
    ({"jobName": "no spaces"}, "Error executing request, Exception : Job name should match valid"),
    ({"jobName": "-dash"}, "Job name should match valid pattern, RequestId: "),
    ({"jobName": "x" * 129}, "Job name should match valid pattern"),
    ({"jobQueue": "nowhere"}, "JobQueue nowhere not found."),
    ({"jobDefinition": "nothing"}, "JobDefinition name nothing does not exist or is not in ACTIVE"),
    ({"jobDefinition": "task:9"}, "JobDefinition name task:9 does not exist or is not in ACTIVE"),
    ({"jobDefinition": f"{DEFINITIONS}task:9"}, f"JobDefinition {DEFINITIONS}task:9 not found."),
    ({"arrayProperties": {"size": 1}}, "between 2 and 10000"),
    ({"arrayProperties": {"size": 10_001}}, "between 2 and 10000"),
    ({"dependsOn": [{"jobId": "x"}] * 21}, "at most 20"),
    ({"timeout": {"attemptDurationSeconds": 59}}, "at least 60 seconds"),
    ({"tags": {f"key{i}": "value" for i in range(51)}}, "limit is 50"),
    ({"tags": {"key": "x" * 257}}, "too long"),
    ({"shareIdentifier": "team"}, "does not accept a shareIdentifier"),
    ({"schedulingPriorityOverride": 1}, "does not accept a schedulingPriorityOverride"),
    ({"parameters": {"big": "x" * 31_000}}, "the limit is 30720 bytes"),
    ({"nodeOverrides": {"numNodes": 2}}, "The local engine does not support multi-node"),
]
BAD_RETRIES: list[tuple[Json, str]] = [
    ({"attempts": 0}, "between 1 and 10"),
    ({"attempts": 11}, "between 1 and 10"),
    ({"evaluateOnExit": [RULE]}, "RetryAttempts must be provided with retry strategy"),
    ({"attempts": 2, "evaluateOnExit": [RULE] * 6}, "at most 5"),
    ({"attempts": 2, "evaluateOnExit": [{"action": "RETRY"}]}, "needs onStatusReason"),
    ({"attempts": 2, "evaluateOnExit": [{**RULE, "onReason": "*x"}]}, "restricted characters"),
    ({"attempts": 2, "evaluateOnExit": [{**RULE, "action": "STOP"}]}, "RETRY or EXIT"),
]
BAD_OVERRIDES: list[tuple[Json, str]] = [
    ({"command": ["echo", ""]}, "empty strings"),
    ({"environment": [{"name": "AWS_BATCH_X", "value": "1"}]}, "AWS_BATCH"),
    ({"resourceRequirements": [{"type": "VCPU", "value": "many"}]}, "should be a number"),
    ({"resourceRequirements": [{"type": "VCPU", "value": "0"}]}, "greater than 0"),
    ({"resourceRequirements": [{"type": "GPU", "value": "0"}]}, "whole number above 0"),
    ({"resourceRequirements": [{"type": "MEMORY", "value": "much"}]}, "whole number above 0"),
    ({"instanceType": "m5.large"}, "does not support instanceType"),
]


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        *BAD_JOBS,
        *(({"retryStrategy": strategy}, message) for strategy, message in BAD_RETRIES),
        *(({"containerOverrides": overrides}, message) for overrides, message in BAD_OVERRIDES),
    ],
)
async def test_an_invalid_job_is_rejected_and_not_created(request_: Json, message: str) -> None:
    async with open_engine() as engine:
        with pytest.raises(ClientError) as rejected:
            await engine.submit(**request_)
        listed = await engine.batch.list_jobs(jobQueue="default", jobStatus="SUBMITTED")
    error = rejected.value.response["Error"]
    assert error["Code"] == "ClientException"
    assert message in error["Message"]
    assert rejected.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert listed["jobSummaryList"] == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"jobDefinitionName": "no spaces"}, "should match valid pattern"),
        ({"type": "other"}, "type other is not supported"),
        ({"containerProperties": {**CONTAINER, "image": ""}}, "image should not be empty"),
        ({"containerProperties": {"image": "x", "memory": 4}}, "vcpus should be provided"),
        ({"containerProperties": {"image": "x", "vcpus": 1}}, "memory should be provided"),
        ({"timeout": {"attemptDurationSeconds": 1}}, "at least 60 seconds"),
        ({"retryStrategy": {"attempts": 11}}, "between 1 and 10"),
        ({"nodeProperties": NODES}, "Exactly one of"),
        ({"parameters": {"big": "x" * 25_000}}, "the limit is 24576 bytes"),
    ],
)
async def test_an_invalid_job_definition_is_rejected(body: Json, message: str) -> None:
    request = {
        "jobDefinitionName": "new",
        "type": "container",
        "containerProperties": dict(CONTAINER),
        **body,
    }
    async with open_engine() as engine:
        with pytest.raises(ClientError, match=message):
            await engine.batch.register_job_definition(**request)


@pytest.mark.parametrize(
    ("body", "feature"),
    [
        ({"nodeProperties": NODES}, "multi-node"),
        ({"eksProperties": {"podProperties": {}}}, "EKS"),
        ({"ecsProperties": {"taskProperties": []}}, "more than one container"),
        ({"containerProperties": {**CONTAINER, "secrets": SECRETS}}, "secrets"),
    ],
)
async def test_a_job_of_an_unsupported_type_is_rejected_when_submitted(
    body: Json, feature: str
) -> None:
    async with open_engine() as engine:
        await engine.batch.register_job_definition(
            jobDefinitionName="other", type="container", **body
        )
        with pytest.raises(ClientError, match=f"The local engine does not support .*{feature}"):
            await engine.submit(jobDefinition="other")


@pytest.mark.parametrize("kind", ["ecsProperties", "eksProperties", "nodeProperties"])
async def test_a_definition_with_an_empty_kind_cannot_be_submitted(kind: str) -> None:
    empty = {"numNodes": 0, "mainNode": 0, "nodeRangeProperties": []}
    properties: Json = {"ecsProperties": {"taskProperties": []}, "nodeProperties": empty}
    async with open_engine() as engine:
        await engine.batch.register_job_definition(
            jobDefinitionName="other", type="container", **{kind: properties.get(kind, {})}
        )
        with pytest.raises(ClientError, match="ClientException"):
            await engine.submit(jobDefinition="other")


async def test_a_disabled_queue_rejects_new_jobs() -> None:
    async with open_engine() as engine:
        await engine.batch.update_job_queue(jobQueue="default", state="DISABLED")
        with pytest.raises(ClientError, match="not in ENABLED state"):
            await engine.submit()


async def test_without_a_revision_the_latest_active_one_is_used() -> None:
    async with open_engine() as engine:
        arns = [await engine.define() for _ in range(2)]
        await engine.batch.deregister_job_definition(jobDefinition="task:3")
        latest = await engine.job(await engine.submit())
        named = await engine.job(await engine.submit(jobDefinition="task:1"))
    assert arns[0].endswith(":job-definition/task:2")
    assert latest["jobDefinition"] == arns[0]
    assert named["jobDefinition"].endswith("task:1")


async def test_overrides_and_parameters_reach_the_attempt() -> None:
    launched: list[Launch] = []

    def script(launch: Launch) -> Script:
        launched.append(launch)
        return Script()

    container: dict[str, Any] = {
        "command": ["run", "--in=Ref::in", "Ref::input", "Ref::other"],
        "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}],
    }
    async with open_engine(script) as engine:
        await engine.define("full", container=container, parameters={"in": "x", "input": "y"})
        job_id = await engine.submit(
            "named",
            jobDefinition="full",
            parameters={"in": "z"},
            containerOverrides={
                "environment": [{"name": "B", "value": "3"}],
                "resourceRequirements": [{"type": "VCPU", "value": "2"}],
            },
            tags={"team": "blue"},
        )
        job = await engine.ended(job_id)
    [launch] = launched
    assert launch.command == ("run", "--in=z", "y", "Ref::other")
    assert (launch.name, launch.tags) == ("named", {"team": "blue"})
    assert {key: launch.environment[key] for key in ("A", "B")} == {"A": "1", "B": "3"}
    assert launch.environment["AWS_BATCH_JOB_ID"] == job_id
    assert launch.environment["AWS_BATCH_JOB_ATTEMPT"] == "1"
    assert launch.environment["AWS_BATCH_JQ_NAME"] == "default"
    assert "AWS_BATCH_JOB_ARRAY_INDEX" not in launch.environment
    assert job["parameters"] == {"in": "z", "input": "y"}
    assert job["container"]["command"] == container["command"]
    assert {"type": "VCPU", "value": "2"} in job["container"]["resourceRequirements"]


@pytest.mark.parametrize(
    ("configuration", "group", "prefix"),
    [
        ({}, "/aws/batch/job", "task/default/"),
        (
            {
                "logDriver": "awslogs",
                "options": {"awslogs-group": "mine", "awslogs-stream-prefix": "p"},
            },
            "mine",
            "p/default/",
        ),
    ],
)
async def test_the_log_configuration_decides_where_output_goes(
    configuration: Json, group: str, prefix: str
) -> None:
    async with open_engine(Script(lines=[(0, "hello")])) as engine:
        container = {"logConfiguration": configuration} if configuration else {}
        await engine.define(container=container)
        job = await engine.ended(await engine.submit())
        stream = job["container"]["logStreamName"]
        assert stream.startswith(prefix)
        assert await engine.messages(stream, group) == ["hello"]


async def test_a_job_with_another_log_driver_has_no_log_stream() -> None:
    async with open_engine(Script(lines=[(0, "hello")])) as engine:
        await engine.define(container={"logConfiguration": {"logDriver": "splunk"}})
        job = await engine.ended(await engine.submit())
    assert "logStreamName" not in job["container"]
    assert "logStreamName" not in job["attempts"][0]["container"]
