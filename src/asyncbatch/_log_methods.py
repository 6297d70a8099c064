"""What a client has for logs: the part of `AsyncBatchClient` that reads them."""

from collections.abc import AsyncIterator, Iterable
from datetime import datetime, timedelta

from asyncbatch._jobs import arguments
from asyncbatch._jobs.job import Job
from asyncbatch._lifecycle import Lifecycle
from asyncbatch._values import checks as check
from asyncbatch._values.results import LogEvent


class LogMethods(Lifecycle):
    """Reads the logs of jobs."""

    async def logs(
        self,
        jobs: Iterable[Job | str],
        *,
        follow: bool = True,
        tail: int | None = None,
        since: datetime | timedelta | None = None,
    ) -> AsyncIterator[LogEvent]:
        """Yield the log lines of many jobs as they come, merged into one stream.

        One call reads up to a hundred jobs' streams, whoever follows them; `job_id` and
        `LogEvent.label` tell whose line it is. The lines of each job come in their order, each
        once. Nothing is dropped: whoever is slow to consume them gets them later.

        Args:
            jobs: Handles or ids.
            follow: Wait for more until all jobs have ended and their logs are dry; False yields
                what is there now and stops.
            tail: Begin with only this many last lines of each job's latest attempt.
            since: Leave out lines from before: an aware datetime, or how long ago.

        Raises:
            LogsUnavailable: The logs of a job are not in CloudWatch Logs. As with the following
                errors, the lines of all other jobs are yielded first; notes name further jobs.
            JobVanished: AWS does not answer for a job any more.
            APIError: AWS does not let us read the logs.
            InvalidRequest: `jobs` is no list of jobs, an id is not text, `tail` not positive, or
                `since` neither of both.
            ClientClosed: The client is not open, or was closed meanwhile.

        Example:
            ```python
            jobs = await batch.submit_many([JobRequest("etl"), JobRequest("etl")])
            async for event in batch.logs(jobs):
                print(event.job_id, event.message)
            ```
        """
        runtime = self._require_open()
        given = arguments.jobs_each(jobs)
        ids = arguments.job_ids(given)
        handles = [job if isinstance(job, Job) else runtime.handle(job) for job in given]
        each_once = list(dict(zip(ids, handles, strict=True)).values())
        async for event in runtime.logs.events(each_once, follow=follow, tail=tail, since=since):
            yield event

    async def tail_stream(
        self, stream: str, lines: int = 50, *, group: str | None = None
    ) -> list[LogEvent]:
        """Return the last events of a log stream, of which only the name is known.

        Where there is a job, `Job.logs` finds its streams by itself.

        Args:
            stream: Name of a CloudWatch log stream. One that does not exist has no events.
            lines: Most events to return.
            group: Name of its log group; None takes that of AWS Batch, ``/aws/batch/job``.

        Raises:
            InvalidRequest: `lines` is not positive.
            ClientClosed: The client is not open.
            APIError: AWS does not let us read the logs.
        """
        runtime = self._require_open()
        check.integer("lines", lines, 1)
        return await runtime.tail_stream(stream, lines, group=group)
