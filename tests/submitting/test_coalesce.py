"""Requests that differ only in their environment are combined into array jobs."""

from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from aiobotocore.session import AioSession

from asyncbatch import (
    AsyncBatchClient,
    InvalidRequest,
    JobDefinitionNotFound,
    JobFailed,
    JobRequest,
    LogPolicy,
    PollPolicy,
    RateLimits,
    coalesce,
)
from asyncbatch.local import Launch, LocalBatch, Script
from tests import support
from tests.fixtures.bench import DEFINITION, MakeBench

QUICK = PollPolicy(min_interval=0.02, max_interval=0.1)
QUICK_LOGS = LogPolicy(interval=0.02, drain=0)
UNLIMITED = RateLimits(describe_per_second=1_000, log_events_per_second=1_000)
virtual = pytest.mark.virtual_time


def _asked(values: Iterable[object], **fields: Any) -> list[JobRequest]:  # noqa: ANN401 - any field
    """Return a request for each value of the variable X."""
    given: dict[str, Any] = {"command": ["work"], **fields}
    return [JobRequest("hello", environment={"X": str(value)}, **given) for value in values]


def _sizes(requests: Iterable[JobRequest]) -> list[int | None]:
    return [part.request.array_size for part in coalesce(requests)]


# -- what goes together ---------------------------------------------------------------------------


def test_integers_in_equal_steps_need_no_table() -> None:
    [part] = coalesce(_asked(range(100, -9_900, -1)))
    assert part.request.array_size == 10_000
    assert part.request.environment == {}
    script = 'set -f; export X="$((100 + -1 * $AWS_BATCH_JOB_ARRAY_INDEX))"; exec "$@"'
    assert part.request.command == ("sh", "-c", script, "sh", "work")


def test_other_values_are_sent_as_a_table_in_their_variable() -> None:
    [part] = coalesce(_asked(["a", "b,c", ""]))
    assert part.request.environment == {"X": "a;b,c;;"}


def test_equal_values_are_left_unchanged() -> None:
    requests = [r.replace(environment={"Y": "1", **r.environment}) for r in _asked("ab")]
    [part] = coalesce(requests)
    assert part.request.environment == {"X": "a,b,", "Y": "1"}


def test_equal_requests_become_an_array_with_the_same_command() -> None:
    [part] = coalesce([JobRequest("hello", environment={"a-b": "1"})] * 3)
    assert part.request == JobRequest("hello", environment={"a-b": "1"}, array_size=3)


def test_more_than_ten_thousand_become_several_arrays_and_a_remainder_of_one_a_plain_job() -> None:
    requests = _asked(range(20_001))
    parts = coalesce(requests)
    assert [part.request.array_size for part in parts] == [10_000, 10_000, None]
    assert parts[2].request is requests[20_000]


def test_arrays_are_split_where_tables_would_exceed_the_aws_limit() -> None:
    parts = coalesce(_asked(f"value-{n * n}" for n in range(2_000)))
    assert 2 < len(parts) < 10
    for part in parts:
        assert len(str(part.request.environment["X"])) < 6 * 1024


def test_arrays_are_split_where_no_separator_is_left() -> None:
    assert _sizes(_asked(["a", "b", ",;|:/+@#%^~_=.-", "c", "d"])) == [2, None, 2]


def test_requests_of_several_kinds_are_combined_by_kind_with_their_places() -> None:
    one, other = _asked("abc"), _asked("def", memory_mib=64)
    mixed = [request for pair in zip(one, other, strict=True) for request in pair]
    assert [part.places for part in coalesce(mixed)] == [(0, 2, 4), (1, 3, 5)]


@pytest.mark.parametrize(
    "fields",
    [
        {"command": None},
        {"command": []},
        {"command": ["-work"]},
        {"name": "mine"},
        {"array_size": 3},
        {"extra": {"nodeOverrides": {"numNodes": 2}}},
    ],
    ids=str,
)
def test_requests_that_an_index_cannot_distinguish_are_left_unchanged(
    fields: dict[str, Any],
) -> None:
    requests = _asked("ab", **fields)
    assert [part.request for part in coalesce(requests)] == requests


@pytest.mark.parametrize(
    "change",
    [
        {"queue": "other"},
        {"parameters": {"day": "1"}},
        {"command": ["other"]},
        {"vcpus": 2},
        {"depends_on": ["job-1"]},
        {"retry": 2},
        {"tags": {"a": "b"}},
        {"environment": {"X": "a", "Y": "b"}},
    ],
    ids=str,
)
def test_requests_that_differ_in_other_fields_are_not_combined(change: dict[str, Any]) -> None:
    [request, other] = _asked("ab")
    assert _sizes([request, other.replace(**change)]) == [None, None]


@pytest.mark.parametrize("name", ["a-b", "IFS", "PWD", "_", "PS1", "BASH_ENV", "PATH", "LC_ALL"])
def test_variables_that_sh_changes_may_not_differ(name: str) -> None:
    requests = [JobRequest("hello", command=["x"], environment={name: v}) for v in "ab"]
    assert _sizes(requests) == [None, None]


@pytest.mark.parametrize(("name", "size"), [("PATH", 2), ("LC_ALL", 2), ("IFS", None)])
def test_variables_that_affect_a_shell_may_be_equal_for_all(name: str, size: int | None) -> None:
    requests = [r.replace(environment={name: "/bin", **r.environment}) for r in _asked("ab")]
    assert _sizes(requests) == ([size] if size else [None, None])


@pytest.mark.parametrize("value", ["\0", "\ud800"])
def test_invalid_values_do_not_affect_other_arrays(value: str) -> None:
    assert _sizes(_asked(["a", value, "b"])) == [2, None]


def test_requests_that_are_too_large_alone_are_left_unchanged() -> None:
    assert _sizes(_asked("ab", parameters={"x": "x" * 31_000})) == [None, None]
    assert _sizes(_asked("ab", parameters={"x": "x" * 30_200})) == [None, None]
    assert _sizes(_asked(["a" * 7_000, "b" * 7_000])) == [None, None]


# -- through the client ---------------------------------------------------------------------------


def _echo(launch: Launch) -> Script:
    exit_code = int(launch.array_index == 7)
    return Script(duration=60 - (launch.array_index or 0) % 50, exit_code=exit_code)


@virtual
async def test_run_with_coalesce_returns_results_in_the_order_of_the_requests(
    bench: MakeBench,
) -> None:
    """Arrays, a plain job and a different job between them: each request gets its own result."""
    requests = _asked(range(300))
    requests[5:5] = [JobRequest("hello", name="mine")]
    async with bench(_echo) as b:
        results = await b.batch.run(requests, coalesce=True, check=False)
        array, mine = b.local.ledger.submissions
    assert (array.array_size, mine.name) == (300, "mine")
    ids = [f"{array.job_id}:{n}" for n in range(300)]
    assert [r.job_id for r in results] == [*ids[:5], mine.job_id, *ids[5:]]
    assert [n for n, r in enumerate(results) if not r.succeeded] == [8]
    assert all(r.exit_code is not None for r in results)


@virtual
async def test_thousand_coalesced_requests_cost_one_submission_and_few_polls(
    bench: MakeBench,
) -> None:
    async with bench(Script(duration=600)) as b:
        await b.batch.run(_asked(range(1_000)), coalesce=True)
        polls = b.local.calls["DescribeJobs"]
        assert b.local.calls["SubmitJob"] == 1
    async with bench(Script(duration=600)) as b:
        await b.batch.run(_asked([0]))
        # The children are described once, a hundred a call, when all have ended.
        assert polls <= b.local.calls["DescribeJobs"] + 10 + 3


@virtual
async def test_failed_child_raises_job_failed(bench: MakeBench) -> None:
    async with bench(_echo) as b:
        with pytest.raises(JobFailed, match=":7") as caught:
            await b.batch.run(_asked(range(10)), coalesce=True)
    assert caught.value.exit_code == 1


@virtual
async def test_submit_many_with_coalesce_returns_handles_in_the_order_of_the_requests(
    bench: MakeBench,
) -> None:
    async def requests() -> AsyncIterator[JobRequest]:
        for request in _asked("abc"):
            yield request

    async with bench() as b:
        jobs = await b.batch.submit_many(requests(), coalesce=True)
        assert [job.id.rpartition(":")[2] for job in jobs] == ["0", "1", "2"]
        assert {job.id async for job in b.batch.as_completed(jobs)} == {job.id for job in jobs}
        assert await b.batch.submit_many([], coalesce=True) == []


@virtual
async def test_submit_many_with_coalesce_error_has_the_arrays_submitted_before(
    bench: MakeBench,
) -> None:
    async with bench() as b:
        wrong = [*_asked("abc"), JobRequest("nothing")]
        with pytest.raises(JobDefinitionNotFound) as caught:
            await b.batch.submit_many(wrong, coalesce=True)
        [array] = caught.value.submitted
        assert (await array).succeeded


@virtual
async def test_coalesce_with_max_in_flight_raises(bench: MakeBench) -> None:
    async with bench() as b:
        with pytest.raises(InvalidRequest, match="max_in_flight=3: None where coalesce"):
            await b.batch.run(_asked("ab"), max_in_flight=3, coalesce=True)


@virtual
async def test_coalesce_with_something_else_than_a_request_raises(bench: MakeBench) -> None:
    async with bench() as b:
        with pytest.raises(InvalidRequest, match="every item must be a JobRequest"):
            await b.batch.submit_many(["hello"], coalesce=True)  # type: ignore[list-item]


async def test_each_child_of_a_real_array_prints_its_own_value() -> None:
    """Real processes with only a shell: 25 requests are one SubmitJob."""
    values = [f"value {n} it's $HOME\\n*" for n in range(25)]
    show = ["sh", "-c", 'printf "%s\\n" "$1$X" "$N"', "sh", "given: "]
    requests = [
        JobRequest("hello", command=show, environment={"X": value, "N": 3 * n})
        for n, value in enumerate(values)
    ]
    async with (
        LocalBatch(vcpus=4) as local,
        AsyncBatchClient(
            session=local.session, poll=QUICK, logs=QUICK_LOGS, limits=UNLIMITED
        ) as batch,
    ):
        await batch.register_job_definition(DEFINITION)
        jobs = await batch.submit_many(requests, coalesce=True)
        assert all([(await job).succeeded for job in jobs])
        printed = [[event.message async for event in job.logs(follow=False)] for job in jobs]
    assert printed == [[f"given: {value}", str(3 * n)] for n, value in enumerate(values)]
    assert [s.array_size for s in local.ledger.submissions] == [25]


async def test_moto_accepts_the_arrays(aio_session: AioSession, moto: str) -> None:
    setup = await support.set_up_batch(aio_session, moto)
    requests = [r.replace(queue=setup.queue) for r in _asked("abc")]
    client = AsyncBatchClient(
        session=aio_session, endpoint_url=moto, poll=QUICK, logs=QUICK_LOGS, limits=UNLIMITED
    )
    async with client as batch:
        results = await batch.run(requests, coalesce=True)
    assert [result.job_id.rpartition(":")[2] for result in results] == ["0", "1", "2"]


@pytest.mark.parametrize("requests", [None, "text", 5, [None], ["text"]], ids=repr)
def test_values_that_are_no_requests_raise(requests: Any) -> None:  # noqa: ANN401 - of a wrong type
    with pytest.raises(InvalidRequest, match="requests="):
        coalesce(requests)
