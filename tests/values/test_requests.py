"""`JobRequest`: every limit that AWS documents for SubmitJob, at the limit and beyond it."""

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass
from datetime import timedelta
from typing import Any

import pytest

from asyncbatch import (
    Dependency,
    DependencyType,
    EvaluateOnExit,
    InvalidRequest,
    JobDefinition,
    JobRequest,
    RetryAction,
    RetryStrategy,
)
from asyncbatch._aws.wire import requests as wire
from asyncbatch._journal.entries import identity_of
from tests.fixtures import shapes

ARRAY = {"array_size": 2}
RULE = EvaluateOnExit(action=RetryAction.EXIT, on_reason="*")


@dataclass(frozen=True)
class Handle:
    """A stand-in for a `Job`."""

    id: str


def tags(count: int) -> dict[str, str]:
    return {f"key-{i}": "value" for i in range(count)}


def jobs(count: int) -> list[str]:
    return [f"j-{i}" for i in range(count)]


ALLOWED: list[dict[str, Any]] = [
    {"name": "a"},
    {"name": "9" + "-_aZ0" * 25 + "xy"},
    {"name": None},
    {"queue": "default"},
    {"queue": "q" * 2048},
    {"array_size": 2},
    {"array_size": 10_000},
    {"vcpus": 0.25},
    {"vcpus": 96},
    {"memory_mib": 4},
    {"gpus": 1},
    {"depends_on": jobs(20)},
    {"depends_on": [Dependency("j-1", DependencyType.N_TO_N)], **ARRAY},
    {"depends_on": [Dependency(type=DependencyType.SEQUENTIAL)], **ARRAY},
    {"retry": 1},
    {"retry": 10},
    {"retry": "3"},
    {"retry": "spot:3"},
    {"retry": RetryStrategy(attempts=10, evaluate_on_exit=(RULE,) * 5)},
    {"attempt_timeout": timedelta(seconds=60)},
    {"attempt_timeout": timedelta(days=14)},
    {"tags": tags(50)},
    {"tags": {"k" * 128: "v" * 256}},
    {"tags": {"k": ""}},
    {"propagate_tags": False},
    {"share_identifier": "s" * 255},
    {"share_identifier": "team*"},
    {"scheduling_priority": 0},
    {"scheduling_priority": 9999},
    {"command": ["tr", "\n", " "]},
    {"environment": {"AWS_REGION": "eu-west-1", "batch": ""}},
    {"parameters": {"date": ""}},
    {"extra": {"nodeOverrides": {"numNodes": 2}}},
]

# Fields of the request; then field, value and part of the rule of the error.
REFUSED: list[tuple[dict[str, Any], str, object, str]] = [
    ({"name": ""}, "name", "", "1 to 128"),
    ({"name": "x" * 129}, "name", "x" * 129, "1 to 128"),
    ({"name": "-a"}, "name", "-a", "begin with a letter or digit"),
    ({"name": "_a"}, "name", "_a", "begin with a letter or digit"),
    ({"name": "a b"}, "name", "a b", "letters, digits, '-' and '_'"),
    ({"name": "a\n"}, "name", "a\n", "letters, digits, '-' and '_'"),
    ({"name": "é"}, "name", "é", "letters, digits, '-' and '_'"),
    ({"name": 7}, "name", 7, "letters, digits, '-' and '_'"),
    ({"queue": ""}, "queue", "", "non-empty"),
    ({"queue": "q" * 2049}, "queue", "q" * 2049, "at most 2,048"),
    ({"array_size": 1}, "array_size", 1, "2 to 10,000 children. Submit a plain job instead."),
    ({"array_size": 10_001}, "array_size", 10_001, "Submit several array jobs."),
    ({"array_size": True}, "array_size", True, "2 to 10,000"),
    ({"array_size": 2.0}, "array_size", 2.0, "2 to 10,000"),
    ({"vcpus": 0}, "vcpus", 0, "above 0"),
    ({"vcpus": float("inf")}, "vcpus", float("inf"), "above 0"),
    ({"vcpus": "2"}, "vcpus", "2", "a number"),
    ({"vcpus": True}, "vcpus", True, "a number"),
    ({"memory_mib": 3}, "memory_mib", 3, "4 or more"),
    ({"memory_mib": 512.5}, "memory_mib", 512.5, "an integer"),
    ({"gpus": 0}, "gpus", 0, "1 or more"),
    ({"depends_on": jobs(21)}, "depends_on", jobs(21), "at most 20"),
    ({"depends_on": "j-1"}, "depends_on", "j-1", "a list of jobs"),
    ({"depends_on": [""]}, "depends_on", "", "a Job, a job id or a Dependency"),
    ({"depends_on": [None]}, "depends_on", None, "a Job, a job id or a Dependency"),
    ({"retry": 0}, "retry.attempts", 0, "1 to 10"),
    ({"retry": 11}, "retry.attempts", 11, "1 to 10"),
    ({"retry": True}, "retry.attempts", True, "an integer"),
    *(
        ({"retry": wrong}, "retry", wrong, "a number of attempts, or a string such as 'spot:3'")
        for wrong in ("", "often", "spot:", "spot:many", "-1", "3 times")
    ),
    ({"retry": "11"}, "retry.attempts", 11, "1 to 10"),
    ({"retry": "spot:0"}, "retry.attempts", 0, "1 to 10"),
    ({"attempt_timeout": 60}, "attempt_timeout", 60, "datetime.timedelta"),
    *(
        ({"attempt_timeout": wrong}, "attempt_timeout", wrong, "at least 60 seconds, in whole")
        for wrong in (timedelta(seconds=59), timedelta(seconds=60, microseconds=1))
    ),
    ({"tags": tags(51)}, "tags", tags(51), "at most 50"),
    ({"tags": {"": "v"}}, "tags", "", "1 to 128"),
    ({"tags": {"k" * 129: "v"}}, "tags", "k" * 129, "1 to 128"),
    ({"tags": {"AWS:k": "v"}}, "tags", "AWS:k", "must not begin with 'aws:'"),
    ({"tags": {"k": "v" * 257}}, "tags['k']", "v" * 257, "at most 256"),
    ({"tags": {"k": 1}}, "tags['k']", 1, "strings"),
    ({"propagate_tags": 1}, "propagate_tags", 1, "True, False or None"),
    ({"share_identifier": "s" * 256}, "share_identifier", "s" * 256, "1 to 255"),
    ({"share_identifier": "a-b"}, "share_identifier", "a-b", "letters and digits"),
    ({"share_identifier": "*"}, "share_identifier", "*", "1 to 255"),
    ({"scheduling_priority": -1}, "scheduling_priority", -1, "0 to 9,999"),
    ({"scheduling_priority": 10_000}, "scheduling_priority", 10_000, "0 to 9,999"),
    ({"command": "echo hello"}, "command", "echo hello", "a list of arguments"),
    ({"command": ["echo", ""]}, "command", "", "non-empty"),
    ({"command": ["echo", 7]}, "command", 7, "string"),
    ({"environment": {"AWS_BATCH_X": "1"}}, "environment", "AWS_BATCH_X", "AWS reserves names"),
    ({"environment": {"": "1"}}, "environment", "", "must not be empty"),
    ({"environment": {"a=b": "1"}}, "environment", "a=b", "or contain '='"),
    ({"environment": {"A": True}}, "environment['A']", True, "Write a bool as the string"),
    ({"environment": {"A": None}}, "environment['A']", None, "a string or a number"),
    ({"environment": ["A=1"]}, "environment", ["A=1"], "a mapping"),
    ({"parameters": {"p": False}}, "parameters['p']", False, "Write a bool as the string"),
    ({"parameters": {"": "x"}}, "parameters", "", "must not be empty"),
    ({"parameters": {7: "p"}}, "parameters", 7, "keys must be strings"),
    ({"extra": ["nodeOverrides"]}, "extra", ["nodeOverrides"], "a mapping"),
]


def shown(fields: object) -> str:
    """Return the id of a row of a table."""
    return str(fields)[:60]


@pytest.mark.parametrize("fields", ALLOWED, ids=shown)
def test_request_with_values_at_the_limits_is_accepted(fields: dict[str, Any]) -> None:
    JobRequest("etl:3", **fields)


@pytest.mark.parametrize(
    ("fields", "field", "value", "rule"), REFUSED, ids=[shown(row[0]) for row in REFUSED]
)
def test_request_with_a_value_beyond_a_limit_raises_invalid_request(
    fields: dict[str, Any], field: str, value: object, rule: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        JobRequest("etl:3", **fields)
    assert (caught.value.field, caught.value.value) == (field, value)
    assert rule in caught.value.rule


@pytest.mark.parametrize("job_definition", ["", " ", None, 7, "x" * 2049])
def test_job_definition_that_is_not_a_name_raises_invalid_request(job_definition: Any) -> None:  # noqa: ANN401
    with pytest.raises(InvalidRequest, match="job_definition="):
        JobRequest(job_definition)


@pytest.mark.parametrize(
    "definition",
    [
        "etl:latest",
        "etl:",
        "etl:v3",
        "etl:3:4",
        "arn:aws:batch:eu-west-1:123456789012:job-definition/etl:latest",
    ],
)
def test_revision_that_is_no_number_is_reported_with_what_to_write(definition: str) -> None:
    with pytest.raises(InvalidRequest, match=r"such as etl:3.*Leave it out") as caught:
        JobRequest(definition)
    assert (caught.value.field, caught.value.value) == ("job_definition", definition)


def test_registered_job_definition_is_used_by_its_arn() -> None:
    arn = "arn:aws:batch:eu-west-1:123456789012:job-definition/etl:3"
    definition = JobDefinition(name="etl", revision=3, arn=arn)
    assert JobRequest(definition).job_definition == arn


def test_numbers_in_parameters_and_environment_become_strings() -> None:
    request = JobRequest(
        "etl", parameters={"day": 7, "share": 0.5}, environment={"N": 10, "S": "x"}
    )
    assert request.parameters == {"day": "7", "share": "0.5"}
    assert request.environment == {"N": "10", "S": "x"}


def test_depends_on_accepts_handles_ids_and_dependencies() -> None:
    sequential = Dependency(type=DependencyType.SEQUENTIAL)
    request = JobRequest("etl", array_size=2, depends_on=[Handle("j-1"), "j-2", sequential])
    assert request.depends_on == (Dependency("j-1"), Dependency("j-2"), sequential)


def test_depends_on_with_a_single_handle_raises_invalid_request() -> None:
    with pytest.raises(InvalidRequest, match=r"must be a list of jobs\. Pass \[job\]"):
        JobRequest("etl", depends_on=Handle("j-1"))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", DependencyType)
def test_dependency_type_on_a_job_without_array_size_raises_invalid_request(
    kind: DependencyType,
) -> None:
    with pytest.raises(InvalidRequest, match=r"is for array jobs\. Set array_size"):
        JobRequest("etl", depends_on=[Dependency("j-1", kind)])


def test_dependency_without_job_id_or_with_unknown_type_raises_invalid_request() -> None:
    with pytest.raises(InvalidRequest, match="a dependency needs a job id"):
        Dependency()
    with pytest.raises(InvalidRequest, match="a dependency needs a job id"):
        Dependency(type=DependencyType.N_TO_N)
    with pytest.raises(InvalidRequest, match=r"depends_on\.job_id=''"):
        Dependency("")
    with pytest.raises(InvalidRequest, match="one of N_TO_N, SEQUENTIAL"):
        Dependency("j-1", "PARALLEL")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("short", "strategy"),
    [
        (None, None),
        (3, RetryStrategy(attempts=3)),
        ("3", RetryStrategy(attempts=3)),
        ("spot:3", RetryStrategy.for_spot(3)),
        (RetryStrategy.for_spot(4), RetryStrategy.for_spot(4)),
    ],
)
def test_short_form_of_retry_becomes_a_strategy(
    short: RetryStrategy | int | str | None, strategy: RetryStrategy | None
) -> None:
    request = JobRequest("etl", retry=short)
    assert request.retry == strategy
    assert request == JobRequest("etl", retry=strategy)


@pytest.mark.parametrize("member", ["on_status_reason", "on_reason", "on_exit_code"])
def test_retry_pattern_with_more_than_512_characters_raises_invalid_request(member: str) -> None:
    EvaluateOnExit(action=RetryAction.RETRY, **{member: "x" * 512})
    with pytest.raises(InvalidRequest, match="at most 512"):
        EvaluateOnExit(action=RetryAction.RETRY, **{member: "x" * 513})


@pytest.mark.parametrize("text", ["RETRY", "Retry", "rEtry"])
def test_action_of_a_retry_rule_is_accepted_in_any_case(text: str) -> None:
    rule = EvaluateOnExit(action=text, on_exit_code="75")  # type: ignore[arg-type]
    assert rule == EvaluateOnExit(action=RetryAction.RETRY, on_exit_code="75")
    assert repr(rule.action) == repr(RetryAction.RETRY)


def test_retry_rule_without_pattern_or_known_action_raises_invalid_request() -> None:
    with pytest.raises(InvalidRequest, match="at least one of on_status_reason"):
        EvaluateOnExit(action=RetryAction.RETRY)
    for action in ("again", None):
        with pytest.raises(InvalidRequest, match="one of retry, exit"):
            EvaluateOnExit(action=action, on_reason="*")  # type: ignore[arg-type]


def test_more_than_five_retry_rules_raise_invalid_request() -> None:
    with pytest.raises(InvalidRequest, match="at most 5 rules"):
        RetryStrategy(attempts=2, evaluate_on_exit=(RULE,) * 6)


def test_spot_strategy_ends_with_a_rule_that_exits() -> None:
    """AWS retries where no rule matches, so the last rule must match every other failure."""
    rules = list(RetryStrategy.for_spot(4).evaluate_on_exit)
    assert len(rules) <= 5
    assert rules[-1] == EvaluateOnExit(action=RetryAction.EXIT, on_reason="*")
    assert {rule.action for rule in rules[:-1]} == {RetryAction.RETRY}


def test_replace_changes_fields_and_checks_them() -> None:
    request = JobRequest("etl", vcpus=2, tags={"team": "a"})
    changed = request.replace(memory_mib=512)
    assert (changed.vcpus, changed.memory_mib, request.memory_mib) == (2, 512, None)
    with pytest.raises(InvalidRequest, match="memory_mib"):
        request.replace(memory_mib=1)


def test_request_is_immutable_and_independent_of_its_arguments() -> None:
    environment, command = {"A": "1"}, ["echo", "one"]
    request = JobRequest("etl", environment=environment, command=command)
    environment["A"] = "2"
    command.append("two")
    assert request.environment == {"A": "1"}
    assert request.command == ("echo", "one")
    with pytest.raises(FrozenInstanceError):
        request.queue = "other"  # type: ignore[misc]


@pytest.mark.parametrize("fields", ALLOWED, ids=shown)
def test_request_is_equal_after_pickling_and_copying(fields: dict[str, Any]) -> None:
    request = JobRequest("etl:3", **fields)
    assert pickle.loads(pickle.dumps(request)) == request  # noqa: S301 - our own
    assert copy.deepcopy(request) == request


# -- structures of AWS ----------------------------------------------------------------------------

NODES = {
    "numNodes": 2,
    "nodePropertyOverrides": [
        {"targetNodes": "0:", "containerOverrides": {"command": ["x"], "instanceType": "c5.large"}}
    ],
}
TASKS = {"taskProperties": [{"containers": [{"name": "main", "command": ["x"]}]}]}
PODS = {"podProperties": {"containers": [{"name": "main", "args": ["x"]}]}}


@pytest.mark.parametrize(
    ("fields", "extra"),
    [
        ({"node_overrides": NODES}, {"nodeOverrides": NODES}),
        ({"ecs_properties_override": TASKS}, {"ecsPropertiesOverride": TASKS}),
        ({"eks_properties_override": PODS}, {"eksPropertiesOverride": PODS}),
        (
            {"consumable_resources": {"licences": 2}},
            {
                "consumableResourcePropertiesOverride": {
                    "consumableResourceList": [{"consumableResource": "licences", "quantity": 2}]
                }
            },
        ),
        ({"instance_type": "c5.large"}, {"containerOverrides": {"instanceType": "c5.large"}}),
    ],
    ids=["nodes", "ecs", "eks", "consumable resources", "instance type"],
)
def test_typed_field_is_sent_and_identified_as_in_extra(
    fields: dict[str, Any], extra: dict[str, Any]
) -> None:
    typed, plain = JobRequest("etl", **fields), JobRequest("etl", extra=extra)
    arguments = wire.submit_job(typed, name="etl-1", queue="q")
    assert arguments == wire.submit_job(plain, name="etl-1", queue="q")
    assert shapes.objections("SubmitJob", arguments) == ""
    assert identity_of(typed) == identity_of(plain)
    with pytest.raises(InvalidRequest, match="Remove it from extra"):
        wire.submit_job(typed.replace(extra=extra), name="etl-1", queue="q")


@pytest.mark.parametrize(
    ("fields", "field", "rule"),
    [
        ({"node_overrides": {"num_nodes": 2}}, "node_overrides", "numNodes and nodeProperty"),
        ({"node_overrides": 2}, "node_overrides", "must be a mapping"),
        ({"node_overrides": NODES, "array_size": 2}, "array_size", "not together with node"),
        ({"node_overrides": NODES, "command": ["x"]}, "command", "not together with node"),
        ({"eks_properties_override": PODS, "vcpus": 2}, "vcpus", "not together with eks"),
        (
            {"ecs_properties_override": TASKS, "eks_properties_override": PODS},
            "eks_properties_override",
            "not together with ecs",
        ),
        ({"consumable_resources": ["x"]}, "consumable_resources", "must be a mapping"),
        ({"consumable_resources": {"": 1}}, "consumable_resources", "must not be empty"),
        ({"consumable_resources": {"x": 0}}, "consumable_resources['x']", "of 1 or more"),
        ({"consumable_resources": {"x": True}}, "consumable_resources['x']", "of 1 or more"),
        ({"instance_type": ""}, "instance_type", "non-empty"),
    ],
)
def test_wrong_structure_is_refused_by_name(fields: dict[str, Any], field: str, rule: str) -> None:
    with pytest.raises(InvalidRequest, match=rule) as raised:
        JobRequest("etl", **fields)
    assert raised.value.field == field


def test_secrets_in_structures_are_masked() -> None:
    variables = [{"name": "PASSWORD", "value": "hunter2"}]
    containers = [{"name": "main", "environment": variables}]
    request = JobRequest(
        "etl", ecs_properties_override={"taskProperties": [{"containers": containers}]}
    )
    assert "PASSWORD" in repr(request)
    assert "hunter2" not in repr(request)
