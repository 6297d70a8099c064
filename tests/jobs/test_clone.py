"""`Job.clone`: a job of the local AWS Batch, submitted again from its description."""

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from asyncbatch import InvalidRequest, JobDescription, JobRequest, RetryStrategy
from asyncbatch.local import Script, VirtualTimeLoop
from tests.fixtures import strategies
from tests.fixtures.bench import DEFINITION, MakeBench, open_bench

# What is left out here needs resources of its own, a queue with shares, or jobs of another type.
_LEFT_OUT = frozenset(
    (
        *("queue", "depends_on", "gpus", "key", "share_identifier", "scheduling_priority"),
        *("consumable_resources", "instance_type", "node_overrides"),
        *("ecs_properties_override", "eks_properties_override"),
    )
)
_SIMULATED = {name: each for name, each in strategies.sensible.items() if name not in _LEFT_OUT} | {
    "array_size": st.integers(2, 5)
}


def _request(fields: dict[str, Any]) -> JobRequest:
    return JobRequest("hello", **fields)


_requests = st.lists(
    st.fixed_dictionaries({}, optional=_SIMULATED).map(_request), min_size=1, max_size=20
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(_requests)
def test_described_jobs_become_requests_equal_to_theirs(requests: list[JobRequest]) -> None:
    async def run() -> list[tuple[JobDescription, JobDescription]]:
        async with open_bench(Script(), vcpus=1_000_000) as b:
            first = await b.batch.submit_many(requests)
            described = await b.batch.describe(first)
            again = [JobRequest.from_description(described[job.id]) for job in first]
            second = await b.batch.submit_many(again)
            described |= await b.batch.describe(second)
            pairs = zip(first, second, strict=True)
            return [(described[one.id], described[other.id]) for one, other in pairs]

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        pairs = runner.run(run())
    for request, (one, other) in zip(requests, pairs, strict=True):
        found = JobRequest.from_description(one)
        assert found == _completed(request, one)
        assert JobRequest.from_description(other) == found


def _completed(request: JobRequest, job: JobDescription) -> JobRequest:
    """Return a request with what the job definition of the bench sets."""
    container: dict[str, Any] = DEFINITION["containerProperties"]
    return JobRequest(
        job.job_definition or "",
        queue=job.queue,
        name=request.name,
        parameters=request.parameters,
        command=request.command or container["command"],
        environment=request.environment,
        vcpus=request.vcpus or 1,
        memory_mib=request.memory_mib or 128,
        array_size=request.array_size,
        retry=request.retry or RetryStrategy(attempts=1),
        attempt_timeout=request.attempt_timeout,
        tags=request.tags,
        propagate_tags=bool(request.propagate_tags),
    )


@pytest.mark.virtual_time
async def test_clone_with_changes_is_submitted_as_another_job(bench: MakeBench) -> None:
    async with bench() as b:
        job = await b.batch.submit("hello", environment={"DAY": "mon"}, name="nightly")
        await job
        again = await b.batch.submit(job.clone(memory_mib=512, name="once-more"))
        result = await again
        assert again.id != job.id
        assert again.name == "once-more"
        assert result.description.containers[0].memory_mib == 512
        assert result.description.containers[0].environment == {"DAY": "mon"}


@pytest.mark.virtual_time
async def test_clone_before_the_job_was_described_says_how_to_describe_it(
    bench: MakeBench,
) -> None:
    async with bench(Script(duration=60)) as b:
        job = await b.batch.submit("hello")
        with pytest.raises(InvalidRequest, match="not been described yet"):
            job.clone()
        await b.batch.attach([job.id])
        assert job.clone().command == ("echo", "hello")
