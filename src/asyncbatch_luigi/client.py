"""`BatchClient`: the synchronous client of ``luigi.contrib.batch``, on top of the asynchronous one.

Each call opens a client of its own, or takes the one that a worker shares; nothing is kept.
"""

import logging
import math
import os
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from asyncbatch import AsyncBatchClient, InvalidRequest, Job, JobFailed, JobRequest, JobStatus
from asyncbatch_luigi import _bridge
from asyncbatch_luigi._conversions import as_text
from asyncbatch_luigi._errors import BatchJobException
from asyncbatch_luigi.config import POLL_TIME, new_client, poll_policy

logger = logging.getLogger("luigi-interface")

T = TypeVar("T")

# Those that run first, then those that are nearest to it.
_LIVE = (
    JobStatus.RUNNING,
    JobStatus.STARTING,
    JobStatus.RUNNABLE,
    JobStatus.PENDING,
    JobStatus.SUBMITTED,
)


class BatchClient:
    """Submits jobs and waits for them, one call after the other.

    It takes the place of ``luigi.contrib.batch.BatchClient``. New code is better served by
    `asyncbatch.AsyncBatchClient`. Account and Region are found as `BatchTask` finds them.

    Attributes:
        poll_time: Most seconds between two looks at a job that is waited for.
    """

    def __init__(self, poll_time: float = POLL_TIME) -> None:
        """Remember the pace; nothing is asked of AWS yet."""
        self.poll_time = poll_time

    def get_active_queue(self) -> str:
        """Return the name of the first job queue that is ENABLED and VALID, in AWS's order.

        Raises:
            InvalidRequest: There is none.
            AsyncBatchError: AWS refused, or could not be asked.
        """

        async def find(batch: AsyncBatchClient) -> str:
            return (await _active_queues(batch))[0]

        return self._run(find)

    def get_job_id_from_name(self, job_name: str) -> str | None:
        """Return the id of a live job with this name; None if no active queue has one.

        A job that is RUNNING comes before one that is not yet.

        Raises:
            AsyncBatchError: AWS refused, or could not be asked.
        """

        async def find(batch: AsyncBatchClient) -> str | None:
            jobs: list[Job] = []
            for queue in await _active_queues(batch):
                jobs += await batch.find(name=job_name, queue=queue, status=_LIVE)
            named = [job for job in jobs if job.name == job_name]
            return min(named, key=lambda job: _LIVE.index(job.status)).id if named else None

        return self._run(find)

    def get_job_status(self, job_id: str) -> str:
        """Return a job's state: SUBMITTED, PENDING, RUNNABLE, STARTING, RUNNING, SUCCEEDED, FAILED.

        Raises:
            JobVanished: AWS has not known the job for half a minute.
            AsyncBatchError: AWS refused, or could not be asked.
        """

        async def look(batch: AsyncBatchClient) -> str:
            [job] = await batch.attach([job_id])
            return str((await job.wait(until=JobStatus.SUBMITTED)).status)

        return self._run(look)

    def get_logs(self, log_stream_name: str, get_last: int = 50) -> str:
        """Return the last lines of a log stream of the log group ``/aws/batch/job``.

        Args:
            log_stream_name: Name of the stream; one that does not exist has no lines.
            get_last: Most lines.

        Raises:
            AsyncBatchError: AWS refused, or could not be asked.
        """
        if get_last < 1:
            return ""

        async def read(batch: AsyncBatchClient) -> str:
            events = await batch.tail_stream(log_stream_name, get_last)
            return "\n".join(event.message for event in events)

        return self._run(read)

    def submit_job(
        self,
        job_definition: str,
        parameters: Mapping[str, object],
        job_name: str | None = None,
        queue: str | None = None,
    ) -> str:
        """Submit a job and return its id.

        Args:
            job_definition: ``name``, ``name:revision`` or ARN of a job definition.
            parameters: Values for its ``Ref::`` placeholders; what is no text becomes text.
            job_name: Job name; None generates a unique one.
            queue: Name or ARN of a job queue; None takes the only one that is ENABLED and VALID.

        Raises:
            InvalidRequest: A value breaks a rule, or no single job queue can be the default.
            AsyncBatchError: AWS refused, or could not be reached.
        """
        request = JobRequest(
            job_definition,
            name=job_name or None,
            queue=queue or None,
            parameters=as_text("parameters", parameters),
        )

        async def submit(batch: AsyncBatchClient) -> str:
            return (await batch.submit(request)).id

        return self._run(submit)

    def wait_on_job(self, job_id: str) -> bool:
        """Wait until a job has SUCCEEDED, and return True.

        Raises:
            BatchJobException: It FAILED.
            JobVanished: AWS does not know it.
            AsyncBatchError: AWS refused, or could not be asked.
        """

        async def wait(batch: AsyncBatchClient) -> bool:
            [job] = await batch.attach([job_id])
            while not job.is_finished:
                logger.debug("Batch job status for job %s: %s", job_id, job.status)
                await job.next_change(math.inf)
            try:
                await job
            except JobFailed as error:
                logger.debug("Job details:\n%s", error.result.description)
                raise BatchJobException.from_failure(error) from None
            logger.info("Batch job %s SUCCEEDED", job_id)
            return True

        return self._run(wait)

    def register_job_definition(self, json_fpath: str | os.PathLike[str]) -> dict[str, Any]:
        """Register a new revision of the job definition that a JSON file holds.

        Args:
            json_fpath: Path of the file; the definition is in AWS's own spelling.

        Returns:
            Name, revision and ARN, as AWS spells them.

        Raises:
            InvalidRequest: The file cannot be read, or the definition breaks a rule.
            AsyncBatchError: AWS refused, or could not be reached.
        """

        async def register(batch: AsyncBatchClient) -> dict[str, Any]:
            registered = await batch.register_job_definition(json_fpath, reuse=False)
            return {
                "jobDefinitionName": registered.name,
                "jobDefinitionArn": registered.arn,
                "revision": registered.revision,
            }

        return self._run(register)

    def _run(self, start: Callable[[AsyncBatchClient], Coroutine[Any, Any, T]]) -> T:
        return _bridge.run_with_client(start, lambda: new_client(poll_policy(self.poll_time)))


async def _active_queues(batch: AsyncBatchClient) -> list[str]:
    names = [queue.name for queue in await batch.job_queues() if queue.takes_jobs]
    if not names:
        rule = "No job queues with state=ENABLED and status=VALID"
        raise InvalidRequest("queue", None, rule)
    return names
