"""`JobDefaults`: a request's own values win, tags are merged, identities stay."""

from pathlib import Path
from typing import Any

import pytest

from asyncbatch import AsyncBatchClient, InvalidRequest, JobDefaults, JobRequest, RetryStrategy
from tests.fixtures.bench import Bench, MakeBench

DEFAULTS = JobDefaults(
    queue="night",
    tags={"team": "data", "cost": "1"},
    propagate_tags=True,
    retry="spot:3",
    share_identifier="research",
)


def test_defaults_fill_what_a_request_leaves_unset() -> None:
    assert DEFAULTS.applied_to(JobRequest("etl", vcpus=2)) == JobRequest(
        "etl",
        vcpus=2,
        queue="night",
        tags={"team": "data", "cost": "1"},
        propagate_tags=True,
        retry=RetryStrategy.for_spot(3),
        share_identifier="research",
    )


def test_values_of_the_request_win_and_tags_are_merged() -> None:
    own = JobRequest(
        "etl",
        queue="day",
        tags={"cost": "2", "x": "y"},
        propagate_tags=False,
        retry=1,
        share_identifier="own",
    )
    assert DEFAULTS.applied_to(own) == own.replace(tags={"team": "data", "cost": "2", "x": "y"})


def test_no_defaults_leave_a_request_as_it_is() -> None:
    request = JobRequest("etl")
    assert JobDefaults().applied_to(request) is request


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"queue": ""}, "queue"),
        ({"tags": {"aws:x": "1"}}, "tags"),
        ({"propagate_tags": 1}, "propagate_tags"),
        ({"retry": "spot:x"}, "retry"),
        ({"share_identifier": "a b"}, "share_identifier"),
    ],
)
def test_wrong_default_is_refused_when_it_is_made(values: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        JobDefaults(**values)
    assert raised.value.field == field


def test_client_refuses_defaults_of_another_type() -> None:
    with pytest.raises(InvalidRequest, match="must be a JobDefaults"):
        AsyncBatchClient(defaults={"queue": "night"})  # type: ignore[arg-type]


def client(b: Bench, defaults: JobDefaults, path: Path | None = None) -> AsyncBatchClient:
    return AsyncBatchClient(session=b.local.session, journal=path, defaults=defaults)


async def create_queue(b: Bench, name: str) -> None:
    async with b.local.session.create_client("batch") as aws:
        await aws.create_job_queue(jobQueueName=name, priority=1, state="ENABLED")


@pytest.mark.virtual_time
async def test_submitted_jobs_have_the_defaults(bench: MakeBench) -> None:
    async with bench() as b:
        await create_queue(b, "night")
        defaults = JobDefaults(queue="night", tags={"team": "data"}, retry=2)
        async with client(b, defaults) as batch:
            result = await (await batch.submit("hello", tags={"x": "y"}))
            assert await batch.default_queue() == "night"
            assert [job.id for job in await batch.find()] == [result.job_id]
        assert result.description.tags == {"team": "data", "x": "y"}
        assert result.description.attempts_allowed == 2
        assert str(result.description.queue).endswith("/night")


@pytest.mark.virtual_time
async def test_changed_defaults_submit_nothing_again(bench: MakeBench, tmp_path: Path) -> None:
    async with bench() as b:
        await create_queue(b, "night")
        path = tmp_path / "run.db"
        async with client(b, JobDefaults(queue="night"), path) as batch:
            first = await batch.run([JobRequest("hello")])
        async with client(b, JobDefaults(queue="default", tags={"x": "y"}), path) as batch:
            assert await batch.run([JobRequest("hello")]) == first
        assert b.local.calls["SubmitJob"] == 1


@pytest.mark.virtual_time
async def test_too_many_tags_of_both_are_refused_before_sending(bench: MakeBench) -> None:
    async with bench() as b:
        tags = {f"default-{n}": "x" for n in range(30)}
        async with client(b, JobDefaults(tags=tags)) as batch:
            with pytest.raises(InvalidRequest, match="at most 50 tags"):
                await batch.submit("hello", tags={f"own-{n}": "x" for n in range(30)})
        assert b.local.calls["SubmitJob"] == 0
