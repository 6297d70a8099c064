"""`BatchClient`: the synchronous client of ``luigi.contrib.batch``, based on `AsyncBatchClient`.

Each call opens a client of its own, or uses the one that a worker shares.
"""

import logging
import os
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from asyncbatch import (
    AsyncBatchClient,
    AsyncBatchError,
    InvalidRequest,
    Job,
    JobFailed,
    JobRequest,
    JobStatus,
    fit_for_terminal,
)
from asyncbatch_luigi import _bridge
from asyncbatch_luigi._conversions import as_text
from asyncbatch_luigi._default_queue import active_queues, default_queue
from asyncbatch_luigi._errors import BatchJobException
from asyncbatch_luigi._tracebacks import trim
from asyncbatch_luigi.config import POLL_TIME, new_client, poll_policy, settings_of

logger = logging.getLogger("luigi-interface")

T = TypeVar("T")

# States of live jobs; the one that is nearest to the end first.
_LIVE = (
    JobStatus.RUNNING,
    JobStatus.STARTING,
    JobStatus.RUNNABLE,
    JobStatus.PENDING,
    JobStatus.SUBMITTED,
)


# Events of one GetLogEvents.
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_GetLogEvents.html
_MOST_LINES = 10_000


class BatchClient:
    """Submits jobs and waits for them, in synchronous code.

    A replacement for ``luigi.contrib.batch.BatchClient``; use `asyncbatch.AsyncBatchClient` in new
    code. Account and Region are determined as for `BatchTask`.

    Attributes:
        poll_time: Maximum polling interval in seconds.
    """

    def __init__(self, poll_time: float = POLL_TIME) -> None:
        """Store the polling interval; no request is sent."""
        self.poll_time = poll_time

    def get_active_queue(self) -> str:
        """Return the name of the first job queue that is ENABLED and VALID, in AWS's order.

        Raises:
            InvalidRequest: There is none.
            AsyncBatchError: AWS returned an error, or could not be reached.
        """

        async def find(batch: AsyncBatchClient) -> str:
            return (await _active_queues(batch))[0]

        return self._run(find)

    def get_job_id_from_name(self, job_name: str) -> str | None:
        """Return the id of a live job with this name; None if no active queue has one.

        If there are several, a RUNNING job is preferred.

        Raises:
            AsyncBatchError: AWS returned an error, or could not be reached.
        """

        async def find(batch: AsyncBatchClient) -> str | None:
            jobs: list[Job] = []
            for queue in await _active_queues(batch):
                jobs += await batch.find(name=job_name, queue=queue, status=_LIVE)
            named = [job for job in jobs if job.name == job_name]
            return min(named, key=lambda job: _LIVE.index(job.status)).id if named else None

        return self._run(find)

    def get_job_status(self, job_id: str) -> str:
        """Return a job's status, in the spelling of AWS: ``RUNNABLE``, ``SUCCEEDED`` and so on.

        Raises:
            JobVanished: AWS Batch does not know the job.
            AsyncBatchError: AWS returned an error, or could not be reached.
        """

        async def read(batch: AsyncBatchClient) -> str:
            job = await batch.job(job_id)
            return str((await job.wait(until=JobStatus.SUBMITTED)).status)

        return self._run(read)

    def get_logs(self, log_stream_name: str, get_last: int = 50) -> str:
        """Return the last lines of a log stream in the log group ``/aws/batch/job``.

        Args:
            log_stream_name: Name of the stream; for one that does not exist, no lines are returned.
            get_last: Maximum number of lines; 0 for the last 10,000, and a negative number for the
                last 10,000 without as many lines at their start, as ``luigi.contrib.batch`` does.

        Raises:
            AsyncBatchError: AWS returned an error, or could not be reached.
        """
        tail = get_last if get_last > 0 else _MOST_LINES

        async def read(batch: AsyncBatchClient) -> str:
            events = await batch.read_log_stream(log_stream_name, tail=tail)
            return "\n".join(event.message for event in events[-get_last:])

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
            parameters: Values for its ``Ref::`` placeholders; they are converted to text.
            job_name: Job name; None generates a unique one.
            queue: Name or ARN of a job queue; None uses the configured one, or else the first one
                that is ENABLED and VALID, as for `BatchTask`.

        Raises:
            InvalidRequest: A value is not valid, or there is no default job queue.
            AsyncBatchError: AWS returned an error, or could not be reached.
        """
        request = JobRequest(
            job_definition,
            name=job_name or None,
            queue=queue or None,
            parameters=as_text("parameters", parameters),
        )

        async def submit(batch: AsyncBatchClient) -> str:
            queue = request.queue or settings_of(batch).job_queue or None
            if queue is None:
                queue = (await default_queue(batch)).name
            return (await batch.submit(request.replace(queue=queue))).id

        return self._run(submit)

    def wait_on_job(self, job_id: str) -> bool:
        """Wait until a job has SUCCEEDED, and return True.

        Raises:
            BatchJobException: The job FAILED.
            JobVanished: AWS Batch does not know the job.
            AsyncBatchError: AWS returned an error, or could not be reached.
        """

        async def wait(batch: AsyncBatchClient) -> bool:
            job = await batch.job(job_id)
            async for description in job.changes():
                status = fit_for_terminal(str(description.status))
                logger.debug("Batch job status for job %s: %s", job_id, status)
            try:
                await job
            except JobFailed as error:
                logger.debug("Job details:\n%s", error.result.description)
                raise BatchJobException.from_failure(error) from None
            logger.info("Batch job %s SUCCEEDED", job_id)
            return True

        return self._run(wait)

    def register_job_definition(self, json_fpath: str | os.PathLike[str]) -> dict[str, Any]:
        """Register the job definition in a JSON file, as a new revision.

        Args:
            json_fpath: Path of the file; the definition is in AWS's spelling.

        Returns:
            Name, revision and ARN, in AWS's spelling, and the HTTP status in ``ResponseMetadata``,
            as boto3 returns it.

        Raises:
            InvalidRequest: The file cannot be read, or the definition is not valid.
            AsyncBatchError: AWS returned an error, or could not be reached.
        """

        async def register(batch: AsyncBatchClient) -> dict[str, Any]:
            registered = await batch.register_job_definition(json_fpath, reuse=False)
            return {
                "jobDefinitionName": registered.name,
                "jobDefinitionArn": registered.arn,
                "revision": registered.revision,
                # Programs for luigi.contrib.batch may check it. Other statuses raise an error.
                "ResponseMetadata": {"HTTPStatusCode": 200},
            }

        return self._run(register)

    def _run(self, start: Callable[[AsyncBatchClient], Coroutine[Any, Any, T]]) -> T:
        try:
            return _bridge.run_with_client(start, lambda: new_client(poll_policy(self.poll_time)))
        except AsyncBatchError as error:
            trim(error)
            raise


async def _active_queues(batch: AsyncBatchClient) -> list[str]:
    names = active_queues(await batch.job_queues())
    if not names:
        rule = "No job queues with state=ENABLED and status=VALID"
        raise InvalidRequest("queue", None, rule)
    return names
