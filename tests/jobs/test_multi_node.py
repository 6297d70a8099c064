"""Why a multi-node job failed: the parent has no exit code and no log, so its nodes are asked.

The local engine runs no such jobs, so the tests answer ListJobs and DescribeJobs for the nodes.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest

from asyncbatch import FailureKind, Job, JobDescription, JobFailed, JobStatus, NodeProperties
from tests.fixtures.bench import Bench, MakeBench

pytestmark = pytest.mark.virtual_time

Wire = Mapping[str, Any]
ESSENTIAL = "Essential container in task exited"
SPOT = "Host EC2 (instance i-0) terminated."


def node(index: int, *, exit_code: int | None = None, status_reason: str = ESSENTIAL) -> Wire:
    """Return a failed node as DescribeJobs has it."""
    container = {"logStreamName": f"node-{index}"}
    if exit_code is not None:
        container |= {"exitCode": exit_code}  # type: ignore[dict-item]
    return {
        "jobId": f"j-1#{index}",
        "jobName": "mpi",
        "status": "FAILED",
        "statusReason": status_reason,
        "container": container,
        "attempts": [{"container": container, "statusReason": status_reason}],
        "nodeDetails": {"nodeIndex": index, "isMainNode": index == 0},
    }


def summary(detail: Wire) -> Wire:
    """Return a node as ListJobs has it."""
    listed = {name: detail[name] for name in ("jobId", "jobName", "status", "statusReason")}
    exit_code = detail["container"].get("exitCode")
    return {
        **listed,
        "container": {} if exit_code is None else {"exitCode": exit_code},
        "nodeProperties": detail["nodeDetails"],
    }


def parent(
    b: Bench,
    monkeypatch: pytest.MonkeyPatch,
    *failed: Wire,
    **fields: Any,  # noqa: ANN401
) -> tuple[Job, Counter[str]]:
    """Return the handle of a failed job of four nodes, and the calls that it makes."""
    calls: Counter[str] = Counter()
    connection = b.session.connection
    call = connection.call

    async def answered(
        service: str, operation: str, arguments: Wire, *rest: object, **more: object
    ) -> Wire:
        calls[operation] += 1
        if operation == "ListJobs":
            assert arguments == {
                "multiNodeJobId": "j-1",
                "jobStatus": "FAILED",
                "maxResults": 1000,
            }
            return {"jobSummaryList": [summary(each) for each in failed]}
        if operation == "DescribeJobs":
            return {"jobs": [each for each in failed if each["jobId"] in arguments["jobs"]]}
        return await call(service, operation, arguments, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(connection, "call", answered)
    for index in range(4):
        stream = b.local.logs.create_stream("/aws/batch/job", f"node-{index}")
        b.local.logs.append(stream, f"line of node {index}")
    job = b.handle(
        JobDescription(
            job_id="j-1",
            name="mpi",
            status=JobStatus.FAILED,
            node=NodeProperties(count=4, main_index=0),
            **fields,
        )
    )
    return job, calls


async def error_of(job: Job) -> JobFailed:
    with pytest.raises(JobFailed) as caught:
        await job
    return caught.value


async def test_failed_multi_node_job_fails_as_its_main_node_with_its_log(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench() as b:
        job, calls = parent(b, monkeypatch, node(2, exit_code=137), node(0, exit_code=3))
        error = await error_of(job)
    assert error.failure is not None
    assert (error.failure.kind, error.failure.transient) == (FailureKind.EXIT_CODE, False)
    assert error.failure.message == (
        f"2 of 4 nodes failed (0, 2); node 0: exit code 3; {ESSENTIAL} (see its log)"
    )
    assert [event.message for event in error.log_tail] == ["line of node 0"]
    assert (calls["ListJobs"], calls["DescribeJobs"]) == (1, 1)


async def test_failed_multi_node_job_is_transient_where_its_first_failed_node_is(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench() as b:
        job, _ = parent(
            b, monkeypatch, node(3, status_reason=SPOT), status_reason="A node was lost."
        )
        error = await error_of(job)
    assert error.failure is not None
    assert (error.failure.kind, error.failure.transient) == (FailureKind.HOST_LOST, True)
    assert error.failure.message.startswith("A node was lost; 1 of 4 nodes failed (3); node 3: ")


async def test_terminated_multi_node_job_is_terminated_not_what_its_nodes_report(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench() as b:
        fields = {"status_reason": "no longer needed", "is_terminated": True}
        job, _ = parent(b, monkeypatch, node(0, exit_code=143), **fields)
        error = await error_of(job)
    assert error.failure is not None
    assert error.failure.kind is FailureKind.TERMINATED
    assert "1 of 4 nodes failed (0)" in error.failure.message


async def test_failed_multi_node_job_without_failed_nodes_stays_unknown(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench() as b:
        job, calls = parent(b, monkeypatch, status_reason="A reason of tomorrow")
        error = await error_of(job)
    assert error.failure is not None
    assert (error.failure.kind, error.failure.transient) == (FailureKind.UNKNOWN, False)
    assert "A reason of tomorrow" in error.failure.message
    assert calls == {"ListJobs": 1}
