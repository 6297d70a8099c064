"""Job definitions: what is registered, and whether a described revision has the same content."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from asyncbatch import InvalidRequest
from asyncbatch._aws.wire import requests
from asyncbatch._aws.wire.definitions import editable, has_content

Wire = dict[str, Any]

WANTED: Wire = {
    "jobDefinitionName": "etl",
    "type": "container",
    "parameters": {"date": "today"},
    "containerProperties": {
        "image": "busybox",
        "command": ["echo", "Ref::date"],
        "environment": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}],
        "resourceRequirements": [
            {"type": "VCPU", "value": "1"},
            {"type": "MEMORY", "value": "128"},
        ],
        "readonlyRootFilesystem": False,
    },
    "retryStrategy": {
        "attempts": 2,
        "evaluateOnExit": [{"action": "RETRY", "onExitCode": "75"}],
    },
    "tags": {"team": "data"},
}
HASH = requests.definition_hash(WANTED)


def described() -> Wire:
    """Return the definition as AWS returns it."""
    detail = copy.deepcopy(WANTED)
    container = detail["containerProperties"]
    container["environment"].reverse()
    container["resourceRequirements"].reverse()
    container |= {"volumes": [], "mountPoints": [], "ulimits": [], "secrets": [], "vcpus": 0}
    container |= {"networkConfiguration": {"assignPublicIp": "DISABLED"}, "privileged": False}
    container |= {"fargatePlatformConfiguration": {"platformVersion": "LATEST"}}
    detail["retryStrategy"]["evaluateOnExit"][0]["action"] = "retry"
    return {
        **detail,
        "jobDefinitionArn": "arn:aws:batch:eu-west-1:123456789012:job-definition/etl:7",
        "revision": 7,
        "status": "ACTIVE",
        "containerOrchestrationType": "ECS",
        "platformCapabilities": ["EC2"],
        "consumableResourceProperties": {},
        "tags": {"team": "data", "added by": "a tag policy", requests.DEFINITION_HASH_TAG: HASH},
    }


def test_described_revision_has_the_content_it_was_registered_with() -> None:
    assert has_content(described(), WANTED, HASH)


@pytest.mark.parametrize("tag", [{}, {requests.DEFINITION_HASH_TAG: "of another spelling"}])
def test_revision_without_our_tag_has_its_content_as_well(tag: Wire) -> None:
    detail = described()
    detail["tags"] = {"team": "data", **tag}
    assert has_content(detail, WANTED, HASH)
    detail["tags"]["further"] = "tag"
    assert not has_content(detail, WANTED, HASH)


def test_variable_without_a_value_that_aws_drops_makes_no_difference() -> None:
    wanted = copy.deepcopy(WANTED)
    wanted["containerProperties"]["environment"].append({"name": "EMPTY", "value": ""})
    assert has_content(described(), wanted, HASH)


CHANGES: dict[str, Callable[[Wire], object]] = {
    "image": lambda d: d["containerProperties"].update(image="other"),
    "command": lambda d: d["containerProperties"]["command"].append("more"),
    "order of the command": lambda d: d["containerProperties"]["command"].reverse(),
    "variable": lambda d: d["containerProperties"]["environment"][0].update(value="3"),
    "further variable": lambda d: d["containerProperties"]["environment"].append(
        {"name": "C", "value": "3"}
    ),
    "memory": lambda d: d["containerProperties"]["resourceRequirements"].pop(),
    "privileged": lambda d: d["containerProperties"].update(privileged=True),
    "role": lambda d: d["containerProperties"].update(jobRoleArn="arn:aws:iam::1:role/x"),
    "root file system": lambda d: d["containerProperties"].update(readonlyRootFilesystem=True),
    "Fargate": lambda d: d.update(platformCapabilities=["FARGATE"]),
    "timeout": lambda d: d.update(timeout={"attemptDurationSeconds": 60}),
    "attempts": lambda d: d["retryStrategy"].update(attempts=3),
    "action": lambda d: d["retryStrategy"]["evaluateOnExit"][0].update(action="exit"),
    "parameter": lambda d: d.update(parameters={}),
    "tag": lambda d: d.update(tags={"team": "other"}),
    "no tags": lambda d: d.update(tags=None),
}


@pytest.mark.parametrize("change", CHANGES)
def test_revision_with_other_content_is_not_taken_for_it(change: str) -> None:
    detail = described()
    CHANGES[change](detail)
    assert not has_content(detail, WANTED, HASH)


def test_value_that_is_a_default_of_aws_is_compared_where_both_have_it() -> None:
    wanted = {**WANTED, "platformCapabilities": ["EC2"]}
    assert has_content(described(), wanted, HASH)
    assert not has_content({**described(), "platformCapabilities": ["FARGATE"]}, wanted, HASH)


@pytest.mark.parametrize(
    "wrap",
    [lambda d: d, lambda d: [d], lambda d: {"jobDefinitions": [d]}],
    ids=["one", "list", "response"],
)
def test_description_can_be_registered_again(wrap: Callable[[Wire], object]) -> None:
    members = editable(wrap(described()))
    arguments = requests.register_job_definition(members, tagged=False)
    assert not arguments.keys() & {"jobDefinitionArn", "revision", "status"}
    assert arguments["tags"] == {"team": "data", "added by": "a tag policy"}


@pytest.mark.parametrize("definition", [[], [WANTED, WANTED], {"jobDefinitions": []}, 5, None])
def test_anything_but_one_definition_raises_invalid_request(definition: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        editable(definition)
    assert caught.value.field == "definition"


@pytest.mark.parametrize("tags", [None, ["team"], "team"])
def test_tags_that_are_no_mapping_raise_invalid_request(tags: object) -> None:
    with pytest.raises(InvalidRequest, match="must be a mapping of tag keys") as caught:
        requests.register_job_definition({**WANTED, "tags": tags})
    assert caught.value.field == "definition['tags']"


@pytest.mark.parametrize("number", [49, 50])
def test_definition_with_fifty_tags_gets_no_tag_of_ours(number: int) -> None:
    tags = {f"tag-{n}": "x" for n in range(number)}
    arguments = requests.register_job_definition({**WANTED, "tags": tags})
    assert (requests.DEFINITION_HASH_TAG in arguments["tags"]) is (number < 50)
    assert len(arguments["tags"]) == 50
