"""Uses of the public API that mypy and pyright must accept, with the types that users get.

Nothing here runs. `nox -s types` checks this file as user code: it imports public names only, and
`assert_type` fails where a type is vaguer than the documentation says.
"""

from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import assert_type

from asyncbatch import (
    ArrayJob,
    AsyncBatchClient,
    AsyncBatchError,
    Coalesced,
    Dependency,
    DependencyType,
    Event,
    Failure,
    FailureKind,
    Job,
    JobDefaults,
    JobDefinition,
    JobDescription,
    JobFailed,
    JobFinished,
    JobGroup,
    JobQueue,
    JobRequest,
    JobResult,
    JobResults,
    JobStatus,
    Journal,
    LogEvent,
    LogPolicy,
    PollPolicy,
    RateLimits,
    RetryStrategy,
    coalesce,
    print_logs,
    save_logs,
    stop_on_sigterm,
)
from asyncbatch.local import Fault, Launch, LocalBatch, Script, ScriptedExecutor
from asyncbatch.progress import display
from asyncbatch.telemetry import Instrumentation, instrument


async def open_clients(session: object) -> None:
    """Open clients with each kind of argument."""
    finished: list[JobFinished] = []

    def observe(event: Event) -> None:
        if isinstance(event, JobFinished):
            finished.append(event)

    async with AsyncBatchClient() as batch:
        assert_type(batch, AsyncBatchClient)
        with instrument(batch, propagate=True) as instrumentation:
            assert_type(instrumentation, Instrumentation)
    with display() as observer, stop_on_sigterm():
        client = AsyncBatchClient(
            region_name="eu-west-1",
            session=session,
            poll=PollPolicy(max_interval=30),
            logs=LogPolicy(drain=5),
            limits=RateLimits(submit_per_second=10),
            journal=Journal(Path("run.db"), rerun_failed=False),
            observers=[observer, observe],
            defaults=JobDefaults(queue="night", tags={"team": "data"}, retry="spot:3"),
        )
        assert_type(await client.open(), AsyncBatchClient)
        await client.aclose()


async def submit(batch: AsyncBatchClient, earlier: Job) -> None:
    """Submit jobs from fields, from requests and from definitions."""
    job = await batch.submit(
        "etl:3",
        queue="default",
        parameters={"date": "2024-01-15", "part": 3, "share": 0.5},
        command=["sh", "-c", "true"],
        depends_on=[earlier, "job-id", Dependency("job-id", DependencyType.N_TO_N)],
        retry="spot:3",
        attempt_timeout=timedelta(hours=1),
        extra={"nodeOverrides": {"numNodes": 2}},
    )
    assert_type(job, Job)
    request = JobRequest("etl", vcpus=2, memory_mib=2048, retry=RetryStrategy.for_spot(3))
    assert_type(request.replace(queue="other"), JobRequest)
    assert_type(await batch.submit(request, name="etl"), Job)
    assert_type(await batch.submit_array(request, size=100), ArrayJob)
    assert_type(await batch.submit_many(request for _ in range(3)), list[Job])
    assert_type(await batch.run([request], max_in_flight=10, check=False), JobResults)
    assert_type(await batch.run(requests_from_a_queue()), JobResults)
    assert_type(coalesce([request, request]), list[Coalesced])
    definition = await batch.register_job_definition({"jobDefinitionName": "etl"})
    assert_type(definition, JobDefinition)
    assert_type(await batch.submit(definition), Job)


async def requests_from_a_queue() -> AsyncIterator[JobRequest]:
    """Yield requests one by one."""
    yield JobRequest("etl")


async def follow(batch: AsyncBatchClient, job: Job, array: ArrayJob) -> None:
    """Wait for jobs and read their results."""
    result = await job
    assert_type(result, JobResult)
    assert_type(result.exit_code, int | None)
    assert_type(await job.result(check=False), JobResult)
    assert_type(await job.wait(until=JobStatus.RUNNING), JobDescription)
    assert_type(job.status, JobStatus)
    assert_type(job.description, JobDescription | None)
    assert_type(job.wait_reason, Failure | None)
    assert_type(job.clone(memory_mib=4096), JobRequest)
    assert_type(JobRequest.from_description(result.description), JobRequest)
    async for description in job.changes():
        assert_type(description, JobDescription)
    async for each in batch.as_completed([job, array]):
        assert_type(each, Job)

    assert_type(array[0], Job)
    assert_type(array[1:3], list[Job])
    assert_type([child.id for child in array], list[str])
    assert_type(array.counts, Mapping[JobStatus, int])
    assert_type(await array.failed_children(), list[Job])


async def find(batch: AsyncBatchClient) -> None:
    """Get handles of jobs that this program did not submit."""
    assert_type(await batch.job("job-id"), Job)
    assert_type(await batch.attach(["job-id"]), list[Job])
    assert_type(await batch.find(name="etl*", status=JobStatus.FAILED), list[Job])
    assert_type(await batch.find(status=[JobStatus.RUNNING, JobStatus.STARTING]), list[Job])
    found = await batch.find(definition="etl:3", created_after=timedelta(days=1))
    assert_type(found, list[Job])
    assert_type(await batch.resume(), list[Job])
    await batch.cancel([*found, "job-id"], reason="not needed")
    assert_type(await found[0].cancel(), None)
    assert_type(await batch.describe(["job-id"]), dict[str, JobDescription])
    assert_type(await batch.job_queues(), list[JobQueue])
    assert_type(await batch.default_queue(), str)


async def read_logs(batch: AsyncBatchClient, job: Job) -> None:
    """Read, print and save logs."""
    async for event in job.logs(tail=10, since=timedelta(minutes=5)):
        assert_type(event, LogEvent)
        assert_type(event.message, str)
    async for event in batch.logs([job, "job-id"], since=datetime.now(UTC)):
        assert_type(event.job_id, str)
    assert_type(await batch.read_log_stream("etl/default/1", tail=10), list[LogEvent])
    await print_logs(job)
    await save_logs(batch.logs([job]), Path("logs"))


async def handle_errors(batch: AsyncBatchClient) -> None:
    """Read the attributes of errors."""
    try:
        await batch.run([JobRequest("etl")])
    except JobFailed as error:
        assert_type(error.result, JobResult)
        if error.failure is not None:
            assert_type(error.failure.kind, FailureKind)
        assert_type(error.log_tail, tuple[LogEvent, ...])
    except AsyncBatchError as error:
        assert_type(str(error), str)


async def group(batch: AsyncBatchClient) -> None:
    """Open a group of jobs."""
    async with batch.job_group(on_error="leave") as jobs:
        assert_type(jobs, JobGroup)
        assert_type(await jobs.submit("etl"), Job)
        assert_type(await jobs.submit_many([JobRequest("etl")]), list[Job])
    assert_type(jobs.jobs, tuple[Job, ...])


async def test_a_pipeline() -> None:
    """Test code against the local engine."""

    def script(launch: Launch) -> Script:
        return Script(duration=launch.random.uniform(1, 2), exit_code=0)

    async with LocalBatch(vcpus=4, executor=ScriptedExecutor(script)) as local:
        local.faults.add("SubmitJob", Fault.throttle(times=2))
        async with AsyncBatchClient(session=local.session) as batch:
            assert_type(await batch.run([JobRequest("etl")]), JobResults)
