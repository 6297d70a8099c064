"""Encoding of descriptions, and identities of requests."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from asyncbatch import (
    ArrayProperties,
    Attempt,
    Container,
    JobDescription,
    JobRequest,
    JobStatus,
    NodeProperties,
    NodeRange,
    PodProperties,
    RetryStrategy,
)
from asyncbatch._journal.encoding import Decoder, to_text
from asyncbatch._journal.entries import identity_of
from tests.fixtures import losses
from tests.fixtures.decoding import described

MOMENT = datetime(2024, 1, 15, 10, 0, 0, 123_000, tzinfo=UTC)
CONTAINER = Container(
    name="main",
    command=("echo", "ä"),
    environment={"A": "1"},
    vcpus=0.25,
    exit_code=137,
    extra={"mountPoints": [{"x": None, "y": [1, 2.5, True]}]},
)

EVERYTHING = JobDescription(
    job_id="j-1",
    status=JobStatus.FAILED,
    name="etl",
    created_at=MOMENT,
    stopped_at=MOMENT + timedelta(microseconds=1),
    containers=(CONTAINER,),
    attempts=(Attempt(number=1, containers=(CONTAINER, CONTAINER), started_at=MOMENT),),
    array=ArrayProperties(size=3, status_summary={JobStatus.FAILED: 2}, updated_at=MOMENT),
    node=NodeProperties(count=2, ranges=(NodeRange(target_nodes="0:1", containers=(CONTAINER,)),)),
    pod=PodProperties(name="pod"),
    depends_on=("j-0",),
    tags={"team": "red"},
    attempt_timeout=timedelta(minutes=5, microseconds=7),
    is_terminated=True,
    extra={"platformCapabilities": ["EC2"]},
)


@pytest.mark.parametrize(
    "description",
    [
        EVERYTHING,
        JobDescription(job_id="j-2", status=JobStatus.SUCCEEDED),
        JobDescription(job_id="j-3", status=JobStatus("PONDERING")),
    ],
    ids=lambda description: description.job_id,
)
def test_description_survives_a_round_trip(description: JobDescription) -> None:
    assert Decoder().from_text(to_text(description)) == description


def test_default_values_are_not_written() -> None:
    text = to_text(JobDescription(job_id="j-2", status=JobStatus.SUCCEEDED))
    assert json.loads(text) == {"job_id": "j-2", "status": "SUCCEEDED"}


def test_unknown_fields_are_ignored() -> None:
    text = '{"job_id": "j-2", "status": "SUCCEEDED", "colour": {"red": 1}}'
    assert Decoder().from_text(text) == JobDescription(job_id="j-2", status=JobStatus.SUCCEEDED)


@pytest.mark.parametrize("text", ["", "[]", "{}", "null"])
def test_invalid_text_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"description|Expecting"):
        Decoder().from_text(text)


@pytest.mark.parametrize("nodes", losses.PLATFORMS)
@pytest.mark.parametrize("platform", losses.PLATFORMS)
def test_any_answer_of_describe_jobs_survives_a_round_trip(platform: str, nodes: str) -> None:
    description = described(losses.job_detail(platform, nodes))
    assert Decoder().from_text(to_text(description)) == description


def test_equal_values_of_several_jobs_are_kept_once() -> None:
    decoder = Decoder()
    one, two = (decoder.from_text(to_text(EVERYTHING)) for _ in range(2))
    assert one.tags is two.tags
    assert one.containers[0].environment is two.containers[0].environment


# -- identities ------------------------------------------------------------------------------------


def test_identity_of_a_request_never_changes() -> None:
    """With other identities, a journal of an earlier version would not recognise its requests."""
    request = JobRequest(
        "etl:3",
        queue="default",
        name="mine",
        parameters={"date": "2024-01-15", "n": 3},
        environment={"B": "2", "A": "1"},
        vcpus=2,
        retry=RetryStrategy(attempts=3),
        tags={"team": "red"},
    )
    assert identity_of(request) == IDENTITY
    assert identity_of(JobRequest("etl")) == PLAIN_IDENTITY


IDENTITY = "5d10e10c6e5b7a7bdfc1f40c27a1545f"
PLAIN_IDENTITY = "3d7d2f81a58a6040ecdbf0039709793d"


def test_identity_ignores_the_order_of_names() -> None:
    one = JobRequest("etl", environment={"A": "1", "B": "2"}, parameters={"x": "1", "y": "2"})
    two = JobRequest("etl", environment={"B": "2", "A": "1"}, parameters={"y": "2", "x": "1"})
    assert identity_of(one) == identity_of(two)


DIFFERENT: list[dict[str, Any]] = [
    {},
    {"queue": "q"},
    {"name": "n"},
    {"parameters": {"a": "1"}},
    {"environment": {"a": "1"}},
    {"command": ["a"]},
    {"command": ["b"]},
    {"array_size": 2},
    {"array_size": 3},
    {"depends_on": ["j-1"]},
    {"tags": {"a": "1"}},
    {"vcpus": 1},
    {"attempt_timeout": timedelta(minutes=1)},
    {"extra": {"nodeOverrides": {"numNodes": 2}}},
    {"key": "k"},
]


def test_different_requests_have_different_identities() -> None:
    identities = [identity_of(JobRequest("etl", **fields)) for fields in DIFFERENT]
    assert len(set(identities)) == len(DIFFERENT)


def test_identity_of_a_request_with_a_key_is_its_key() -> None:
    one = JobRequest("etl", key="k", parameters={"a": "1"})
    assert identity_of(one) == identity_of(JobRequest("other", key="k")) == "key:k"
