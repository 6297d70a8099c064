"""What `asyncbatch top` lists: how many calls it makes, and which jobs are shown in which order."""

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any, cast

import anyio
import pytest

from asyncbatch import Event, JobDescription, JobStatus
from asyncbatch._aws.api import API
from asyncbatch._aws.wire.sharing import SharedValues
from asyncbatch._cli.top_board import MOST_ROWS, RATES, Board, Choice, children, chosen
from asyncbatch._values.descriptions import ArrayProperties
from asyncbatch._values.errors import (
    AccessDenied,
    AsyncBatchError,
    ConnectionFailed,
    JobQueueNotFound,
)
from tests.support import REGION

PAGE = 1_000


class Queue:
    """A connection to a queue with many jobs, which notes when it is called.

    Attributes:
        times: Time of each call, in seconds.
        counts: Number of jobs by state; changes are seen by the next call.
    """

    region = REGION

    def __init__(self, **counts: int) -> None:
        self.shared_values = SharedValues()
        self.times: list[float] = []
        self.counts = Counter(counts)
        self.error: AsyncBatchError | None = None
        self.deleted = ""

    async def call(
        self,
        service: str,
        operation: str,
        arguments: Mapping[str, Any],
        region: str | None = None,
        *,
        validate: bool = True,
    ) -> dict[str, Any]:
        """Return a page of jobs, or the queues."""
        self.times.append(anyio.current_time())
        if self.error is not None:
            raise self.error
        if operation == "DescribeJobQueues":
            queue = {"jobQueueName": "main", "jobQueueArn": "arn:q", "state": "ENABLED"}
            old = {"jobQueueName": "aside", "jobQueueArn": "arn:a", "state": "DISABLED"}
            queues = [{**queue, "status": "VALID"}, old]
            return {"jobQueues": [q for q in queues if q["jobQueueName"] != self.deleted]}
        assert operation == "ListJobs"
        if arguments.get("jobQueue") == self.deleted:
            raise JobQueueNotFound(
                operation, "ClientException", f"JobQueue {self.deleted} not found"
            )
        assert arguments["maxResults"] == PAGE
        state, start = arguments["jobStatus"], int(arguments.get("nextToken", 0))
        # Half of the jobs of the other queue.
        total = self.counts[state] // (2 if arguments.get("jobQueue") == "aside" else 1)
        page = [
            {"jobId": f"{state.lower()}-{number}", "jobName": f"job-{number}", "status": state}
            for number in range(start, min(start + PAGE, total))
        ]
        more = {"nextToken": str(start + PAGE)} if start + PAGE < total else {}
        return {"jobSummaryList": page, **more}


def board_of(queue: Queue, name: str | None = None) -> Board:
    def report(event: Event) -> None:
        board.notice(event)

    board = Board(API(cast("Any", queue), RATES, random.Random(1), report), name)
    return board


@pytest.mark.virtual_time
async def test_ten_thousand_jobs_cost_at_most_two_calls_a_second() -> None:
    queue = Queue(RUNNING=500, RUNNABLE=10_000, FAILED=20, SUCCEEDED=50_000)
    board = board_of(queue)
    with anyio.move_on_after(90):
        await board.run()
    assert board.queue == "main"
    assert board.counts() == {"RUNNING": 500, "RUNNABLE": 10_000, "FAILED": 20, "SUCCEEDED": 1000}
    assert board.cut == {JobStatus.SUCCEEDED}
    assert board.rounds >= 3
    busiest = max(sum(at <= other < at + 10 for other in queue.times) for at in queue.times)
    assert busiest <= 20
    per_second = RATES.list_per_second + RATES.describe_per_second
    per_second += sum(RATES.logs_per_second(n, REGION) for n in ("GetLogEvents", "FilterLogEvents"))
    assert per_second == pytest.approx(2.0)


@pytest.mark.virtual_time
async def test_job_that_changed_its_state_is_shown_once() -> None:
    queue = Queue(RUNNING=1)
    board = board_of(queue)
    async with anyio.create_task_group() as group:
        group.start_soon(board.run)
        await anyio.sleep(20)
        assert board.rounds
        board._by_state[JobStatus.RUNNABLE] = {
            "running-0": JobDescription(job_id="running-0", status=JobStatus.RUNNABLE)
        }
        board._replace(
            JobStatus.RUNNING,
            {"running-0": JobDescription(job_id="running-0", status=JobStatus.RUNNING)},
            is_cut=False,
        )
        assert [(job.job_id, job.status) for job in board.jobs()] == [("running-0", "RUNNING")]
        group.cancel_scope.cancel()


@pytest.mark.virtual_time
async def test_job_between_two_states_is_shown_until_all_states_were_listed() -> None:
    queue = Queue(RUNNING=1)
    board = board_of(queue)
    shown: list[int] = []
    async with anyio.create_task_group() as group:
        group.start_soon(board.run)
        await anyio.sleep(20)
        queue.counts.clear()
        for _ in range(40):
            shown.append(len(board.jobs()))
            await anyio.sleep(1)
        group.cancel_scope.cancel()
    gone_at = shown.index(0)
    # Ten calls make a round: the job is shown for one at least, and for two at most.
    assert 9 <= gone_at <= 20
    assert not any(shown[gone_at:])
    assert board.counts() == {}


@pytest.mark.virtual_time
async def test_another_queue_is_listed_at_once() -> None:
    queue = Queue(RUNNING=10)
    board = board_of(queue)
    async with anyio.create_task_group() as group:
        group.start_soon(board.run)
        await anyio.sleep(20)
        assert board.counts() == {"RUNNING": 10}
        board.select("aside")
        assert board.jobs() == []
        await anyio.sleep(5)
        assert board.counts() == {"RUNNING": 5}
        group.cancel_scope.cancel()


@pytest.mark.virtual_time
async def test_error_is_shown_until_a_call_succeeds() -> None:
    queue = Queue(RUNNING=1)
    queue.error = AccessDenied("ListJobs", "AccessDeniedException", "no", status=403)
    board = board_of(queue)
    async with anyio.create_task_group() as group:
        group.start_soon(board.run)
        await anyio.sleep(5)
        assert "AccessDenied" in board.error
        queue.error = None
        await anyio.sleep(30)
        assert (board.error, board.counts()) == ("", {"RUNNING": 1})
        group.cancel_scope.cancel()


@pytest.mark.virtual_time
async def test_call_that_is_sent_again_is_shown_at_once() -> None:
    queue = Queue(RUNNING=1)
    queue.error = ConnectionFailed(
        "DescribeJobQueues", "ConnectTimeout", "down", may_have_arrived=True
    )
    board = board_of(queue)
    async with anyio.create_task_group() as group:
        group.start_soon(board.run)
        await anyio.sleep(0.1)
        assert board.error == "DescribeJobQueues failed (ConnectTimeout); retrying"
        version, queue.error = board.version, None
        await anyio.sleep(30)
        assert (board.error, board.counts()) == ("", {"RUNNING": 1})
        assert board.version > version
        group.cancel_scope.cancel()


@pytest.mark.virtual_time
async def test_deleted_queue_is_an_error_and_the_other_ones_are_listed_again() -> None:
    queue = Queue(RUNNING=2)
    board = board_of(queue)
    async with anyio.create_task_group() as group:
        group.start_soon(board.run)
        await anyio.sleep(20)
        queue.deleted = "main"
        await anyio.sleep(30)
        assert "main not found" in board.error
        assert board.jobs() == []
        assert [each.name for each in board.queues] == ["aside"]
        board.select("aside")
        await anyio.sleep(20)
        assert (board.error, board.counts()) == ("", {"RUNNING": 1})
        group.cancel_scope.cancel()


@pytest.mark.virtual_time
async def test_children_are_listed_failed_ones_first_until_all_are_known() -> None:
    queue = Queue(RUNNING=700, FAILED=2, RUNNABLE=9_000)
    api = API(cast("Any", queue), RATES, random.Random(1), lambda _event: None)
    array = JobDescription(
        job_id="arr", status=JobStatus.PENDING, array=ArrayProperties(size=9_702)
    )
    listed = [len(found) async for found in children(api, array)]
    assert listed == [2, MOST_ROWS]
    assert len(queue.times) == 2
    small = JobDescription(job_id="arr", status=JobStatus.FAILED, array=ArrayProperties(size=2))
    (found,) = [found async for found in children(api, small)]
    assert [job.status for job in found] == ["FAILED", "FAILED"]


def test_choice_filters_and_sorts() -> None:
    jobs = [
        JobDescription(job_id="1", name="beta", status=JobStatus.FAILED),
        JobDescription(job_id="2", name="Alpha", status=JobStatus.RUNNING),
        JobDescription(job_id="3", name="alphabet", status=JobStatus("HIBERNATING")),
    ]

    def ids(choice: Choice) -> list[str]:
        return [job.job_id for job in chosen(jobs, choice)]

    assert ids(Choice(order="name")) == ["2", "3", "1"]
    assert ids(Choice(order="state")) == ["2", "1", "3"]
    assert ids(Choice(text="ALPHA")) == ["2", "3"]
    assert ids(Choice(state=JobStatus.FAILED)) == ["1"]
    choice = Choice()
    for _ in range(8):
        choice = choice.next_state()
    assert choice == Choice()
    for _ in range(4):
        choice = choice.next_order()
    assert choice == Choice()
