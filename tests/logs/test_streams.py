"""Logs of jobs with several streams, or with their own log group or Region.

The local engine runs no such jobs, so the tests make their descriptions and write their lines.
"""

from typing import Any

import pytest

from asyncbatch import (
    Attempt,
    Container,
    Job,
    JobDescription,
    JobStatus,
    LogEvent,
    LogsUnavailable,
    NodeProperties,
)
from tests.fixtures.bench import Bench, MakeBench

pytestmark = pytest.mark.virtual_time

GROUP = "/aws/batch/job"
ENDED = JobStatus.SUCCEEDED


def known(b: Bench, description: JobDescription) -> Job:
    return b.handle(description)


def write(b: Bench, stream: str, *lines: str, group: str = GROUP) -> None:
    target = b.local.logs.create_stream(group, stream)
    for line in lines:
        b.local.logs.append(target, line)


def described(job_id: str, *containers: Container, **fields: Any) -> JobDescription:  # noqa: ANN401
    attempt = Attempt(number=1, containers=containers)
    return JobDescription(
        job_id=job_id, status=ENDED, containers=containers, attempts=(attempt,), **fields
    )


async def read(job: Job, **how: Any) -> list[LogEvent]:  # noqa: ANN401
    return [event async for event in job.logs(**how)]


@pytest.mark.parametrize("follow", [True, False])
async def test_lines_of_several_containers_are_labelled_with_the_container(
    bench: MakeBench, *, follow: bool
) -> None:
    async with bench() as b:
        write(b, "one", "a", "b")
        write(b, "two", "c")
        job = known(
            b,
            described(
                "job",
                Container(name="main", log_stream_name="one"),
                Container(name="sidecar", log_stream_name="two"),
                Container(name="silent"),
            ),
        )
        events = await read(job, follow=follow)
    found = {(event.label, event.message) for event in events}
    assert found == {("main", "a"), ("main", "b"), ("sidecar", "c")}
    assert [e.message for e in events if e.container == "main"] == ["a", "b"]


@pytest.mark.parametrize("follow", [True, False])
async def test_lines_of_a_multi_node_job_are_labelled_with_the_node(
    bench: MakeBench, *, follow: bool
) -> None:
    async with bench() as b:
        nodes = []
        for index in range(3):
            write(b, f"node-{index}", f"hello from {index}")
            container = Container(name="main", log_stream_name=f"node-{index}")
            node = NodeProperties(index=index)
            nodes.append(known(b, described(f"job#{index}", container, node=node)))
        count = NodeProperties(count=len(nodes))
        parent = known(b, JobDescription(job_id="job", status=ENDED, node=count))
        events = await read(parent, follow=follow)
    assert sorted((e.label, e.node_index, e.message) for e in events) == [
        (f"#{n}/main", n, f"hello from {n}") for n in range(3)
    ]


async def test_containers_with_another_log_driver_are_skipped(bench: MakeBench) -> None:
    async with bench() as b:
        write(b, "one", "a")
        job = known(
            b,
            described(
                "job",
                Container(name="main", log_stream_name="one", log_driver="awslogs"),
                Container(name="router", log_stream_name="?", log_driver="awsfirelens"),
            ),
        )
        assert [event.message for event in await read(job)] == ["a"]


async def test_log_group_and_region_come_from_the_log_configuration(bench: MakeBench) -> None:
    """The engine has one store for all Regions, so the test checks which clients were made."""
    options = {"awslogs-group": "/my/own", "awslogs-region": "eu-north-1"}
    async with bench() as b:
        write(b, "one", "a", group="/my/own")
        job = known(b, described("job", Container(log_stream_name="one", log_options=options)))
        assert [event.message for event in await read(job)] == ["a"]
        clients = b.session.connection._clients
    assert ("logs", "eu-north-1") in clients


async def test_missing_log_group_error_names_the_region(bench: MakeBench) -> None:
    options = {"awslogs-group": "/my/own", "awslogs-region": "eu-north-1"}
    async with bench() as b:
        job = known(b, described("job", Container(log_stream_name="one", log_options=options)))
        with pytest.raises(LogsUnavailable, match="'/my/own' does not exist in eu-north-1"):
            await read(job)
