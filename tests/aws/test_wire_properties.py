"""Round trip from request to description, and responses with any members missing."""

import pickle
import random
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from asyncbatch import JobDescription, JobRequest, RetryStrategy
from asyncbatch._aws.wire import requests
from tests.fixtures import losses, strategies
from tests.fixtures.decoding import described

PAIR = {"name", "type", "value"}


def echoed(arguments: dict[str, Any]) -> dict[str, Any]:
    """Return the JobDetail of a job that was submitted with these arguments."""
    kept = ["parameters", "retryStrategy", "timeout", "tags", "propagateTags", "shareIdentifier"]
    return {
        "jobId": "j-1",
        "status": "SUBMITTED",
        **{member: arguments[member] for member in kept if member in arguments},
        "container": arguments.get("containerOverrides", {}),
        "dependsOn": arguments.get("dependsOn", []),
        "schedulingPriority": arguments.get("schedulingPriorityOverride"),
        "arrayProperties": arguments.get("arrayProperties", {}),
    }


@given(strategies.sensible_fields)
def test_description_of_a_submitted_job_has_the_fields_of_its_request(
    fields: dict[str, Any],
) -> None:
    request = JobRequest("etl", **fields)
    arguments = requests.submit_job(request, name="etl-1", queue="default")
    description = described(echoed(arguments))
    assert fields_described(description) == fields_requested(request)


def fields_requested(request: JobRequest) -> dict[str, Any]:
    attempts = request.retry.attempts if isinstance(request.retry, RetryStrategy) else None
    return {
        "parameters": request.parameters,
        "command": tuple(request.command or ()),
        "environment": request.environment,
        "resources": (request.vcpus, request.memory_mib, request.gpus),
        "array_size": request.array_size,
        "depends_on": tuple(d.job_id for d in request.depends_on),  # type: ignore[union-attr]
        "attempts": attempts,
        "attempt_timeout": request.attempt_timeout,
        "tags": request.tags,
        "share": (request.share_identifier, request.scheduling_priority),
    }


def fields_described(description: JobDescription) -> dict[str, Any]:
    (container,) = description.containers or (described(EMPTY).containers)
    return {
        "parameters": description.parameters,
        "command": container.command,
        "environment": container.environment,
        "resources": (container.vcpus, container.memory_mib, container.gpus),
        "array_size": description.array.size if description.array else None,
        "depends_on": description.depends_on,
        "attempts": description.attempts_allowed,
        "attempt_timeout": description.attempt_timeout,
        "tags": description.tags,
        "share": (description.share_identifier, description.scheduling_priority),
    }


EMPTY = {"jobId": "j-1", "status": "SUBMITTED", "container": {"unmodelled": True}}


def thinned(answer: Any, rng: random.Random) -> Any:  # noqa: ANN401 - JSON
    """Return a response without some of its members; names and their values stay together."""
    if isinstance(answer, dict):
        share = 0 if set(answer) <= PAIR else rng.choice([0.05, 0.3, 0.7])
        return {
            name: thinned(inner, rng) for name, inner in answer.items() if rng.random() >= share
        }
    if isinstance(answer, list):
        return [thinned(inner, rng) for inner in answer]
    return answer


platforms = st.sampled_from(losses.PLATFORMS)


@given(platforms, platforms, st.integers(0, 2**32))
def test_description_of_a_partial_response_keeps_every_member(
    platform: str, nodes: str, seed: int
) -> None:
    whole = losses.job_detail(platform, nodes)
    part = {**thinned(whole, random.Random(seed)), "jobId": "j-1", "status": "FAILED"}
    description = described(part)
    assert losses.lost(part, description) == []
    assert pickle.loads(pickle.dumps(description)) == description  # noqa: S301 - our own


@given(st.integers(0, 10**14))
def test_times_are_exact_to_the_millisecond(milliseconds: int) -> None:
    description = described({**EMPTY, "createdAt": milliseconds})
    if milliseconds == 0:
        assert description.created_at is None
    else:
        assert description.created_at is not None
        assert description.created_at.utcoffset() == timedelta(0)
        assert round(description.created_at.timestamp() * 1000) == milliseconds
