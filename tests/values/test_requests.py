"""What a caller may ask for: every limit that AWS documents for SubmitJob, at and beyond it."""

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

ARRAY = {"array_size": 2}
RULE = EvaluateOnExit(action=RetryAction.EXIT, on_reason="*")


@dataclass(frozen=True)
class Handle:
    """What a `Job` looks like to a request."""

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

# The fields, the field that the error names, the value that it shows, and words of the rule.
REFUSED: list[tuple[dict[str, Any], str, object, str]] = [
    ({"name": ""}, "name", "", "1 to 128"),
    ({"name": "x" * 129}, "name", "x" * 129, "1 to 128"),
    ({"name": "-a"}, "name", "-a", "beginning with a letter or digit"),
    ({"name": "_a"}, "name", "_a", "beginning with a letter or digit"),
    ({"name": "a b"}, "name", "a b", "letters, digits, '-' and '_'"),
    ({"name": "a\n"}, "name", "a\n", "letters, digits, '-' and '_'"),
    ({"name": "é"}, "name", "é", "letters, digits, '-' and '_'"),
    ({"name": 7}, "name", 7, "letters, digits, '-' and '_'"),
    ({"queue": ""}, "queue", "", "not empty"),
    ({"queue": "q" * 2049}, "queue", "q" * 2049, "at most 2,048"),
    ({"array_size": 1}, "array_size", 1, "2 to 10,000"),
    ({"array_size": 10_001}, "array_size", 10_001, "2 to 10,000"),
    ({"array_size": True}, "array_size", True, "a whole number"),
    ({"array_size": 2.0}, "array_size", 2.0, "a whole number"),
    ({"vcpus": 0}, "vcpus", 0, "above 0"),
    ({"vcpus": float("inf")}, "vcpus", float("inf"), "above 0"),
    ({"vcpus": "2"}, "vcpus", "2", "a number"),
    ({"vcpus": True}, "vcpus", True, "a number"),
    ({"memory_mib": 3}, "memory_mib", 3, "4 or more"),
    ({"memory_mib": 512.5}, "memory_mib", 512.5, "a whole number"),
    ({"gpus": 0}, "gpus", 0, "1 or more"),
    ({"depends_on": jobs(21)}, "depends_on", jobs(21), "at most 20"),
    ({"depends_on": "j-1"}, "depends_on", "j-1", "a list of jobs"),
    ({"depends_on": [""]}, "depends_on", "", "a Job or a job id"),
    ({"depends_on": [None]}, "depends_on", None, "a Job or a job id"),
    ({"retry": 0}, "retry.attempts", 0, "1 to 10"),
    ({"retry": 11}, "retry.attempts", 11, "1 to 10"),
    ({"retry": True}, "retry.attempts", True, "a whole number"),
    ({"attempt_timeout": 60}, "attempt_timeout", 60, "datetime.timedelta"),
    *(
        ({"attempt_timeout": wrong}, "attempt_timeout", wrong, "60 seconds or more, in whole")
        for wrong in (timedelta(seconds=59), timedelta(seconds=60, microseconds=1))
    ),
    ({"tags": tags(51)}, "tags", tags(51), "at most 50"),
    ({"tags": {"": "v"}}, "tags", "", "1 to 128"),
    ({"tags": {"k" * 129: "v"}}, "tags", "k" * 129, "1 to 128"),
    ({"tags": {"AWS:k": "v"}}, "tags", "AWS:k", "do not begin with 'aws:'"),
    ({"tags": {"k": "v" * 257}}, "tags['k']", "v" * 257, "at most 256"),
    ({"tags": {"k": 1}}, "tags['k']", 1, "text"),
    ({"propagate_tags": 1}, "propagate_tags", 1, "True, False or None"),
    ({"share_identifier": "s" * 256}, "share_identifier", "s" * 256, "1 to 255"),
    ({"share_identifier": "a-b"}, "share_identifier", "a-b", "letters and digits"),
    ({"share_identifier": "*"}, "share_identifier", "*", "1 to 255"),
    ({"scheduling_priority": -1}, "scheduling_priority", -1, "0 to 9,999"),
    ({"scheduling_priority": 10_000}, "scheduling_priority", 10_000, "0 to 9,999"),
    ({"command": "echo hello"}, "command", "echo hello", "a list of arguments"),
    ({"command": ["echo", ""]}, "command", "", "not empty"),
    ({"command": ["echo", 7]}, "command", 7, "text"),
    ({"environment": {"AWS_BATCH_X": "1"}}, "environment", "AWS_BATCH_X", "AWS's own"),
    ({"environment": {"": "1"}}, "environment", "", "not empty"),
    ({"environment": {"a=b": "1"}}, "environment", "a=b", "no '='"),
    ({"environment": {"A": True}}, "environment['A']", True, "write a truth value as text"),
    ({"environment": {"A": None}}, "environment['A']", None, "text or a number"),
    ({"environment": ["A=1"]}, "environment", ["A=1"], "a mapping"),
    ({"parameters": {"p": False}}, "parameters['p']", False, "write a truth value as text"),
    ({"parameters": {"": "x"}}, "parameters", "", "not empty"),
    ({"parameters": {7: "p"}}, "parameters", 7, "names are text"),
    ({"extra": ["nodeOverrides"]}, "extra", ["nodeOverrides"], "a mapping"),
]


def shown(fields: object) -> str:
    """Name a row by its fields, shortened."""
    return str(fields)[:60]


@pytest.mark.parametrize("fields", ALLOWED, ids=shown)
def test_what_aws_allows_is_allowed(fields: dict[str, Any]) -> None:
    JobRequest("etl:3", **fields)


@pytest.mark.parametrize(
    ("fields", "field", "value", "rule"), REFUSED, ids=[shown(row[0]) for row in REFUSED]
)
def test_what_aws_refuses_is_refused_before_it_is_sent(
    fields: dict[str, Any], field: str, value: object, rule: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        JobRequest("etl:3", **fields)
    assert (caught.value.field, caught.value.value) == (field, value)
    assert rule in caught.value.rule


@pytest.mark.parametrize("job_definition", ["", " ", None, 7, "x" * 2049])
def test_a_job_definition_is_a_name_or_an_arn(job_definition: Any) -> None:  # noqa: ANN401
    with pytest.raises(InvalidRequest, match="job_definition="):
        JobRequest(job_definition)


def test_a_job_definition_may_be_one_that_was_registered() -> None:
    arn = "arn:aws:batch:eu-west-1:123456789012:job-definition/etl:3"
    definition = JobDefinition(name="etl", revision=3, arn=arn)
    assert JobRequest(definition).job_definition == arn


def test_numbers_become_text() -> None:
    request = JobRequest(
        "etl", parameters={"day": 7, "share": 0.5}, environment={"N": 10, "S": "x"}
    )
    assert request.parameters == {"day": "7", "share": "0.5"}
    assert request.environment == {"N": "10", "S": "x"}


def test_depends_on_takes_handles_ids_and_dependencies() -> None:
    sequential = Dependency(type=DependencyType.SEQUENTIAL)
    request = JobRequest("etl", array_size=2, depends_on=[Handle("j-1"), "j-2", sequential])
    assert request.depends_on == (Dependency("j-1"), Dependency("j-2"), sequential)


def test_one_handle_is_not_a_list_of_them() -> None:
    with pytest.raises(InvalidRequest, match="give a list of jobs, even for one"):
        JobRequest("etl", depends_on=Handle("j-1"))  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", DependencyType)
def test_only_arrays_depend_child_by_child(kind: DependencyType) -> None:
    with pytest.raises(InvalidRequest, match="is for array jobs; give array_size"):
        JobRequest("etl", depends_on=[Dependency("j-1", kind)])


def test_a_dependency_names_a_job_or_is_sequential() -> None:
    with pytest.raises(InvalidRequest, match="a dependency names a job"):
        Dependency()
    with pytest.raises(InvalidRequest, match="a dependency names a job"):
        Dependency(type=DependencyType.N_TO_N)
    with pytest.raises(InvalidRequest, match=r"depends_on\.job_id=''"):
        Dependency("")
    with pytest.raises(InvalidRequest, match="one of N_TO_N, SEQUENTIAL"):
        Dependency("j-1", "PARALLEL")  # type: ignore[arg-type]


def test_a_number_is_a_number_of_attempts() -> None:
    assert JobRequest("etl", retry=3).retry == RetryStrategy(attempts=3)


@pytest.mark.parametrize("member", ["on_status_reason", "on_reason", "on_exit_code"])
def test_a_retry_pattern_has_at_most_512_characters(member: str) -> None:
    EvaluateOnExit(action=RetryAction.RETRY, **{member: "x" * 512})
    with pytest.raises(InvalidRequest, match="at most 512"):
        EvaluateOnExit(action=RetryAction.RETRY, **{member: "x" * 513})


def test_a_retry_rule_matches_something_and_does_something() -> None:
    with pytest.raises(InvalidRequest, match="at least one pattern"):
        EvaluateOnExit(action=RetryAction.RETRY)
    for action in ("again", None):
        with pytest.raises(InvalidRequest, match="one of retry, exit"):
            EvaluateOnExit(action=action, on_reason="*")  # type: ignore[arg-type]


def test_at_most_five_retry_rules() -> None:
    with pytest.raises(InvalidRequest, match="at most 5 rules"):
        RetryStrategy(attempts=2, evaluate_on_exit=(RULE,) * 6)


def test_the_strategy_for_spot_is_within_the_limits_and_ends_with_exit() -> None:
    """Where no rule matches AWS retries, so the last one matches what is left."""
    rules = list(RetryStrategy.for_spot(4).evaluate_on_exit)
    assert len(rules) <= 5
    assert rules[-1] == EvaluateOnExit(action=RetryAction.EXIT, on_reason="*")
    assert {rule.action for rule in rules[:-1]} == {RetryAction.RETRY}


def test_replace_changes_some_fields_and_checks_them() -> None:
    request = JobRequest("etl", vcpus=2, tags={"team": "a"})
    changed = request.replace(memory_mib=512)
    assert (changed.vcpus, changed.memory_mib, request.memory_mib) == (2, 512, None)
    with pytest.raises(InvalidRequest, match="memory_mib"):
        request.replace(memory_mib=1)
    with pytest.raises(TypeError, match="memory"):
        request.replace(memory=512)  # type: ignore[call-arg]


def test_a_request_does_not_change() -> None:
    """What the caller does to its own dicts and lists later does not reach the request."""
    environment, command = {"A": "1"}, ["echo", "one"]
    request = JobRequest("etl", environment=environment, command=command)
    environment["A"] = "2"
    command.append("two")
    assert request.environment == {"A": "1"}
    assert request.command == ("echo", "one")
    with pytest.raises(FrozenInstanceError):
        request.queue = "other"  # type: ignore[misc]


@pytest.mark.parametrize("fields", ALLOWED, ids=shown)
def test_a_request_survives_pickling_and_copying(fields: dict[str, Any]) -> None:
    request = JobRequest("etl:3", **fields)
    assert pickle.loads(pickle.dumps(request)) == request  # noqa: S301 - our own
    assert copy.deepcopy(request) == request
