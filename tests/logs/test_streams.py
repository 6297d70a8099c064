"""Logs of jobs with several streams, or with their own log group or Region.

The local engine runs no such jobs, so the tests make their descriptions and write their lines.
"""

import dataclasses
from datetime import UTC, datetime
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
from asyncbatch._logs.streams import is_over, latest_attempt, streams_of
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


def container(name: str | None, stream: str | None, group: str | None = None) -> Container:
    options = {"awslogs-group": group} if group else {}
    return Container(name=name, log_stream_name=stream, log_options=options)


DEFINED = (container("main", "m", "/main"), container("side", "s", "/side"))
ORDERS = {
    "as defined": ((container("main", "m"), container("side", "s")), DEFINED),
    "reversed": ((container("side", "s"), container("main", "m")), DEFINED),
    "the first one is not listed": ((container("side", "s"),), DEFINED),
    "no names": ((container(None, "m"), container(None, "s")), DEFINED),
    "equal names": (
        (container("x", "m"), container("x", "s")),
        (container("x", "m", "/main"), container("x", "s", "/side")),
    ),
    "own configuration": (
        (container("side", "s", "/side"), container("main", "m", "/main")),
        (container("main", "m"), container("side", "s")),
    ),
}


@pytest.mark.parametrize("order", ORDERS)
def test_containers_of_an_attempt_have_the_log_group_of_their_definition(order: str) -> None:
    listed, defined = ORDERS[order]
    description = JobDescription(
        job_id="job",
        status=ENDED,
        containers=defined,
        attempts=(Attempt(number=1, containers=listed),),
    )
    groups = {stream.name: stream.group for stream in streams_of(description, 1)}
    assert groups == {
        c.log_stream_name: {"m": "/main", "s": "/side"}[str(c.log_stream_name)] for c in listed
    }


async def test_streams_of_one_name_in_two_log_groups_are_both_read(bench: MakeBench) -> None:
    async with bench() as b:
        write(b, "task", "a", group="/main")
        write(b, "task", "b", group="/side")
        containers = (container("main", "task", "/main"), container("side", "task", "/side"))
        events = await read(known(b, described("job", *containers)))
    assert {(e.container, e.message) for e in events} == {("main", "a"), ("side", "b")}


NOW = datetime(2026, 1, 1, tzinfo=UTC)
# Whether the last attempt that is listed has ended, by what is said about it.
LAST_ATTEMPTS: dict[str, tuple[Attempt, bool]] = {
    "runs, as moto lists it": (
        Attempt(number=1, containers=(container(None, "one"),), started_at=NOW),
        False,
    ),
    "has a time of its end": (Attempt(number=1, stopped_at=NOW), True),
    "lost its host": (Attempt(number=1, status_reason="Host EC2 (instance i-1) terminated."), True),
    "has an exit code": (Attempt(number=1, containers=(Container(exit_code=0),)), True),
    "did not start": (
        Attempt(number=1, containers=(Container(reason="CannotPullContainerError"),)),
        True,
    ),
}


@pytest.mark.parametrize("last", LAST_ATTEMPTS)
def test_listed_attempt_has_ended_if_anything_is_known_about_its_end(last: str) -> None:
    attempt, has_ended = LAST_ATTEMPTS[last]
    running = JobDescription(job_id="job", status=JobStatus.RUNNING, attempts=(attempt,))
    assert is_over(running, 1) == has_ended
    assert latest_attempt(running) == 1 + has_ended
    ended = dataclasses.replace(running, status=JobStatus.FAILED)
    assert is_over(ended, 1)
    assert latest_attempt(ended) == 1


async def test_running_attempt_that_is_listed_is_followed(bench: MakeBench) -> None:
    """In moto, an attempt is listed as soon as it runs; in AWS, after its end."""
    async with bench() as b:
        write(b, "one", "a")
        containers = (container(None, "one"),)
        attempt = Attempt(number=1, containers=containers, started_at=NOW)
        job = known(
            b,
            JobDescription(
                job_id="job",
                status=JobStatus.RUNNING,
                containers=containers,
                attempts=(attempt,),
            ),
        )
        assert [e.message for e in await read(job, follow=False)] == ["a"]
        assert [e.message for e in await read(job, follow=False, tail=1)] == ["a"]


async def test_missing_log_group_error_names_the_region(bench: MakeBench) -> None:
    options = {"awslogs-group": "/my/own", "awslogs-region": "eu-north-1"}
    async with bench() as b:
        job = known(b, described("job", Container(log_stream_name="one", log_options=options)))
        with pytest.raises(LogsUnavailable, match="'/my/own' does not exist in eu-north-1"):
            await read(job)
