"""A local engine with its clients, and helpers that submit jobs and read their results."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiobotocore.config import AioConfig

from asyncbatch.local import Executor, Launch, LocalBatch, Script, ScriptedExecutor

Json = dict[str, Any]

NO_RETRIES = AioConfig(retries={"total_max_attempts": 1, "mode": "standard"}, read_timeout=10)
CONTAINER: Mapping[str, Any] = {
    "image": "any",
    "command": ["true"],
    "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}],
}


class LocalEngine:
    """An open local engine with a Batch client and a CloudWatch Logs client."""

    def __init__(self, local: LocalBatch, batch: Any, logs: Any) -> None:  # noqa: ANN401 (aiobotocore has no types)
        self.local = local
        self.batch = batch
        self.logs = logs

    async def define(
        self, name: str = "task", *, container: Json | None = None, **extra: object
    ) -> str:
        """Register a job definition and return its ARN."""
        response = await self.batch.register_job_definition(
            jobDefinitionName=name,
            type="container",
            containerProperties={**CONTAINER, **(container or {})},
            **extra,
        )
        return str(response["jobDefinitionArn"])

    async def submit(self, name: str = "job", /, **extra: object) -> str:
        """Submit a job and return its id."""
        request = {"jobName": name, "jobQueue": "default", "jobDefinition": "task", **extra}
        return str((await self.batch.submit_job(**request))["jobId"])

    async def job(self, job_id: str) -> Json:
        """Describe a job."""
        [job] = (await self.batch.describe_jobs(jobs=[job_id]))["jobs"]
        return dict(job)

    async def status(self, job_id: str) -> str:
        """Return a job's status."""
        return str((await self.job(job_id))["status"])

    async def ended(self, job_id: str, *, every: float = 1) -> Json:
        """Poll a job until it has ended and return its description.

        Args:
            job_id: Id of the job.
            every: Polling interval in seconds; real time if processes run, else virtual time.
        """
        while (job := await self.job(job_id))["status"] not in {"SUCCEEDED", "FAILED"}:
            await pass_time(every)
        return job

    async def messages(self, stream: str, group: str = "/aws/batch/job") -> list[str]:
        """Return all messages of a log stream."""
        response = await self.logs.get_log_events(
            logGroupName=group, logStreamName=stream, startFromHead=True
        )
        return [event["message"] for event in response["events"]]


@asynccontextmanager
async def open_engine(
    script: Script | Callable[[Launch], Script] | None = None,
    *,
    executor: Executor | None = None,
    **options: Any,  # noqa: ANN401 (LocalBatch checks them)
) -> AsyncIterator[LocalEngine]:
    """Open a local engine that has the job definition `task`."""
    options = {"vcpus": 1000, "seed": 7, **options}
    async with (
        LocalBatch(executor=executor or ScriptedExecutor(script), **options) as local,
        local.session.create_client("batch", config=NO_RETRIES) as batch,
        local.session.create_client("logs", config=NO_RETRIES) as logs,
    ):
        engine = LocalEngine(local, batch, logs)
        await engine.define()
        yield engine


async def pass_time(seconds: float) -> None:
    """Let virtual time pass."""
    await asyncio.sleep(seconds)
