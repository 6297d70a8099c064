"""Responses with every member of botocore's model: none is lost, and none is required."""

from collections.abc import Iterator
from typing import Any

import pytest

from asyncbatch._aws.wire import responses
from tests.fixtures import losses, shapes
from tests.fixtures.decoding import described, listed

MINIMAL = {"jobId": "j-1", "status": "SUBMITTED"}


@pytest.mark.parametrize("nodes", losses.PLATFORMS)
@pytest.mark.parametrize("platform", losses.PLATFORMS)
def test_description_keeps_every_member_of_describe_jobs(platform: str, nodes: str) -> None:
    answer = losses.job_detail(platform, nodes)
    assert losses.lost(answer, described(answer)) == []


def test_summary_keeps_every_member_of_list_jobs() -> None:
    answer = shapes.filled(shapes.output_shape("ListJobs", "jobSummaryList"))
    assert losses.lost(answer, listed(answer)) == []


def test_queue_keeps_every_member_of_describe_job_queues() -> None:
    answer = shapes.filled(shapes.output_shape("DescribeJobQueues", "jobQueues"))
    kept = set(losses.leaf_texts(responses.job_queue(answer)))
    assert [leaf for _, leaf in shapes.leaves(answer) if str(leaf) not in kept] == []


def test_search_for_lost_members_finds_a_lost_member() -> None:
    answer = {**MINIMAL, "statusReason": "said", "extraordinary": "unsaid"}
    assert losses.lost(answer, described({**answer, "extraordinary": ""})) == [
        ".extraordinary: unsaid"
    ]


def without_one(answer: object) -> Iterator[Any]:
    """Yield copies of a response, each without one of its members at any depth."""
    if isinstance(answer, dict):
        for name, inner in answer.items():
            yield {n: v for n, v in answer.items() if n != name}
            yield {**answer, name: None}
            yield from ({**answer, name: smaller} for smaller in without_one(inner))
    elif isinstance(answer, list):
        yield []
        yield from ([smaller, *answer[1:]] for smaller in without_one(answer[0]))


@pytest.mark.parametrize("platform", losses.PLATFORMS)
def test_decoding_needs_no_member_but_id_and_status(platform: str) -> None:
    """Any other member may be missing or null."""
    for smaller in without_one(losses.job_detail(platform, platform)):
        if smaller.get("jobId") and smaller.get("status"):
            assert described(smaller).job_id == ".jobId"
