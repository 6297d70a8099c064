"""Array jobs: one submission, one id to poll, and children on demand."""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import pytest

from asyncbatch import (
    ArrayJob,
    ArrayProperties,
    ClientClosed,
    InvalidRequest,
    Job,
    JobDescription,
    JobFailed,
    JobRequest,
    JobStatus,
    LogPolicy,
)
from asyncbatch._jobs.array_job import all_children_ended
from asyncbatch.local import Fault, Launch, Script
from tests.fixtures.bench import Bench, MakeBench

pytestmark = pytest.mark.virtual_time

Wire = Mapping[str, Any]
FULL_PAGE = 50  # log lines of a JobFailed: one GetLogEvents returns them all


def _index(child: Launch) -> int:
    return child.array_index or 0


def _failing(*indexes: int, **script: object) -> Callable[[Launch], Script]:
    """Return a script in which the children with these indexes fail with exit code 3."""
    return lambda child: Script(exit_code=3 if _index(child) in indexes else 0, **script)  # type: ignore[arg-type]


class Calls:
    """The calls that a client makes, with their arguments."""

    def __init__(self, b: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
        self.made: list[tuple[str, Wire]] = []
        connection = b.session.connection
        call = connection.call

        async def recorded(
            service: str, operation: str, arguments: Wire, *rest: object, **more: object
        ) -> Wire:
            self.made.append((operation, arguments))
            return await call(service, operation, arguments, *rest, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(connection, "call", recorded)

    @property
    def counts(self) -> Counter[str]:
        return Counter(operation for operation, _ in self.made)

    def described(self) -> set[str]:
        """Return the ids that were described."""
        return {
            i for name, arguments in self.made if name == "DescribeJobs" for i in arguments["jobs"]
        }


# -- the parent -----------------------------------------------------------------------------------


async def test_array_of_ten_thousand_costs_one_submission_and_one_id_a_poll(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(Script(duration=60)) as b:
        calls = Calls(b, monkeypatch)
        [result] = await b.batch.run([JobRequest("hello", queue="default", array_size=10_000)])
    assert result.succeeded
    assert set(calls.counts) == {"SubmitJob", "DescribeJobs"}
    assert calls.counts["SubmitJob"] == 1
    assert calls.counts["DescribeJobs"] < 60
    assert calls.described() == {result.job_id}


async def test_submitting_an_array_returns_an_array_job(bench: MakeBench) -> None:
    async with bench() as b:
        array = await b.batch.submit_array("hello", 3, environment={"A": "1"})
        assert isinstance(array, ArrayJob)
        request = JobRequest("hello", array_size=3)
        again = await b.batch.submit_array(request, size=5)
        assert len(again) == 5
        single = await b.batch.submit("hello", array_size=3)
        [one, plain] = await b.batch.submit_many([request, JobRequest("hello")])
        assert [type(job) for job in (single, one, plain)] == [ArrayJob, ArrayJob, Job]
        assert [s.array_size for s in b.local.ledger.submissions] == [3, 5, 3, 3, None]


async def test_finding_an_array_returns_an_array_job(bench: MakeBench) -> None:
    async with bench() as b:
        array = await b.batch.submit_array("hello", 3, name="found")
        await array
        async with type(b.batch)(session=b.local.session) as other:
            [attached] = await other.attach([array.id])
            assert isinstance(attached, ArrayJob)
            assert (len(attached), attached.counts[JobStatus.SUCCEEDED]) == (3, 3)
        async with type(b.batch)(session=b.local.session) as other:
            [found] = await other.find(name="found")
            assert isinstance(found, ArrayJob)
            assert (await found).succeeded


@pytest.mark.parametrize("size", [1, 10_001, True, "3"])
async def test_size_out_of_range_raises_before_sending(bench: MakeBench, size: int) -> None:
    async with bench() as b:
        with pytest.raises(InvalidRequest, match="size="):
            await b.batch.submit_array("hello", size)
        assert b.local.calls["SubmitJob"] == 0


async def test_size_and_array_size_together_raise(bench: MakeBench) -> None:
    async with bench() as b:
        with pytest.raises(InvalidRequest, match="array_size=4"):
            await b.batch.submit_array("hello", 3, array_size=4)


async def test_counts_has_the_number_of_children_in_each_state(bench: MakeBench) -> None:
    async with bench(_failing(1, startup=0, duration=60)) as b:
        array = await b.batch.submit_array("hello", 4)
        assert set(array.counts) == set(JobStatus)
        assert sum(array.counts.values()) == 0
        while array.counts[JobStatus.RUNNING] < 4:
            await b.record(array).wait_for_change(600)
        result = await array.result(check=False)
        assert not result.succeeded
        assert array.counts == {
            **dict.fromkeys(JobStatus, 0),
            JobStatus.SUCCEEDED: 3,
            JobStatus.FAILED: 1,
        }


async def test_repr_shows_name_id_state_and_size(bench: MakeBench) -> None:
    async with bench() as b:
        array = await b.batch.submit_array("hello", 4, name="many")
        assert repr(array) == f"<ArrayJob many {array.id} SUBMITTED of 4>"


async def test_array_is_a_sequence_of_its_children(bench: MakeBench) -> None:
    async with bench() as b:
        array = await b.batch.submit_array("hello", 4)
        ids = [f"{array.id}:{index}" for index in range(4)]
        assert [child.id for child in array] == ids
        assert [child.id for child in array[1:3]] == ids[1:3]
        assert [child.id for child in array[::-1]] == ids[::-1]
        assert array[-1].id == ids[3]
        assert {child.name for child in array} == {array.name}
        for wrong in (4, -5):
            with pytest.raises(IndexError):
                array[wrong]
        child = array[2]
        assert array[2] is child
        assert child in array
        assert await b.batch.attach([child.id]) == [child]


async def test_indexing_children_makes_no_call(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench() as b:
        array = await b.batch.submit_array("hello", 100)
        calls = Calls(b, monkeypatch)
        children = list(array)
        await array
        assert {child.status for child in children} == {JobStatus.SUBMITTED}
        assert calls.described() == {array.id}


async def test_child_has_its_own_result_and_log(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(child: Launch) -> Script:
        return Script(duration=10 * _index(child), lines=[(0, f"I am {_index(child)}")])

    async with bench(script) as b:
        array = await b.batch.submit_array("hello", 50)
        calls = Calls(b, monkeypatch)
        assert (await array[3]).job_id == f"{array.id}:3"
        assert not array.is_finished
        assert calls.described() == {array.id, f"{array.id}:3"}
        assert [event.message async for event in array[2].logs()] == ["I am 2"]
        await array[49].terminate("enough")
        assert not (await array[49].result(check=False)).succeeded


async def test_awaiting_children_in_turn_costs_one_call_for_a_hundred(
    bench: MakeBench,
) -> None:
    async with bench() as b:
        array = await b.batch.submit_array("hello", 1_000)
        await array
        before = b.local.calls["DescribeJobs"]
        assert [(await child).job_id for child in array] == [child.id for child in array]
        assert b.local.calls["DescribeJobs"] - before == 10


async def test_as_completed_yields_children_as_they_end(bench: MakeBench) -> None:
    async with bench(lambda child: Script(duration=100 - 30 * _index(child))) as b:
        array = await b.batch.submit_array("hello", 3)
        ended = [child.id async for child in b.batch.as_completed(array)]
    assert ended == [f"{array.id}:{index}" for index in (2, 1, 0)]


async def test_failed_children_have_exit_code_and_reason_without_being_described(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench(_failing(*range(1_500), 1_999, reason="OutOfMemoryError: big")) as b:
        array = await b.batch.submit_array("hello", 2_000)
        assert await array.failed_children() == []
        await array.result(check=False)
        calls = Calls(b, monkeypatch)
        failed = await array.failed_children()
        assert [child.id for child in failed] == [f"{array.id}:{i}" for i in (*range(1_500), 1_999)]
        assert calls.counts == {"ListJobs": 2}
        last = failed[-1].description
        assert last is not None
        assert (last.status, last.exit_code) == (JobStatus.FAILED, 3)
        assert last.reason == "OutOfMemoryError: big"
        with pytest.raises(JobFailed, match="exit code 3"):
            await failed[-1]


async def test_all_children_ended_returns_when_the_counts_are_complete(bench: MakeBench) -> None:
    """The parent may reach its end later than its children; on some endpoints it never does."""
    async with bench(Script(duration=None)) as b:
        array = await b.batch.submit_array("hello", 2)
        async with anyio.create_task_group() as group:
            group.start_soon(all_children_ended, array)
            await anyio.wait_all_tasks_blocked()
            summary = {JobStatus.SUCCEEDED: 1, JobStatus.FAILED: 1}
            b.record(array).update(
                JobDescription(
                    job_id=array.id,
                    status=JobStatus.SUBMITTED,
                    array=ArrayProperties(size=2, status_summary=summary),
                )
            )
        assert not array.is_finished


async def test_failed_children_of_a_closed_client_raises_client_closed(bench: MakeBench) -> None:
    async with bench() as b:
        array = await b.batch.submit_array("hello", 2)
        await b.batch.aclose()
        with pytest.raises(ClientClosed):
            await array.failed_children()


# -- why an array failed --------------------------------------------------------------------------


async def test_failed_array_names_failed_children_and_the_first_reason(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = [(n / 10, f"line {n}") for n in range(FULL_PAGE)]
    async with bench(_failing(3, 7, 8, 9, duration=10, lines=lines)) as b:
        array = await b.batch.submit_array("hello", 25, queue="default", name="etl")
        await array.wait()
        calls = Calls(b, monkeypatch)
        with pytest.raises(JobFailed) as caught:
            await array
    error = caught.value
    assert str(error).startswith(
        f"job 'etl' ({array.id}) failed: 4 of 25 children failed (3, 7-9); child 3: exit code 3; "
    )
    assert str(error).endswith("| line 49")
    assert {event.job_id for event in error.log_tail} == {f"{array.id}:3"}
    assert error.job_id == array.id
    assert error.failure is not None
    assert error.failure.kind == "array child"
    assert calls.counts == {"ListJobs": 1, "DescribeJobs": 1, "GetLogEvents": 1}


async def test_very_many_failed_children_give_a_short_message_from_one_page(
    bench: MakeBench,
) -> None:
    async with bench(lambda _: Script(exit_code=1)) as b:
        array = await b.batch.submit_array("hello", 5_000)
        with pytest.raises(JobFailed) as caught:
            await array
        assert b.local.calls["ListJobs"] == 1
    assert "5000 of 5000 children failed (0-" in str(caught.value)
    assert len(str(caught.value)) < 400


async def test_failed_array_message_names_ten_ranges_at_most(bench: MakeBench) -> None:
    async with bench(_failing(*range(0, 100, 2))) as b:
        with pytest.raises(JobFailed, match=r"\(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, …\)"):
            await (await b.batch.submit_array("hello", 100))


async def test_failed_array_without_log_lines_is_explained_by_the_summary(bench: MakeBench) -> None:
    logs = LogPolicy(failure_lines=0)
    async with bench(_failing(1, reason="no disk"), logs=logs) as b:
        array = await b.batch.submit_array("hello", 2)
        await array.wait()
        before = b.local.calls["DescribeJobs"]
        with pytest.raises(JobFailed, match=r"1 of 2 children failed \(1\); child 1: .*no disk"):
            await array
        assert b.local.calls["DescribeJobs"] == before
        assert b.local.calls["GetLogEvents"] == 0


@pytest.mark.parametrize("operation", ["ListJobs", "DescribeJobs", "GetLogEvents"])
async def test_errors_while_reading_children_do_not_hide_the_failure(
    bench: MakeBench, operation: str
) -> None:
    async with bench(_failing(1, lines=[(0, "hello")])) as b:
        array = await b.batch.submit_array("hello", 2)
        await array.wait()
        denial = Fault.error("AccessDeniedException", "not for you", status=403)
        with (
            b.local.faults.add(operation, denial),
            pytest.raises(JobFailed, match="1 of 2 children failed") as caught,
        ):
            await array
        assert ("child 1: exit code 3" in str(caught.value)) == (operation != "ListJobs")
        assert any("not for you" in note for note in caught.value.__notes__)


async def test_failed_array_of_a_closed_client_raises_job_failed(bench: MakeBench) -> None:
    async with bench(_failing(1)) as b:
        array = await b.batch.submit_array("hello", 2)
        await array.wait()
        await b.batch.aclose()
        with pytest.raises(JobFailed, match="1 of 2 children failed"):
            await array


async def test_terminated_array_has_the_given_reason(bench: MakeBench) -> None:
    async with bench(Script(duration=None)) as b:
        array = await b.batch.submit_array("hello", 3)
        await array[0].wait(until=JobStatus.RUNNING)
        await array.terminate("wrong input")
        with pytest.raises(JobFailed, match=r"failed: wrong input .*; 3 of 3 children failed"):
            await array


async def test_failed_children_that_are_not_listed_yet_are_counted(bench: MakeBench) -> None:
    async with bench(_failing(1)) as b:
        array = await b.batch.submit_array("hello", 2)
        await array.wait()
        with (
            b.local.faults.add("ListJobs", Fault.forget(0)),
            pytest.raises(JobFailed, match=r"failed: 1 of 2 children failed$"),
        ):
            await array


async def test_repr_of_a_handle_has_no_control_characters(bench: MakeBench) -> None:
    async with bench() as b:
        for array in (None, ArrayProperties(size=3)):
            job = b.handle(
                JobDescription(
                    job_id=f"j\x1b[2J{array}",
                    name="a\nb\x07\x9b31m\u202ec",
                    status=JobStatus("ODD\x1b]0;title\x07"),
                    array=array,
                )
            )
            assert repr(job).isprintable()


@pytest.mark.parametrize("odd", ["another", "another:1", "{}", "{}:x", "{}:", "{}:" + "9" * 5_000])
async def test_listed_job_that_is_no_child_is_ignored(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch, odd: str
) -> None:
    async with bench(_failing(1)) as b:
        array = await b.batch.submit_array("hello", 2)
        await array.wait()
        call = b.session.connection.call

        async def with_odd_id(service: str, operation: str, *rest: Any, **more: Any) -> Any:  # noqa: ANN401
            response = await call(service, operation, *rest, **more)
            if operation == "ListJobs":
                [child] = response["jobSummaryList"]
                response["jobSummaryList"].append({**child, "jobId": odd.format(array.id)})
            return response

        monkeypatch.setattr(b.session.connection, "call", with_odd_id)
        with pytest.raises(JobFailed, match=r"1 of 2 children failed \(1\); child 1: exit code 3"):
            await array
        assert [child.id for child in await array.failed_children()] == [f"{array.id}:1"]
