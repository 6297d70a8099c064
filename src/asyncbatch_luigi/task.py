"""`BatchTask`: a Luigi task that runs as an AWS Batch job."""

from collections.abc import Awaitable, Coroutine, Mapping
from typing import Any

import luigi

from asyncbatch import AsyncBatchClient, InvalidRequest, JobRequest
from asyncbatch_luigi import _runtime
from asyncbatch_luigi._job import JobOfTask, Reports
from asyncbatch_luigi._values import as_text
from asyncbatch_luigi.config import POLL_TIME, new_client, poll_policy

# The names by which a task's author knows the fields of a request.
_LUIGI_WORDS = {"queue": "job_queue", "name": "job_name"}


class BatchTask(luigi.Task):
    """A task that submits an AWS Batch job and is done when the job has SUCCEEDED.

    It takes the place of ``luigi.contrib.batch.BatchTask``. Subclass it, override `parameters` if
    the job definition has ``Ref::`` placeholders, and give it an `output` or a `complete`.

    Attributes:
        job_definition: ``name``, ``name:revision`` or ARN of a job definition.
        job_name: Job name; None generates a unique one.
        job_queue: Name or ARN of a job queue; None takes the only one that is ENABLED and VALID.
        poll_time: Most seconds between two looks at the job. In its first minutes it is looked at
            more often, and 0 looks as often as AWS allows.

    Example:
        ```python
        class Etl(BatchTask):
            job_definition = "etl"
            date = luigi.DateParameter()

            @property
            def parameters(self):
                return {"date": self.date}
        ```
    """

    # Any, since subclasses put a plain value, a property or another parameter in their place.
    job_definition: Any = luigi.Parameter()
    job_name: Any = luigi.OptionalParameter(default=None)
    job_queue: Any = luigi.OptionalParameter(default=None)
    poll_time: Any = luigi.IntParameter(default=POLL_TIME)

    @property
    def parameters(self) -> Mapping[str, object]:
        """Values for the job definition's ``Ref::`` placeholders; what is no text becomes text."""
        return {}

    def run(self) -> None:
        """Submit the job and wait for its end.

        Ctrl-C and SIGTERM end the waiting, not the job; the log says how to find it.

        Raises:
            BatchJobException: The job FAILED.
            InvalidRequest: A value breaks a rule, or no single job queue can be the default.
            JobQueueNotFound: There is no such job queue.
            JobDefinitionNotFound: There is no such job definition.
            AsyncBatchError: AWS refused, could not be reached, or does not know the job any more.
        """
        _runtime.run_with_client(self._run_on, lambda: new_client(poll_policy(self.poll_time)))

    def _run_on(self, batch: AsyncBatchClient) -> Coroutine[Any, Any, None]:
        """Do what `run` does, but on a loop and a client that somebody else has.

        What the task says about its job is read at once, in the thread of the caller; the coroutine
        then runs where the client is open.

        Raises:
            InvalidRequest: A value breaks a rule.
        """
        return _in_luigis_words(self._job(batch).run())

    def _job(self, client: AsyncBatchClient) -> JobOfTask:
        reports = Reports(
            tracking_url=self.set_tracking_url, status_message=self.set_status_message
        )
        try:
            return JobOfTask(client, self._request(), reports)
        except InvalidRequest as error:
            raise _reworded(error) from None

    def _request(self) -> JobRequest:
        # Luigi writes a None as empty text, so empty text is a None.
        return JobRequest(
            self.job_definition,
            name=self.job_name or None,
            queue=self.job_queue or None,
            parameters=as_text("parameters", self.parameters),
        )


async def _in_luigis_words(work: Awaitable[None]) -> None:
    try:
        await work
    except InvalidRequest as error:
        raise _reworded(error) from None


def _reworded(error: InvalidRequest) -> InvalidRequest:
    field = _LUIGI_WORDS.get(error.field, error.field)
    return InvalidRequest(field, error.value, error.rule)
