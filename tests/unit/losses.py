"""Finds what an answer of AWS says and its description lacks, and lists the known exceptions."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import datetime, timedelta
from typing import Any

from asyncbatch import JobDescription
from tests.unit import shapes

# Members that one job never has together: AWS fills those of its platform.
PLATFORMS = ("container", "ecs", "eks")
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


def job_detail(platform: str, nodes: str) -> dict[str, Any]:
    """Return a job of DescribeJobs with every member that a job of this platform can have."""
    left_out = [f".{member}" for member in ELSEWHERE[platform] + ELSEWHERE_ON_NODES[nodes]]
    detail = shapes.filled(shapes.output_shape("DescribeJobs", "jobs"), leave_out=left_out)
    return dict(detail)
