"""Values of environment variables do not appear in reprs and messages; their names do."""

import dataclasses

import pytest

from asyncbatch import (
    Attempt,
    Coalesced,
    Container,
    InvalidRequest,
    JobDescription,
    JobRequest,
    JobResult,
    JobStatus,
    NodeRange,
    PodProperties,
)
from asyncbatch._values.masking import masked

SECRET = "hunter2"
PAIRS = [{"name": "DB_PASSWORD", "value": SECRET}]
CONTAINER = Container(image="busybox", environment={"DB_PASSWORD": SECRET})
VALUES = {
    "request": JobRequest("etl", environment={"DB_PASSWORD": SECRET}),
    "coalesced": Coalesced(
        request=JobRequest("etl", environment={"DB_PASSWORD": SECRET}), places=(0,)
    ),
    "node overrides": JobRequest(
        "etl",
        extra={
            "nodeOverrides": {
                "nodePropertyOverrides": [{"containerOverrides": {"environment": PAIRS}}]
            }
        },
    ),
    "pod override": JobRequest(
        "etl",
        extra={"eksPropertiesOverride": {"podProperties": {"containers": [{"env": PAIRS}]}}},
    ),
    "container": CONTAINER,
    "attempt": Attempt(number=1, containers=(CONTAINER,)),
    "nodes": NodeRange(target_nodes="0:", containers=(CONTAINER,)),
    "pod": PodProperties(extra={"initContainers": [{"env": PAIRS}]}),
    "description": JobDescription(
        job_id="j-1",
        status=JobStatus.SUCCEEDED,
        containers=(CONTAINER,),
        extra={"ecsProperties": {"taskProperties": [{"containers": [{"environment": PAIRS}]}]}},
    ),
}


@pytest.mark.parametrize("case", VALUES)
def test_repr_shows_names_of_variables_without_their_values(case: str) -> None:
    shown = repr(VALUES[case])
    assert SECRET not in shown
    assert "DB_PASSWORD" in shown
    assert "***" in shown


def test_result_shows_no_variables() -> None:
    job = JobDescription(job_id="j-1", status=JobStatus.SUCCEEDED, containers=(CONTAINER,))
    result = JobResult(description=job)
    assert SECRET not in f"{result!r}{result._repr_html_()}"


def test_repr_is_otherwise_that_of_a_dataclass() -> None:
    fields = [f.name for f in dataclasses.fields(CONTAINER)]
    plain = dataclasses.make_dataclass("Container", fields)
    container = Container(image="busybox", command=("a",), extra={"user": "1"})
    assert repr(container) == repr(plain(*(getattr(container, name) for name in fields)))


@pytest.mark.parametrize(
    "environment",
    [PAIRS, f"DB_PASSWORD={SECRET}", {"DB_PASSWORD": [SECRET]}, {"DB_PASSWORD": SECRET.encode()}],
    ids=["list of pairs", "text", "list", "bytes"],
)
def test_invalid_environment_is_reported_without_its_values(environment: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        JobRequest("etl", environment=environment)  # type: ignore[arg-type]
    assert SECRET not in str(caught.value)
    assert caught.value.field.startswith("environment")


def test_masked_leaves_other_values_alone() -> None:
    value = {"image": "busybox", "tags": {"a": "b"}, "list": [1, (2, "x")]}
    assert masked(value) == value
