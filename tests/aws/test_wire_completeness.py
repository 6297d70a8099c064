"""Answers with every member of botocore's model: nothing is lost, and nothing is relied upon."""

from collections.abc import Iterator
from typing import Any

import pytest

from asyncbatch._aws.wire import responses
from tests.fixtures import losses, shapes
from tests.fixtures.decoding import described, listed

MINIMAL = {"jobId": "j-1", "status": "SUBMITTED"}


@pytest.mark.parametrize("nodes", losses.PLATFORMS)
@pytest.mark.parametrize("platform", losses.PLATFORMS)
def test_nothing_that_describe_jobs_says_is_lost(platform: str, nodes: str) -> None:
    answer = losses.job_detail(platform, nodes)
    assert losses.lost(answer, described(answer)) == []


def test_nothing_that_list_jobs_says_is_lost() -> None:
    answer = shapes.filled(shapes.output_shape("ListJobs", "jobSummaryList"))
    assert losses.lost(answer, listed(answer)) == []


def test_nothing_that_describe_job_queues_says_is_lost() -> None:
    answer = shapes.filled(shapes.output_shape("DescribeJobQueues", "jobQueues"))
    kept = set(losses.words(responses.job_queue(answer)))
    assert [leaf for _, leaf in shapes.leaves(answer) if str(leaf) not in kept] == []


def test_the_search_for_lost_words_does_find_one() -> None:
    answer = {**MINIMAL, "statusReason": "said", "extraordinary": "unsaid"}
    assert losses.lost(answer, described({**answer, "extraordinary": ""})) == [
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


@pytest.mark.parametrize("platform", losses.PLATFORMS)
def test_no_member_is_relied_upon(platform: str) -> None:
    """Whatever else is missing or null, a job with an id and a status can be followed."""
    for smaller in without_one(losses.job_detail(platform, platform)):
        if smaller.get("jobId") and smaller.get("status"):
            assert described(smaller).job_id == ".jobId"
