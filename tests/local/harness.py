"""A local engine with its clients, and the few verbs that its tests speak in."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from aiobotocore.config import AioConfig

from asyncbatch.local import Executor, Launch, LocalBatch, Script, ScriptedExecutor

Json = dict[str, Any]

ONE_TRY = AioConfig(retries={"total_max_attempts": 1, "mode": "standard"}, read_timeout=10)
CONTAINER: Mapping[str, Any] = {
    "image": "any",
    "command": ["true"],
    "resourceRequirements": [{"type": "VCPU", "value": "1"}, {"type": "MEMORY", "value": "64"}],
}


class Bench:
    """A local engine under test."""

    def __init__(self, local: LocalBatch, batch: Any, logs: Any) -> None:  # noqa: ANN401 (aiobotocore has no types)
        self.local = local
        self.batch = batch
        self.logs = logs

    async def define(
        self, name: str = "task", *, container: Json | None = None, **extra: object
    ) -> str:
        """Register a job definition and return its ARN."""
        answer = await self.batch.register_job_definition(
            jobDefinitionName=name,
            type="container",
            containerProperties={**CONTAINER, **(container or {})},
            **extra,
        )
        return str(answer["jobDefinitionArn"])

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
        """Describe a job once it has ended, looking `every` seconds: real ones for processes."""
        while (job := await self.job(job_id))["status"] not in {"SUCCEEDED", "FAILED"}:
            await pass_time(every)
        return job

    async def messages(self, stream: str, group: str = "/aws/batch/job") -> list[str]:
        """Return everything in a log stream."""
        answer = await self.logs.get_log_events(
            logGroupName=group, logStreamName=stream, startFromHead=True
        )
        return [event["message"] for event in answer["events"]]


@asynccontextmanager
async def bench(
    script: Script | Callable[[Launch], Script] | None = None,
    *,
    executor: Executor | None = None,
    **options: Any,  # noqa: ANN401 (LocalBatch checks them)
) -> AsyncIterator[Bench]:
    """Open a local engine with the job definition `task`."""
    options = {"vcpus": 1000, "seed": 7, **options}
    async with (
        LocalBatch(executor=executor or ScriptedExecutor(script), **options) as local,
        local.session.create_client("batch", config=ONE_TRY) as batch,
        local.session.create_client("logs", config=ONE_TRY) as logs,
    ):
        made = Bench(local, batch, logs)
        await made.define()
        yield made


async def pass_time(seconds: float) -> None:
    """Let virtual time pass."""
    await asyncio.sleep(seconds)
