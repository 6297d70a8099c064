"""Encoding of requests: arguments of SubmitJob and RegisterJobDefinition."""

import json
from datetime import timedelta
from typing import Any

import pytest

from asyncbatch import (
    Dependency,
    DependencyType,
    EvaluateOnExit,
    InvalidRequest,
    JobRequest,
    RetryAction,
    RetryStrategy,
)
from asyncbatch._aws.wire import requests
from tests.fixtures import shapes

NAMED = {"jobName": "etl-1", "jobQueue": "default", "jobDefinition": "etl:3"}


def submit(request: JobRequest) -> dict[str, Any]:
    return requests.submit_job(request, name="etl-1", queue="default")


# Fields of a request; arguments of SubmitJob in addition to name, queue and job definition.
ROWS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({}, {}),
    ({"name": "etl-1", "queue": "default"}, {}),
    ({"parameters": {"day": 7}}, {"parameters": {"day": "7"}}),
    ({"command": ["echo", "hi"]}, {"containerOverrides": {"command": ["echo", "hi"]}}),
    (
        {"environment": {"A": "1", "B": ""}},
        {
            "containerOverrides": {
                "environment": [{"name": "A", "value": "1"}, {"name": "B", "value": ""}]
            }
        },
    ),
    (
        {"vcpus": 0.25, "memory_mib": 512, "gpus": 1},
        {
            "containerOverrides": {
                "resourceRequirements": [
                    {"type": "VCPU", "value": "0.25"},
                    {"type": "MEMORY", "value": "512"},
                    {"type": "GPU", "value": "1"},
                ]
            }
        },
    ),
    (
        {"vcpus": 2.0},
        {"containerOverrides": {"resourceRequirements": [{"type": "VCPU", "value": "2"}]}},
    ),
    ({"array_size": 10_000}, {"arrayProperties": {"size": 10_000}}),
    ({"depends_on": ["j-1"]}, {"dependsOn": [{"jobId": "j-1"}]}),
    (
        {
            "array_size": 2,
            "depends_on": [
                Dependency("j-1", DependencyType.N_TO_N),
                Dependency(type=DependencyType.SEQUENTIAL),
            ],
        },
        {
            "arrayProperties": {"size": 2},
            "dependsOn": [{"jobId": "j-1", "type": "N_TO_N"}, {"type": "SEQUENTIAL"}],
        },
    ),
    ({"retry": 3}, {"retryStrategy": {"attempts": 3}}),
    (
        {
            "retry": RetryStrategy(
                attempts=2,
                evaluate_on_exit=(
                    EvaluateOnExit(action=RetryAction.RETRY, on_status_reason="Host EC2*"),
                    EvaluateOnExit(action=RetryAction.EXIT, on_reason="*", on_exit_code="1"),
                ),
            )
        },
        {
            "retryStrategy": {
                "attempts": 2,
                "evaluateOnExit": [
                    {"onStatusReason": "Host EC2*", "action": "retry"},
                    {"onReason": "*", "onExitCode": "1", "action": "exit"},
                ],
            }
        },
    ),
    ({"attempt_timeout": timedelta(hours=1)}, {"timeout": {"attemptDurationSeconds": 3600}}),
    ({"tags": {"team": "a"}}, {"tags": {"team": "a"}}),
    ({"propagate_tags": False}, {"propagateTags": False}),
    (
        {"share_identifier": "teamA", "scheduling_priority": 0},
        {"shareIdentifier": "teamA", "schedulingPriorityOverride": 0},
    ),
    (
        {"extra": {"nodeOverrides": {"numNodes": 2}}},
        {"nodeOverrides": {"numNodes": 2}},
    ),
    (
        {"extra": {"containerOverrides": {"instanceType": "m5.large"}}},
        {"containerOverrides": {"instanceType": "m5.large"}},
    ),
]

each_row = pytest.mark.parametrize(("fields", "arguments"), ROWS, ids=[str(r[0]) for r in ROWS])


@each_row
def test_request_becomes_the_arguments_of_submit_job(
    fields: dict[str, Any], arguments: dict[str, Any]
) -> None:
    assert submit(JobRequest("etl:3", **fields)) == {**NAMED, **arguments}


@each_row
def test_arguments_of_submit_job_pass_botocores_validation(
    fields: dict[str, Any], arguments: dict[str, Any]
) -> None:
    assert shapes.objections("SubmitJob", submit(JobRequest("etl:3", **fields))) == ""


def test_botocores_validation_reports_a_wrong_argument() -> None:
    assert "jobName" in shapes.objections("SubmitJob", {"jobName": 7})


def test_every_member_of_submit_job_has_a_field_or_is_known_to_need_extra() -> None:
    """A member that AWS adds fails here, so that it gets a field or an entry below."""
    rows = {member for _, arguments in ROWS for member in arguments}
    members = shapes.batch_model().operation_model("SubmitJob").input_shape.members
    assert set(members) - rows - set(NAMED) == {
        "eksPropertiesOverride",
        "ecsPropertiesOverride",
        "consumableResourcePropertiesOverride",
    }


@pytest.mark.parametrize(
    ("fields", "member"),
    [
        ({}, "jobName"),
        ({}, "jobQueue"),
        ({}, "jobDefinition"),
        ({"command": ["a"]}, "containerOverrides"),
        ({"tags": {"a": "b"}}, "tags"),
        ({"retry": 2}, "retryStrategy"),
    ],
)
def test_extra_that_repeats_a_field_raises_invalid_request(
    fields: dict[str, Any], member: str
) -> None:
    with pytest.raises(InvalidRequest, match="Remove it from extra") as caught:
        submit(JobRequest("etl:3", extra={member: {}}, **fields))
    assert (caught.value.field, caught.value.value) == ("extra", member)


def request_of_size(size: int) -> JobRequest:
    """Return a request whose body has exactly this size."""
    empty = JobRequest("etl:3", parameters={"input": ""})
    missing = size - len(shapes.body_of("SubmitJob", submit(empty)))
    return JobRequest("etl:3", parameters={"input": "x" * missing})


def test_payload_of_30_kib_is_accepted() -> None:
    body = shapes.body_of("SubmitJob", submit(request_of_size(30 * 1024)))
    assert len(body) == 30 * 1024


def test_payload_above_30_kib_raises_invalid_request() -> None:
    with pytest.raises(InvalidRequest, match="30,720 bytes, and this has 30,721") as caught:
        submit(request_of_size(30 * 1024 + 1))
    assert caught.value.field == "request"


def test_payload_size_counts_escaped_characters() -> None:
    """JSON escapes non-ASCII characters: each takes six bytes."""
    submit(JobRequest("etl:3", parameters={"input": "é" * 5000}))
    with pytest.raises(InvalidRequest, match="Put large input into S3"):
        submit(JobRequest("etl:3", parameters={"input": "é" * 5200}))


def test_payload_size_includes_tags() -> None:
    submit(JobRequest("etl:3", tags={"owner": "é" * 256}))
    with pytest.raises(InvalidRequest, match="Put large input into S3"):
        submit(JobRequest("etl:3", tags={f"owner-{n}": "é" * 256 for n in range(20)}))


DEFINITION = {
    "jobDefinitionName": "etl",
    "type": "container",
    "containerProperties": {"image": "busybox", "vcpus": 1, "memory": 128},
    "tags": {"team": "a"},
}


def test_job_definition_is_tagged_with_the_hash_of_its_content() -> None:
    arguments = requests.register_job_definition(DEFINITION)
    content_hash = requests.definition_hash(DEFINITION)
    assert arguments["tags"] == {"team": "a", "asyncbatch:definition-sha256": content_hash}
    assert shapes.objections("RegisterJobDefinition", arguments) == ""
    assert DEFINITION["tags"] == {"team": "a"}


def test_job_definition_is_unchanged_without_the_tag() -> None:
    assert requests.register_job_definition(DEFINITION, tagged=False) == DEFINITION


def test_hash_of_a_job_definition_is_independent_of_the_order_of_members() -> None:
    shuffled = json.loads(json.dumps(DEFINITION, sort_keys=True))
    assert requests.definition_hash(shuffled) == requests.definition_hash(DEFINITION)
    changed = {**DEFINITION, "type": "multinode"}
    assert requests.definition_hash(changed) != requests.definition_hash(DEFINITION)


@pytest.mark.parametrize("member", ["jobDefinitionName", "type"])
def test_job_definition_without_name_or_type_raises_invalid_request(member: str) -> None:
    with pytest.raises(InvalidRequest, match=f"{member}.*is required"):
        requests.register_job_definition({**DEFINITION, member: ""})


def test_job_definition_above_24_kib_raises_invalid_request() -> None:
    large = {**DEFINITION, "parameters": {"input": "x" * 24 * 1024}}
    with pytest.raises(InvalidRequest, match="a job definition may have 24,576 bytes"):
        requests.register_job_definition(large)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"environment": {"BIG": "x" * 9_000}}, "environment"),
        ({"environment": {f"N{n}": "x" for n in range(400)}}, "environment"),
        ({"command": ["x" * 9_000]}, "command"),
        ({"command": ["x" * 5_000], "environment": {"BIG": "x" * 4_000}}, "command"),
    ],
)
def test_overrides_beyond_the_limit_of_ecs_raise_invalid_request(
    fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidRequest, match=r"8,192 characters of command and env") as caught:
        submit(JobRequest("etl:3", **fields))
    assert caught.value.field == field


def test_overrides_at_the_limit_of_ecs_are_accepted() -> None:
    value = "x" * (8_192 - len('{"name":"BIG","value":""},'))
    submit(JobRequest("etl:3", environment={"BIG": value}))
