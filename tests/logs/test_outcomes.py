"""Logs that cannot be read: a typed error, soon, and all lines of other jobs."""

import dataclasses
from typing import Any

import anyio
import pytest

from asyncbatch import (
    AccessDenied,
    ClientClosed,
    JobStatus,
    JobVanished,
    LogEvent,
    LogsUnavailable,
    PollPolicy,
)
from asyncbatch.local import Fault, Script
from tests.fixtures.bench import MakeBench
from tests.logs.jobs import (
    SECONDS,
    assert_all_once_in_order,
    chatty,
    collect,
    define,
    submit,
)

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize("appear_after", [20, SECONDS + 3])
async def test_streams_that_do_not_exist_yet_delay_no_other_stream(
    bench: MakeBench, appear_after: int
) -> None:
    """Streams appear while the job runs, or only after its end."""
    async with bench(chatty) as b:
        jobs = await submit(b, 40)
        for job in jobs:
            await job.wait(until=JobStatus.RUNNING)
        group = b.local.logs.group("/aws/batch/job")
        hidden = {}
        for job in jobs[::7]:
            assert job.description is not None
            name = job.description.containers[0].log_stream_name or ""
            hidden[name] = group.streams.pop(name)

        async def restore_streams() -> None:
            await anyio.sleep(appear_after)
            group.streams.update(hidden)

        events: list[LogEvent] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(restore_streams)
            tasks.start_soon(collect, b.batch.logs(jobs), events)
        assert_all_once_in_order(jobs, events)


@pytest.mark.parametrize("jobs", [1, 20])
async def test_expired_token_loses_and_repeats_no_line(bench: MakeBench, jobs: int) -> None:
    expired = Fault.error("InvalidParameterException", "The specified nextToken is expired.")
    async with bench(chatty) as b:
        running = await submit(b, jobs)
        events: list[LogEvent] = []
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(collect, b.batch.logs(running), events)
            for _ in range(4):
                await anyio.sleep(9)
                b.local.faults.add("GetLogEvents", dataclasses.replace(expired, times=1))
        assert_all_once_in_order(running, events)


async def test_missing_log_group_is_raised_after_the_lines_of_other_jobs(bench: MakeBench) -> None:
    async with bench(chatty) as b:
        await define(b, "grouped", {"logDriver": "awslogs", "options": {"awslogs-group": "/mine"}})
        others = await submit(b, 3)
        job = await b.batch.submit("grouped")
        await job.wait(until=JobStatus.RUNNING)
        b.local.logs._groups.pop("/mine")
        events: list[LogEvent] = []
        with pytest.raises(LogsUnavailable, match="log group '/mine' does not exist") as caught:
            await collect(b.batch.logs([job, *others]), events)
        assert caught.value.job_id == job.id
        assert_all_once_in_order(others, events)


OTHER_DRIVERS: dict[str, tuple[dict[str, Any], str]] = {
    "splunk": (
        {"logDriver": "splunk", "options": {"splunk-url": "https://splunk.example"}},
        r"splunk-url=https://splunk\.example",
    ),
    "json-file": ({"logDriver": "json-file"}, "docker logs"),
    "fluentd": ({"logDriver": "fluentd"}, "the destination of fluentd"),
}


@pytest.mark.parametrize("driver", OTHER_DRIVERS)
async def test_logs_unavailable_names_the_destination_of_the_log_driver(
    bench: MakeBench, driver: str
) -> None:
    configuration, destination = OTHER_DRIVERS[driver]
    async with bench(chatty) as b:
        await define(b, "elsewhere", configuration)
        job = await b.batch.submit("elsewhere")
        with pytest.raises(LogsUnavailable, match=destination):
            [event async for event in job.logs()]


@pytest.mark.parametrize("jobs", [1, 20])
async def test_denied_access_is_raised_at_once(bench: MakeBench, jobs: int) -> None:
    async with bench(Script(duration=100_000)) as b:
        for operation in ("GetLogEvents", "FilterLogEvents"):
            b.local.faults.add(operation, Fault.error("AccessDeniedException", "not allowed"))
        running = await submit(b, jobs)
        with pytest.raises(AccessDenied, match="GetLogEvents"), anyio.fail_after(600):
            [event async for event in b.batch.logs(running)]


async def test_vanished_job_is_raised_after_the_lines_of_other_jobs(bench: MakeBench) -> None:
    async with bench(chatty, poll=PollPolicy(unknown_grace=20)) as b:
        others = await submit(b, 3)
        events: list[LogEvent] = []
        with pytest.raises(JobVanished, match="no-such-job"):
            await collect(b.batch.logs(["no-such-job", *others]), events)
        assert_all_once_in_order(others, events)


async def test_closing_the_client_ends_the_iteration_with_client_closed(bench: MakeBench) -> None:
    async with bench(Script(duration=10_000)) as b:
        jobs = await submit(b, 10)
        errors: list[Exception] = []

        async def follow() -> None:
            try:
                [event async for event in b.batch.logs(jobs)]
            except ClientClosed as error:
                errors.append(error)

        async with anyio.create_task_group() as group:
            group.start_soon(follow)
            await anyio.sleep(100)
            await b.batch.aclose()
    assert len(errors) == 1
