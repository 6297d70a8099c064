"""`JobRequest.from_description`: a described job becomes the request that makes it again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncbatch import (
    Dependency,
    DependencyType,
    InvalidRequest,
    JobDescription,
    JobRequest,
    RetryStrategy,
)
from asyncbatch._aws.wire import requests as wire
from asyncbatch._submitting.marks import TAG, unique_name
from tests.fixtures import strategies
from tests.fixtures.decoding import described, listed

DEFINITION = "arn:aws:batch:eu-west-1:123456789012:job-definition/etl:7"
QUEUE = "arn:aws:batch:eu-west-1:123456789012:job-queue/night"
JOB_ID = "11111111-2222-3333-4444-555555555555"


def detail(**members: object) -> dict[str, Any]:
    """Return a JobDetail of a container job."""
    return {
        "jobId": "j-1",
        "jobName": "nightly",
        "jobQueue": QUEUE,
        "jobDefinition": DEFINITION,
        "status": "FAILED",
        "container": {"image": "busybox"},
        **members,
    }


def detail_of(request: JobRequest) -> dict[str, Any]:
    """Return the JobDetail of a request whose job definition sets nothing but the image."""
    name = request.name or unique_name(str(request.job_definition))
    arguments = wire.submit_job(request, name=name, queue=request.queue or QUEUE)
    renamed = {
        "containerOverrides": "container",
        "schedulingPriorityOverride": "schedulingPriority",
        "consumableResourcePropertiesOverride": "consumableResourceProperties",
    }
    members = {renamed.get(member, member): value for member, value in arguments.items()}
    container = {"image": "busybox", **members.get("container", {})}
    return {**detail(), **members, "container": container}


# What a description does not have, or only together with something else.
_PRIORITY_NEEDS_SHARE = st.fixed_dictionaries(
    {},
    optional={
        name: each
        for name, each in strategies.sensible.items()
        if name not in ("key", "instance_type")
    },
).filter(lambda fields: "scheduling_priority" not in fields or "share_identifier" in fields)


@given(_PRIORITY_NEEDS_SHARE)
def test_request_of_a_described_job_equals_the_one_that_made_it(fields: dict[str, Any]) -> None:
    request = JobRequest(DEFINITION, **{"queue": QUEUE, **fields})
    expected = request.replace(command=request.command or None)
    assert JobRequest.from_description(described(detail_of(request))) == expected


def test_dependencies_keep_their_types() -> None:
    dependencies = (
        Dependency(JOB_ID),
        Dependency("other", DependencyType.N_TO_N),
        Dependency(type=DependencyType.SEQUENTIAL),
    )
    request = JobRequest(DEFINITION, queue=QUEUE, array_size=2, depends_on=dependencies)
    again = JobRequest.from_description(described(detail_of(request)))
    assert again.depends_on == dependencies


def test_names_tags_and_variables_that_were_added_are_left_out() -> None:
    job = described(
        detail(
            jobName="etl-0123456789ab",
            tags={
                "team": "red",
                TAG: "0123456789ab",
                "asyncbatch:definition-sha256": "x",
                "luigi:task-id": "T__99914b932b",
                "luigi:anything": "x",
                "aws:cloudformation:stack-id": "x",
            },
            container={
                "environment": [
                    {"name": "DAY", "value": "mon"},
                    {"name": "AWS_REGION", "value": "eu-west-1"},
                    {"name": "AWS_BATCH_JOB_ID", "value": JOB_ID},
                    {"name": "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "value": "/v2/x"},
                    {"name": "ECS_CONTAINER_METADATA_URI_V4", "value": "http://x"},
                    {"name": "AWS_EXECUTION_ENV", "value": "AWS_ECS_EC2"},
                    {"name": "MANAGED_BY_AWS", "value": "STARTED_BY_STEP_FUNCTIONS"},
                ]
            },
        )
    )
    request = JobRequest.from_description(job)
    assert request.name is None
    assert request.key is None
    assert request.tags == {"team": "red"}
    assert request.environment == {"DAY": "mon", "AWS_REGION": "eu-west-1"}


@pytest.mark.parametrize(
    "name",
    [
        "etl-0123456789ab",
        "Load_2024_01_15_99914b932b-0123456789ab",  # the Luigi adapter's
        "99914b932b-0123456789ab",
    ],
)
def test_generated_name_is_left_out(name: str) -> None:
    assert JobRequest.from_description(described(detail(jobName=name))).name is None


@pytest.mark.parametrize("name", ["etl", "etl-nightly", "etl-0123456789abc", "x-0123456789ab"])
def test_name_that_a_person_chose_is_kept(name: str) -> None:
    assert JobRequest.from_description(described(detail(jobName=name))).name == name


def test_consumable_resources_are_carried() -> None:
    resources = {"consumableResourceList": [{"consumableResource": "licences", "quantity": 2}]}
    request = JobRequest.from_description(described(detail(consumableResourceProperties=resources)))
    arguments = wire.submit_job(request, name="x", queue=QUEUE)
    assert arguments["consumableResourcePropertiesOverride"] == resources


def test_priority_of_the_definition_is_left_out_where_the_queue_has_no_shares() -> None:
    request = JobRequest.from_description(described(detail(schedulingPriority=7)))
    assert request.scheduling_priority is None


def test_empty_argument_of_the_definition_is_left_to_the_definition() -> None:
    job = described(detail(container={"command": ["run", ""]}))
    assert JobRequest.from_description(job).command is None


def test_rules_of_unexpected_types_are_left_out() -> None:
    strategy = {"attempts": 2, "evaluateOnExit": ["odd", {"onReason": "x*", "action": "EXIT"}]}
    request = JobRequest.from_description(described(detail(retryStrategy=strategy)))
    assert isinstance(request.retry, RetryStrategy)
    assert [rule.on_reason for rule in request.retry.evaluate_on_exit] == ["x*"]


REFUSED = {
    "a child of an array": (
        described(detail(jobId="j:3", arrayProperties={"index": 3})),
        "child of an array job",
    ),
    "a node": (described(detail(jobId="j#0", nodeDetails={"nodeIndex": 0})), "node of a multi"),
    "a multi-node job": (
        described(detail(nodeProperties={"numNodes": 2, "mainNode": 0, "nodeRangeProperties": []})),
        "multi-node job",
    ),
    "a job on EKS": (
        described(detail(container=None, eksProperties={"podProperties": {"containers": []}})),
        "Amazon EKS",
    ),
    "several containers": (
        described(
            detail(
                container=None,
                ecsProperties={"taskProperties": [{"containers": [{"name": "main"}]}]},
            )
        ),
        "ecsProperties",
    ),
    "a summary": (
        listed({"jobId": "j", "jobName": "x", "status": "FAILED"}, queue=QUEUE),
        "Describe the job first",
    ),
    "no container": (described(detail(container=None)), "no container"),
    "no queue": (described(detail(jobQueue=None)), "no queue"),
    "no definition": (described(detail(jobDefinition=None)), "no job definition"),
}


@pytest.mark.parametrize(("job", "reason"), REFUSED.values(), ids=REFUSED)
def test_job_that_no_request_makes_again_is_refused_by_name(
    job: JobDescription, reason: str
) -> None:
    with pytest.raises(InvalidRequest, match=reason) as raised:
        JobRequest.from_description(job)
    assert raised.value.field == "description"
    assert raised.value.value == job.job_id
