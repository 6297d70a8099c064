"""Answers with every member of botocore's model: nothing is lost, and nothing is relied upon."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from asyncbatch import JobDescription
from asyncbatch._wire import answers
from tests.unit import shapes

MINIMAL = {"jobId": "j-1", "status": "SUBMITTED"}

# Members that one job never has together: AWS fills those of its platform.
ELSEWHERE = {
    "container": ["ecsProperties", "eksProperties", "eksAttempts", "attempts.taskProperties"],
    "ecs": ["container", "eksProperties", "eksAttempts", "attempts.container"],
    "eks": ["container", "ecsProperties", "attempts"],
}
RANGE = "nodeProperties.nodeRangeProperties"
ELSEWHERE_ON_NODES = {
    "container": [f"{RANGE}.ecsProperties", f"{RANGE}.eksProperties"],
    "ecs": [f"{RANGE}.container", f"{RANGE}.eksProperties"],
    "eks": [f"{RANGE}.container", f"{RANGE}.ecsProperties"],
}

# What is not found word for word, and why.
TOLD_OTHERWISE = {
    ".isCancelled": "a truth value: is_cancelled",
    ".isTerminated": "a truth value: is_terminated",
    ".nodeDetails.isMainNode": "a truth value: node.is_main",
    ".nodeProperties.isMainNode": "a truth value: node.is_main",
    ".container.vcpus": "deprecated: where resourceRequirements speak, they decide",
    ".container.memory": "as vcpus",
    f".{RANGE}.container.vcpus": "as above",
    f".{RANGE}.container.memory": "as above",
}
# These words become the names of attributes: vcpus, memory_mib, gpus.
ATTRIBUTES = {"VCPU", "MEMORY", "GPU"}


def words(value: object) -> Iterator[str]:
    """Give every leaf of a value as AWS would write it."""
    if is_dataclass(value):
        for field in fields(value):
            yield from words(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield str(key)
            yield from words(inner)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            yield from words(inner)
    elif isinstance(value, datetime):
        yield str(round(value.timestamp() * 1000))
    elif isinstance(value, timedelta):
        yield f"{value.total_seconds():.0f}"
    else:
        yield f"{value:g}" if isinstance(value, float) else str(value)


def lost(answer: Mapping[str, Any], description: JobDescription) -> list[str]:
    """Name the leaves of an answer that its description does not have."""
    kept = set(words(description))
    return [
        f"{path}: {leaf}"
        for path, leaf in shapes.leaves(answer)
        if str(leaf) not in kept | ATTRIBUTES and path not in TOLD_OTHERWISE
    ]


@pytest.mark.parametrize("nodes", ELSEWHERE_ON_NODES)
@pytest.mark.parametrize("platform", ELSEWHERE)
def test_nothing_that_describe_jobs_says_is_lost(platform: str, nodes: str) -> None:
    shape = shapes.output_shape("DescribeJobs", "jobs")
    left_out = [f".{member}" for member in ELSEWHERE[platform] + ELSEWHERE_ON_NODES[nodes]]
    answer = shapes.filled(shape, leave_out=left_out)
    assert lost(answer, answers.job_description(answer)) == []


def test_nothing_that_list_jobs_says_is_lost() -> None:
    answer = shapes.filled(shapes.output_shape("ListJobs", "jobSummaryList"))
    assert lost(answer, answers.job_summary(answer)) == []


def test_nothing_that_describe_job_queues_says_is_lost() -> None:
    answer = shapes.filled(shapes.output_shape("DescribeJobQueues", "jobQueues"))
    kept = set(words(answers.job_queue(answer)))
    assert [leaf for _, leaf in shapes.leaves(answer) if str(leaf) not in kept] == []


def test_the_search_for_lost_words_does_find_one() -> None:
    answer = {**MINIMAL, "statusReason": "said", "extraordinary": "unsaid"}
    assert lost(answer, answers.job_description({**answer, "extraordinary": ""})) == [
        ".extraordinary: unsaid"
    ]


def without_one(answer: object) -> Iterator[Any]:
    """Give an answer again and again, each time without one of its members, however deep."""
    if isinstance(answer, dict):
        for name, inner in answer.items():
            yield {n: v for n, v in answer.items() if n != name}
            yield {**answer, name: None}
            yield from ({**answer, name: smaller} for smaller in without_one(inner))
    elif isinstance(answer, list):
        yield []
        yield from ([smaller, *answer[1:]] for smaller in without_one(answer[0]))


@pytest.mark.parametrize("platform", ELSEWHERE)
def test_no_member_is_relied_upon(platform: str) -> None:
    """Whatever else is missing or null, a job with an id and a status can be followed."""
    shape = shapes.output_shape("DescribeJobs", "jobs")
    left_out = [f".{member}" for member in ELSEWHERE[platform] + ELSEWHERE_ON_NODES[platform]]
    answer = shapes.filled(shape, leave_out=left_out)
    for smaller in without_one(answer):
        if smaller.get("jobId") and smaller.get("status"):
            assert answers.job_description(smaller).job_id == ".jobId"
