"""`asyncbatch show`, in this process."""

import json

import pytest

from tests.cli.harness import Terminal, golden
from tests.cli.scenario import VCPUS, script, submit_jobs
from tests.fixtures.bench import MakeBench

pytestmark = pytest.mark.virtual_time


@pytest.mark.parametrize(
    ("name", "arguments", "columns"),
    [
        ("show-failed.txt", ["bad-1"], None),
        ("show-terminal.txt", ["waits", "bad-array"], 80),
        ("show.json", ["long-1", "--json"], None),
    ],
)
async def test_output(
    bench: MakeBench, terminal: Terminal, name: str, arguments: list[str], columns: int | None
) -> None:
    async with bench(script, vcpus=VCPUS) as opened:
        await submit_jobs(opened)
        called = await terminal.call(opened, "show", *arguments, columns=columns)
    assert (called.code, called.err) == (0, "")
    golden(name, called.out)


async def test_values_of_environment_variables_are_masked(
    bench: MakeBench, terminal: Terminal
) -> None:
    async with bench(script) as opened:
        await opened.batch.submit("hello", queue="default", name="etl", environment={"KEY": "s3"})
        plain = await terminal.call(opened, "show", "etl")
        machine = await terminal.call(opened, "show", "etl", "--json")
        wanted = await terminal.call(opened, "show", "etl", "--env")
    assert "KEY=***" in plain.out
    assert "s3" not in plain.out + machine.out
    assert "KEY=s3" in wanted.out


async def test_newest_job_of_a_name_is_shown(bench: MakeBench, terminal: Terminal) -> None:
    async with bench() as opened:
        jobs = [await opened.batch.submit("hello", queue="default", name="etl") for _ in range(2)]
        for job in jobs:
            await job.result()
        called = await terminal.call(opened, "show", "etl", "--json")
    assert [job["job_id"] for job in json.loads(called.out)["jobs"]] == [jobs[1].id]


def test_address_of_a_log_stream_is_quoted_twice() -> None:
    """As the console itself does; a stream has slashes, and a log group may have others."""
    from asyncbatch._cli.show import _log_url

    page = "https://eu-west-1.console.aws.amazon.com/batch/home?region=eu-west-1#jobs/detail/1"
    assert _log_url(page, "etl/default/7", {}, "eu-west-1") == (
        "https://eu-west-1.console.aws.amazon.com/cloudwatch/home?region=eu-west-1"
        "#logsV2:log-groups/log-group/$252Faws$252Fbatch$252Fjob/log-events/etl$252Fdefault$252F7"
    )
