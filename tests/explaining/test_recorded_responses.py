"""Explanations of situations that people reported, with responses that have all of AWS's members.

``tests/data/explanations.json`` has the responses, in AWS's shape, with what the reports say.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.explaining.responses import Answers
from tests.explaining.test_explanations import explained

CASES: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data" / "explanations.json").read_text("utf-8")
)


def connection_of(case: dict[str, Any]) -> Answers:
    """Return a connection with the responses of a case."""
    responses = case["responses"]
    return Answers(
        responses["DescribeJobs"],
        queues=responses.get("DescribeJobQueues", ()),
        environments=responses.get("DescribeComputeEnvironments", ()),
        snapshot=responses.get("GetJobQueueSnapshot"),
    )


@pytest.mark.virtual_time
@pytest.mark.parametrize("case", CASES, ids=lambda case: case["title"])
async def test_reported_situation(case: dict[str, Any]) -> None:
    explanation = await explained(connection_of(case), case["job"])
    assert case["verdict"] in explanation.verdict
    assert case["next_step"] in explanation.next_step
    assert explanation.findings[0].source == case["field"]
    assert not explanation.not_read
