"""Recovery of array jobs: failed children run again, as smaller arrays."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from asyncbatch import (
    ArrayJob,
    AsyncBatchClient,
    CredentialsExpired,
    Dependency,
    DependencyType,
    Event,
    FailureKind,
    JobFailed,
    JobFinished,
    JobRequest,
    JobResubmitted,
    JobResult,
    JobStatus,
    Journal,
    RecoveryPolicy,
    RecoveryRule,
    StatusChanged,
    SubmitUncertain,
)
from asyncbatch.local import Fault, Launch, Script
from tests.fixtures.bench import Bench, MakeBench
from tests.session.programs import after_crash, crash, submitted

pytestmark = pytest.mark.virtual_time

SPOT = Script(exit_code=None, status_reason="Host EC2 (instance i-1) terminated.")
OOM = Script(exit_code=137, reason="OutOfMemoryError: Container killed due to memory usage")
BAD = Script(exit_code=1)
POLICY = RecoveryPolicy.for_spot()
ETL = JobRequest("hello", command=["etl"], array_size=10)


def by_round(*rounds: dict[int, Script]) -> Callable[[Launch], Script]:
    """Return scripts of children by round and index; all others succeed.

    In each round, there is one more line of sh before the command.
    """

    def script(launch: Launch) -> Script:
        number = sum(word == "sh" for word in launch.command) // 2
        index = launch.array_index
        if number >= len(rounds):
            return Script()
        return rounds[number].get(-1 if index is None else index, Script())

    return script


async def submit_array(b: Bench, recovery: RecoveryPolicy | None = POLICY) -> ArrayJob:
    array = await b.batch.submit(ETL, recovery=recovery)
    assert isinstance(array, ArrayJob)
    return array


async def test_failed_children_run_again_as_a_smaller_array(bench: MakeBench) -> None:
    async with bench(by_round({3: SPOT, 7: SPOT, 9: SPOT})) as b:
        array = await submit_array(b)
        first, children = array.id, list(array)
        result = await array
        assert result.succeeded
        assert array.id == first
        assert len(submitted(b)) == 2
        for index, child in enumerate(children):
            assert (await child).succeeded
            assert array[index] is child
        part = submitted(b)[1]
        assert [child.id for child in children[2:4]] == [f"{first}:2", f"{part}:0"]
        assert children[9].id == f"{part}:2"
        assert await array.failed_children() == []
        [event] = b.events_of(JobResubmitted)
        assert (event.previous_id, event.job_id, event.submission) == (first, part, 2)
        finished = [event.job_id for event in b.events_of(JobFinished)]
        assert finished.count(first) == 1
        assert finished[-1] != part


async def test_a_single_failed_child_becomes_a_plain_job(bench: MakeBench) -> None:
    def script(launch: Launch) -> Script:
        is_lost = launch.array_index in (3, None) and len(submitted(b)) < 3
        return replace(SPOT if is_lost else Script(), lines=[(0.1, f"try {len(submitted(b))}")])

    async with bench(script) as b:
        array = await submit_array(b)
        child = array[3]
        assert (await child).succeeded
        assert (await array).succeeded
        assert len(submitted(b)) == 3
        assert child.id == submitted(b)[2]
        assert len(child.submissions) == 3
        lines = [(each.array_index, each.label) async for each in array.logs(follow=False)]
        assert [label for index, label in lines if index == 3] == [
            "[3]",
            "submission 2 [3]",
            "submission 3 [3]",
        ]
        assert len(lines) == 12


async def test_children_of_parts_run_again_until_the_policy_is_exhausted(bench: MakeBench) -> None:
    most = dict.fromkeys(range(9), SPOT)
    async with bench(by_round(most, {0: SPOT, 1: SPOT}, {1: SPOT})) as b:
        array = await submit_array(b)
        with pytest.raises(JobFailed) as caught:
            await array
        assert len(submitted(b)) == 3
        assert [child.name for child in await array.failed_children()]
        failed = [index for index, child in enumerate(array) if not await succeeded(child)]
        assert failed == [1]
        assert "1 of 10 children failed (1)" in str(caught.value)


async def test_children_run_again_by_the_rule_that_matches_each_of_them(bench: MakeBench) -> None:
    policy = POLICY | RecoveryPolicy.more_memory()
    async with bench(by_round({1: SPOT, 2: OOM, 3: OOM, 4: BAD})) as b:
        array = await submit_array(b, policy)
        with pytest.raises(JobFailed) as caught:
            await array
        assert "1 of 10 children failed (4)" in str(caught.value)
        assert len(submitted(b)) == 3
        results = [await child for child in array[1:4]]
        memory = [result.description.containers[0].memory_mib for result in results]
        assert memory == [128, 256, 256]


async def test_children_run_again_with_another_command_keep_their_indexes(
    bench: MakeBench,
) -> None:
    launches: list[Launch] = []

    def script(launch: Launch) -> Script:
        launches.append(launch)
        return BAD if launch.array_index in (3, 7) else Script()

    rule = RecoveryRule(exit_codes=[1], times=3, fields={"command": ["etl", "--again"]})
    async with bench(script) as b:
        array = await submit_array(b, RecoveryPolicy([rule], max_submissions=4))
        assert await succeeded(array)
        assert [each.command[-2:] for each in launches[10:]] == [("etl", "--again")] * 2
        assert all("3 7" in each.command[2] for each in launches[10:])


async def test_a_part_of_an_array_has_no_other_command_again(bench: MakeBench) -> None:
    """It would replace the line that sets the index of each child."""
    rule = RecoveryRule(exit_codes=[1], times=3, fields={"command": ["etl", "--again"]})
    for failing in ({3: BAD}, {3: BAD, 7: BAD}):
        again = {-1: BAD, 0: BAD, 1: BAD}
        async with bench(by_round(failing, again)) as b:
            array = await submit_array(b, RecoveryPolicy([rule], max_submissions=4))
            with pytest.raises(JobFailed, match="children of an array run again with another"):
                await array
            assert len(submitted(b)) == 2


async def test_children_that_waited_for_a_failed_one_run_again_with_it(bench: MakeBench) -> None:
    sequential = Dependency(type=DependencyType.SEQUENTIAL)
    async with bench(by_round({3: SPOT})) as b:
        array = await b.batch.submit(ETL, recovery=POLICY, depends_on=[sequential])
        assert await succeeded(array)
        assert [each.array_size for each in b.local.ledger.submissions] == [10, 7]


async def test_without_a_rule_for_its_children_an_array_fails(bench: MakeBench) -> None:
    async with bench(by_round({1: BAD, 2: BAD})) as b:
        array = await submit_array(b)
        with pytest.raises(JobFailed):
            await array
        with pytest.raises(JobFailed):
            await array[1]
        assert len(submitted(b)) == 1


async def test_children_that_run_again_together_count_as_one_resubmission(
    bench: MakeBench,
) -> None:
    policy = RecoveryPolicy(POLICY.rules, max_resubmissions=1)
    async with bench(by_round({1: SPOT, 2: SPOT}, {0: SPOT})) as b:
        array = await submit_array(b, policy)
        with pytest.raises(JobFailed) as caught:
            await array
        assert len(submitted(b)) == 2
        assert "max_resubmissions=1" in "".join(caught.value.__notes__)


async def test_an_array_whose_policy_raises_fails_and_says_so(bench: MakeBench) -> None:
    def fail(result: JobResult) -> dict[str, object]:
        raise ValueError(result.job_id)

    policy = RecoveryPolicy([RecoveryRule(kinds=[FailureKind.HOST_LOST], change=fail)])
    async with bench(by_round({1: SPOT})) as b:
        array = await submit_array(b, policy)
        with pytest.raises(JobFailed) as caught:
            await array
        assert f"ValueError('{array.id}:1')" in "".join(caught.value.__notes__)


async def test_an_array_whose_command_is_not_known_fails_and_says_why(bench: MakeBench) -> None:
    async with bench(by_round({1: SPOT})) as b:
        array = await b.batch.submit_array("hello", size=3, recovery=POLICY)
        with pytest.raises(JobFailed) as caught:
            await array
        assert any("cannot keep their indexes" in note for note in caught.value.__notes__)
        with pytest.raises(JobFailed):
            await array[1]


async def test_terminating_an_array_ends_its_parts(bench: MakeBench) -> None:
    endless = Script(duration=None)
    async with bench(by_round({1: SPOT, 2: SPOT}, {0: endless, 1: endless})) as b:
        array = await submit_array(b)
        while len(submitted(b)) < 2:  # noqa: ASYNC110 - submissions are not announced
            await anyio.sleep(1)
        await array.terminate()
        with pytest.raises(JobFailed):
            await array
        assert len(submitted(b)) == 2


async def until_submitted(b: Bench, number: int) -> None:
    while len(submitted(b)) < number:  # noqa: ASYNC110 - submissions are not announced
        await anyio.sleep(1)


SLOW = replace(SPOT, duration=50.0)


@pytest.mark.parametrize("after", [30, 53])
async def test_terminating_a_failed_child_keeps_it_from_running_again(
    bench: MakeBench, after: float
) -> None:
    # At 30 s it waits for the end of its array, at 53 s the array for the policy's delay.
    async with bench(by_round({1: SPOT, 2: SPOT, 3: SLOW})) as b:
        array = await submit_array(b, RecoveryPolicy.for_spot(delay=200))
        child = array[1]
        await anyio.sleep(after)
        await child.terminate()
        with pytest.raises(JobFailed):
            await array
        assert (await child.result(check=False)).description.job_id == f"{array.id}:1"
        assert (await array[2]).succeeded
        assert len(submitted(b)) == 2


async def test_terminating_a_child_by_id_ends_the_part_that_it_is_in(bench: MakeBench) -> None:
    endless = Script(duration=None)
    async with bench(by_round({1: SPOT, 2: SPOT}, {0: endless})) as b:
        array = await submit_array(b)
        await until_submitted(b, 2)
        await b.batch.terminate([f"{array.id}:1"])
        with anyio.fail_after(1000):
            result = await array[1].result(check=False)
        assert result.description.is_terminated
        assert (await array[2]).succeeded


async def test_reading_the_log_of_an_array_keeps_those_who_wait_for_a_child_of_a_part(
    bench: MakeBench,
) -> None:
    slow = Script(duration=100.0)
    async with bench(by_round({1: SPOT, 2: SPOT}, {0: slow, 1: slow})) as b:
        array = await submit_array(b)
        await until_submitted(b, 2)
        await anyio.sleep(5)
        child = array[1]
        ended = []

        async def follow() -> None:
            ended.extend([job async for job in b.batch.as_completed([child])])

        with anyio.fail_after(1000):
            async with anyio.create_task_group() as group:
                group.start_soon(follow)
                await anyio.sleep(1)
                assert [event async for event in array.logs()] == []
        assert ended == [child]
        assert array[1] is child


async def test_log_of_a_child_begins_with_its_first_submission(bench: MakeBench) -> None:
    lost, good = replace(SPOT, lines=[(0.1, "a")]), Script(lines=[(0.1, "b")])
    async with bench(by_round({3: lost, 7: lost}, {0: good, 1: good})) as b:
        array = await submit_array(b)
        await array
        expected = [("[7]", "a"), ("submission 2 [7]", "b")]
        assert [(e.label, e.message) async for e in array[7].logs()] == expected
        assert [(e.label, e.message) async for e in b.batch.logs([array[7]])] == expected
        assert [e.message async for e in array[7].logs(tail=1)] == ["b"]


@pytest.mark.parametrize("lost", [{1: SPOT}, {1: SPOT, 2: SPOT}])
async def test_an_array_whose_part_is_uncertain_is_uncertain(
    bench: MakeBench, lost: dict[int, Script]
) -> None:
    async with bench(by_round(lost, {-1: Script(), 0: Script()})) as b:
        array = await submit_array(b)
        b.local.faults.add("SubmitJob", Fault.drop_after())
        await anyio.sleep(1)
        while array.status is not JobStatus.FAILED:  # noqa: ASYNC110 - no event for it
            await anyio.sleep(0.1)
        await anyio.sleep(1)  # its children were listed
        b.local.faults.add("ListJobs", Fault.error("AccessDeniedException", "no"))
        with pytest.raises(SubmitUncertain):
            await array


async def test_changes_of_an_array_end_with_its_success(bench: MakeBench) -> None:
    async with bench(by_round({1: SPOT})) as b:
        array = await submit_array(b)
        states = [description.status async for description in array.changes()]
        assert states[-2:] == [JobStatus.FAILED, JobStatus.SUCCEEDED]


async def test_run_with_coalesce_recovers_children(bench: MakeBench) -> None:
    requests = [JobRequest("hello", command=["etl"], environment={"N": n}) for n in range(8)]

    def script(launch: Launch) -> Script:
        is_first = len(b.local.ledger.submissions) == 1
        return SPOT if is_first and launch.array_index == 5 else Script()

    async with bench(script) as b:
        results = await b.batch.run(requests, coalesce=True, recovery=POLICY)
        assert [result.succeeded for result in results] == [True] * 8
        assert len(submitted(b)) == 2


@pytest.mark.parametrize("resumes", [False, True])
@pytest.mark.parametrize("kill_after", [0, 1, 15])
async def test_a_killed_program_goes_on_with_the_parts(
    bench: MakeBench, tmp_path: Path, kill_after: float, *, resumes: bool
) -> None:
    def client(path: Path) -> AsyncBatchClient:
        journal = Journal(path)
        return AsyncBatchClient(session=b.local.session, journal=journal, recovery=POLICY)

    path = tmp_path / "run.db"
    slow = Script(duration=60)
    async with bench(by_round({3: SPOT, 7: SPOT}, {0: slow, 1: slow})) as b:
        async with client(path) as batch:
            array = await batch.submit(ETL)
            while array.status.is_terminal is False:  # noqa: ASYNC110 - it is not awaited here
                await anyio.sleep(0.5)
            await anyio.sleep(kill_after)
            await crash(path)
        events: list[Event] = []
        async with client(after_crash(path)) as batch:
            batch.add_observer(events.append)
            [again] = await batch.resume() if resumes else [await batch.submit(ETL)]
            assert (await again).succeeded
            first, part = submitted(b)
        previous = {e.job_id: e.previous_id for e in events if isinstance(e, StatusChanged)}
        assert previous == {first: None, part: first}
        async with client(after_crash(path)) as batch:
            assert (await (await batch.submit(ETL))).succeeded
        assert len(submitted(b)) == 2


async def test_children_are_yielded_when_their_parts_have_ended(bench: MakeBench) -> None:
    slow = Script(duration=60)
    async with bench(by_round({3: SPOT, 7: SPOT}, {0: slow, 1: slow})) as b:
        array = await submit_array(b)
        children = list(array)
        ended = [child async for child in b.batch.as_completed(children)]
        assert len(ended) == 10
        assert set(ended[-2:]) == {children[3], children[7]}
        assert all([await succeeded(child) for child in ended])


async def test_a_child_seen_after_its_part_has_ended_is_yielded(bench: MakeBench) -> None:
    async with bench(by_round({3: SPOT})) as b:
        array = await submit_array(b)
        assert (await array).succeeded
        record = b.session.records.record(f"{array.id}:3")
        called: list[object] = []
        changes: list[str] = []
        record.add_done_callback(lambda ended, error: called.append((ended.result, error)))
        with record.subscribed() as descriptions:
            while not called:  # noqa: ASYNC110 - the callback is what is tested
                await anyio.sleep(1)
            changes += [str(each.status) for each in descriptions]
        part = b.session.records.get(submitted(b)[1])
        assert part is not None
        assert called == [(part.result, None)]
        assert changes[-1] == "SUCCEEDED"


def journal_client(
    b: Bench, path: Path, policy: RecoveryPolicy | None = POLICY, *, rerun_failed: bool = True
) -> AsyncBatchClient:
    journal = Journal(path, rerun_failed=rerun_failed)
    return AsyncBatchClient(session=b.local.session, journal=journal, recovery=policy)


async def test_children_of_an_array_in_the_journal_have_the_ends_of_their_parts(
    bench: MakeBench, tmp_path: Path
) -> None:
    rounds = by_round(dict.fromkeys(range(1, 9), SPOT), {0: SPOT, 1: SPOT}, {})
    async with bench(rounds) as b:
        async with journal_client(b, tmp_path / "run.db") as batch:
            assert (await (await batch.submit(ETL))).succeeded
        async with journal_client(b, tmp_path / "run.db", None) as batch:
            array = await batch.submit(ETL)
            assert isinstance(array, ArrayJob)
            assert all([await succeeded(child) for child in array])
            assert (await array).succeeded
        assert len(submitted(b)) == 3


async def test_a_rerun_submits_only_the_children_that_a_policy_covers(
    bench: MakeBench, tmp_path: Path
) -> None:
    async with bench(by_round({3: SPOT, 7: SPOT}, {0: SPOT}, {})) as b:
        async with journal_client(b, tmp_path / "run.db", None) as batch:
            with pytest.raises(JobFailed):
                await (await batch.submit(ETL))
        two = RecoveryPolicy.for_spot(max_submissions=2)
        async with journal_client(b, tmp_path / "run.db", two) as batch:
            with pytest.raises(JobFailed):
                await (await batch.submit(ETL))
        assert [each.array_size for each in b.local.ledger.submissions] == [10, 2]
        async with journal_client(b, tmp_path / "run.db") as batch:
            assert (await (await batch.submit(ETL))).succeeded
        assert [each.array_size for each in b.local.ledger.submissions] == [10, 2, None]


@pytest.mark.parametrize("pause", [0, 120])
async def test_a_rerun_takes_an_array_whose_failed_children_have_succeeded(
    bench: MakeBench, tmp_path: Path, pause: int
) -> None:
    """A program without the policy follows the parts, too, live or not."""
    path = tmp_path / "run.db"
    slow = Script(duration=60)
    async with bench(by_round({3: SPOT, 7: SPOT}, {0: slow, 1: slow})) as b:
        async with journal_client(b, path) as batch:
            await batch.submit(ETL)
            while len(submitted(b)) < 2:  # noqa: ASYNC110 - submissions are not announced
                await anyio.sleep(1)
            await anyio.sleep(30)
            await crash(path)
        await anyio.sleep(pause)
        async with journal_client(b, after_crash(path), None) as batch:
            [array] = await batch.resume()
            assert await succeeded(array)
        async with journal_client(b, after_crash(path)) as batch:
            assert (await (await batch.submit(ETL))).succeeded
        assert len(submitted(b)) == 2


async def test_a_rerun_starts_an_exhausted_array_over(bench: MakeBench, tmp_path: Path) -> None:
    async with bench(lambda launch: SPOT if launch.array_index in (3, None) else Script()) as b:
        for _ in range(2):
            async with journal_client(b, tmp_path / "run.db") as batch:
                with pytest.raises(JobFailed):
                    await (await batch.submit(ETL))
        sizes = [each.array_size for each in b.local.ledger.submissions]
        assert sizes == [10, None, None] * 2


async def test_failed_children_that_are_listed_late_run_again(bench: MakeBench) -> None:
    async with bench(by_round({3: SPOT, 7: SPOT})) as b:
        b.local.faults.add("ListJobs", Fault.lag(20))
        assert (await (await submit_array(b))).succeeded
        assert [each.array_size for each in b.local.ledger.submissions] == [10, 2]


async def test_an_array_whose_failed_children_are_never_listed_fails(
    bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(by_round({3: SPOT, 7: SPOT})) as b:
        b.local.faults.add("ListJobs", Fault.lag(3_600))
        with pytest.raises(JobFailed):
            await (await submit_array(b))
        assert "0 of 2 failed children" in caplog.text


@pytest.mark.parametrize("waits", [None, 0, 1, 30])
async def test_an_array_that_resume_follows_without_its_policy_is_recovered_by_its_request(
    bench: MakeBench, tmp_path: Path, waits: float | None
) -> None:
    """Also if the request comes before the parts without the policy have ended."""
    path = tmp_path / "run.db"
    rounds = by_round({3: SPOT, 7: SPOT}, {0: replace(SPOT, duration=60)}, {})
    async with bench(rounds) as b:
        async with journal_client(b, path, None) as batch:
            await batch.submit(ETL, recovery=POLICY)
            while len(submitted(b)) < 2:  # noqa: ASYNC110 - submissions are not announced
                await anyio.sleep(1)
        async with journal_client(b, path, None) as batch:
            [array] = await batch.resume()
            if waits is None:
                assert not await succeeded(array)
            else:
                await anyio.sleep(waits)
            assert await batch.submit(ETL, recovery=POLICY) is array
            assert await succeeded(array)
        assert [each.array_size for each in b.local.ledger.submissions] == [10, 2, None]


@pytest.mark.parametrize("waits", [False, True])
async def test_a_later_program_does_not_run_a_terminated_child_again(
    bench: MakeBench, tmp_path: Path, *, waits: bool
) -> None:
    """Nor does it if the program ends before the policy has decided."""
    path = tmp_path / "run.db"
    policy = RecoveryPolicy.for_spot(delay=60)
    rounds = by_round({3: SPOT, 7: replace(SPOT, duration=100)}, {})
    async with bench(rounds) as b:
        async with journal_client(b, path, policy) as batch:
            array = await batch.submit(ETL)
            assert isinstance(array, ArrayJob)
            await anyio.sleep(30)
            await batch.terminate([array[3]])
            if waits:
                with pytest.raises(JobFailed):
                    await array
        for _ in range(2):
            async with journal_client(b, path, policy, rerun_failed=False) as batch:
                assert not await succeeded(await batch.submit(ETL))
        assert [each.array_size for each in b.local.ledger.submissions] == [10, None]


EXPIRED = Fault.error("ExpiredTokenException", "The security token has expired", status=403)


@pytest.mark.parametrize("operation", ["ListJobs", "SubmitJob"])
@pytest.mark.parametrize("resumes", [False, True])
async def test_an_array_whose_children_cannot_run_again_now_has_not_failed(
    bench: MakeBench, tmp_path: Path, operation: str, *, resumes: bool
) -> None:
    """Callers get the error, children included; `resume` or the next program continues."""
    async with bench(by_round({3: SPOT, 7: SPOT}, {})) as b:
        async with journal_client(b, tmp_path / "run.db") as batch:
            array = await batch.submit(ETL)
            assert isinstance(array, ArrayJob)
            child = array[3]
            b.local.faults.add(operation, EXPIRED)
            for job in (array, child):
                with pytest.raises(CredentialsExpired):
                    await job
            b.local.faults.clear()
            if resumes:
                assert await batch.resume() == [array]
                assert (await array).succeeded
                assert (await child).succeeded
        async with journal_client(b, tmp_path / "run.db") as batch:
            assert (await (await batch.submit(ETL))).succeeded
        assert [each.array_size for each in b.local.ledger.submissions] == [10, 2]


@pytest.mark.parametrize("waits", [None, 0, 30])
async def test_the_content_decides_about_an_unmarked_part_that_was_on_its_way(
    bench: MakeBench, tmp_path: Path, waits: float | None
) -> None:
    """Also if `resume`, which does not know the content, has followed the array before."""
    denied = Fault.error("AccessDeniedException", "batch:TagResource", status=403, times=1)
    path = tmp_path / "run.db"
    named = ETL.replace(name="mine", queue="default")
    async with bench(by_round({3: SPOT, 7: SPOT}, {})) as b:
        b.local.faults.add("SubmitJob", denied)
        async with journal_client(b, path) as batch:
            await batch.submit(named)
            b.local.faults.add("SubmitJob", Fault.latency(20))
            await b.next_call("SubmitJob")
            await anyio.sleep(1)
            await crash(path)
        b.local.faults.clear()
        async with journal_client(b, after_crash(path)) as batch:
            if waits is not None:
                with pytest.raises(SubmitUncertain) as caught:
                    await batch.resume()
                assert len(caught.value.submitted) == 1
                await anyio.sleep(waits)
            assert (await (await batch.submit(named))).succeeded
        assert [each.array_size for each in b.local.ledger.submissions] == [10, 2]


async def succeeded(child: object) -> bool:
    try:
        await child  # type: ignore[misc] # a Job
    except JobFailed:
        return False
    return True
