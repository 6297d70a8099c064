"""The client against moto with real containers: submit, follow, logs, failure, termination."""

import anyio
import pytest

from asyncbatch import AsyncBatchClient, JobFailed, JobRequest, JobStatus

pytestmark = [
    pytest.mark.may_block,
    pytest.mark.timeout(120),
    # moto's Docker client leaves its connections to the garbage collector.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def shell(script: str) -> JobRequest:
    return JobRequest("shell", command=["sh", "-c", script])


async def test_a_job_is_followed_to_its_end_and_its_log_is_read(batch: AsyncBatchClient) -> None:
    job = await batch.submit(shell("for n in 1 2 3; do echo line $n; sleep 1; done"))
    lines = [event.message async for event in job.logs()]
    assert lines == ["line 1", "line 2", "line 3"]
    assert (await job).succeeded


async def test_the_changes_of_a_job_end_with_its_end(batch: AsyncBatchClient) -> None:
    job = await batch.submit(shell("sleep 2"))
    seen = [description.status async for description in job.changes()]
    assert seen[-1] is JobStatus.SUCCEEDED
    assert JobStatus.RUNNING in seen


async def test_a_failed_job_is_a_failure_with_its_last_lines(batch: AsyncBatchClient) -> None:
    job = await batch.submit(shell("echo about to fail; exit 3"))
    with pytest.raises(JobFailed) as caught:
        await job
    assert caught.value.result.status is JobStatus.FAILED
    assert "about to fail" in [event.message for event in caught.value.log_tail]


async def test_many_jobs_end_each_with_its_own_result(batch: AsyncBatchClient) -> None:
    requests = [shell(f"exit {number % 2}") for number in range(6)]
    results = await batch.run(requests, check=False)
    assert [result.succeeded for result in results] == [True, False] * 3


async def test_a_running_job_is_terminated(batch: AsyncBatchClient) -> None:
    job = await batch.submit(shell("sleep 600"))
    with anyio.fail_after(60):
        await job.wait(JobStatus.RUNNING)
        await job.terminate("no longer needed")
        with pytest.raises(JobFailed, match="no longer needed"):
            await job
