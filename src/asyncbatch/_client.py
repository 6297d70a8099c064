"""`AsyncBatchClient`: submits jobs, follows them with few calls, and hands out handles."""

from collections.abc import AsyncIterator, Iterable, Mapping
from os import PathLike
from typing import Any, Unpack, cast

from asyncbatch._group import JobGroup, OnError
from asyncbatch._jobs import arguments, many
from asyncbatch._jobs.array_job import ArrayJob
from asyncbatch._jobs.job import Job
from asyncbatch._log_methods import LogMethods
from asyncbatch._values import checks as check
from asyncbatch._values.descriptions import JobDefinition, JobDescription, JobQueue
from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.requests import JobFields, JobRequest
from asyncbatch._values.results import JobResult
from asyncbatch._values.status import JobStatus

_DESCRIBE_LIMIT = 100


class AsyncBatchClient(LogMethods):
    """An AWS Batch client for asyncio: many jobs, few calls, one background task.

    Use it with ``async with``, or call `open` and `aclose`, also from different tasks or notebook
    cells. Leaving it stops asking about jobs; the jobs themselves go on.

    Example:
        ```python
        async with AsyncBatchClient() as batch:
            job = await batch.submit("etl:3", parameters={"date": "2024-01-15"})
            async for event in job.logs():
                print(event.message)
            result = await job
        ```
    """

    # -- submitting -------------------------------------------------------------------------------

    async def submit(
        self, job: str | JobRequest | JobDefinition, /, **fields: Unpack[JobFields]
    ) -> Job:
        """Submit one job.

        An answer that got lost is looked up before anything is sent again. Cancelling the caller
        leaves the submission whole. With a journal, a request that has a job already returns it.

        Args:
            job: A `JobRequest`, or the job definition of a new one.
            **fields: Fields of `JobRequest`; with a `JobRequest` they replace its own.

        Returns:
            Its handle: an `ArrayJob` where there is an `array_size`.

        Raises:
            InvalidRequest: A value breaks a rule; nothing was sent.
            JobQueueNotFound, JobDefinitionNotFound: There is no such thing.
            SubmitUncertain: The answer got lost, and looking the job up did not tell.
            JournalError: The journal cannot be written; nothing was sent.
            ClientClosed: The client is not open.
            APIError: AWS refused, or could not be reached.
        """
        runtime = self._require_open()
        request = (
            job.replace(**fields) if isinstance(job, JobRequest) else JobRequest(job, **fields)
        )
        return await many.submit_one(request, runtime)

    async def submit_array(
        self, job: str | JobRequest | JobDefinition, /, size: int, **fields: Unpack[JobFields]
    ) -> ArrayJob:
        """Submit an array job: one submission that stands for many child jobs.

        Each child finds its index, from 0 on, in the variable ``AWS_BATCH_JOB_ARRAY_INDEX``.

        Args:
            job: A `JobRequest`, or the job definition of a new one.
            size: 2 to 10,000 children.
            **fields: Fields of `JobRequest`, as for `submit`.

        Raises:
            InvalidRequest: A value breaks a rule; nothing was sent.
            JobQueueNotFound, JobDefinitionNotFound, SubmitUncertain, ClientClosed, APIError: As
                `submit`.

        Example:
            ```python
            array = await batch.submit_array("etl", size=3)
            await array
            ```
        """
        check.array_size("size", size)
        if "array_size" in fields:
            raise InvalidRequest("array_size", fields["array_size"], "is what `size` says here")
        fields["array_size"] = size
        return cast("ArrayJob", await self.submit(job, **fields))

    async def submit_many(self, requests: many.Requests, *, coalesce: bool = False) -> list[Job]:
        """Submit many jobs at the pace that AWS allows.

        Args:
            requests: Any iterable of `JobRequest`, also an asynchronous one; it is read as fast as
                jobs are submitted.
            coalesce: Whether requests that differ only in values of `environment` are submitted
                together, as array jobs; see `coalesce`. All requests are read first then.

        Returns:
            Handles, in the order of the requests; of children, for those submitted together.

        Raises:
            APIError, InvalidRequest, SubmitUncertain, JournalError: As `submit`. No further request
                is sent then; ``error.submitted`` has the handles of those that were.
            ClientClosed: The client is not open.
        """
        runtime = self._require_open()
        submit = many.submit_coalesced if coalesce else many.submit_all
        return await submit(requests, runtime)

    async def run(
        self,
        requests: many.Requests,
        *,
        max_in_flight: int | None = None,
        coalesce: bool = False,
        check: bool = True,
    ) -> list[JobResult]:
        """Submit many jobs, wait until all have ended, and return their results.

        Args:
            requests: Any iterable of `JobRequest`, also an asynchronous one.
            max_in_flight: Most jobs that are submitted and not ended; None submits all at once.
            coalesce: As for `submit_many`; not together with `max_in_flight`, as an array's
                children are all in flight at once.
            check: Whether a job that FAILED raises, after all have ended. False returns all
                results.

        Returns:
            Results, in the order of the requests.

        Raises:
            JobFailed: A job FAILED; the first in order, with a note on the others.
            JobVanished: AWS does not answer for a job any more.
            InvalidRequest: A value breaks a rule.
            ClientClosed: The client is not open.
            APIError, SubmitUncertain, JournalError: As `submit_many`.
        """
        runtime = self._require_open()
        if max_in_flight is not None and max_in_flight < 1:
            raise InvalidRequest("max_in_flight", max_in_flight, "1 or more, or None for no limit")
        if coalesce and max_in_flight is not None:
            raise InvalidRequest("max_in_flight", max_in_flight, "None where coalesce is True")
        if coalesce:
            jobs = await many.submit_coalesced(requests, runtime)
        else:
            jobs = await many.submit_all(requests, runtime, max_in_flight=max_in_flight)
        return await many.results_in_order(jobs, check=check)

    def job_group(
        self,
        *,
        on_error: OnError = "terminate",
        reason: str = "another job of its group failed, or the program that submitted it ended",
    ) -> JobGroup:
        """Open a group of jobs that end together; use it with ``async with``.

        The block ends when all jobs of the group have ended. The first error ends it early: a job
        that FAILED or vanished, an exception in the block, a cancellation. Submissions that are
        under way at that moment are waited for, so that none of them is forgotten; the clean-up
        takes at most a minute, and the time that AWS's pace needs for so many jobs.

        Args:
            on_error: What becomes of jobs that have not ended then: ``"terminate"`` ends them,
                fifty with one call; ``"leave"`` lets them run on, and says how to find them.
            reason: Shown as the status reason of jobs that are terminated.

        Raises:
            InvalidRequest: `on_error` is neither, or the reason breaks a rule.
            ClientClosed: The client is not open.

        The block itself raises the first error, never in an ExceptionGroup: its own exception, or
        `JobFailed`, `JobVanished`, `APIError` of a job.
        """
        runtime = self._require_open()
        if on_error not in ("terminate", "leave"):
            raise InvalidRequest("on_error", on_error, 'either "terminate" or "leave"')
        check.reason(reason)
        return JobGroup(runtime, on_error=on_error, reason=reason)

    # -- finding and following --------------------------------------------------------------------

    async def as_completed(self, jobs: Iterable[Job]) -> AsyncIterator[Job]:
        """Yield jobs as they end, each once; awaiting one then returns or raises at once.

        Args:
            jobs: Handles of this client.

        Raises:
            InvalidRequest: `jobs` is no list of handles.
            ClientClosed: The client is not open, or is closed meanwhile.
            APIError: AWS does not let us ask about the jobs.
        """
        self._require_open()
        async for job in many.as_completed(arguments.handles(jobs)):
            yield job

    async def attach(self, job_ids: Iterable[str]) -> list[Job]:
        """Return handles for jobs by their ids, described and followed from now on.

        An id that AWS does not know is asked for again for `PollPolicy.unknown_grace` seconds; then
        awaiting its handle raises `JobVanished`.

        Args:
            job_ids: Ids of jobs, ``parent:index`` of array children, ``parent#node`` of nodes.

        Returns:
            Handles, in the order of the ids; an `ArrayJob` for each array that AWS knows by now.

        Raises:
            InvalidRequest: An id is not text, or empty.
            ClientClosed: The client is not open.
            APIError: AWS refused.
        """
        runtime = self._require_open()
        ids = arguments.job_ids(job_ids)
        described = await self.describe(ids)
        jobs = [
            runtime.known(described[job_id]) if job_id in described else runtime.handle(job_id)
            for job_id in ids
        ]
        for job in jobs:
            if not job.is_finished:
                runtime.poller.follow(job, is_known=job.id in described)
        return jobs

    async def resume(self) -> list[Job]:
        """Return handles of all jobs of the journal, to go on where the last program stopped.

        Jobs that had not ended are followed, those that had know their result already. A
        submission during which the program died is looked up; one that AWS did not accept has no
        handle: submit its request again, as `run` of the same requests does.

        Returns:
            Handles, in the order of their submission; of a request that was submitted several
            times, of the last.

        Raises:
            InvalidRequest: The client has no journal.
            SubmitUncertain: A submission cannot be settled; ``error.submitted`` has the handles of
                the other jobs, which are followed.
            JournalError: The journal cannot be read.
            ClientClosed: The client is not open, or is closed meanwhile.

        Example:
            ```python
            async with AsyncBatchClient(journal="run.db") as batch:
                await batch.submit("etl")

            async with AsyncBatchClient(journal="run.db") as batch:
                [job] = await batch.resume()
                assert (await job).succeeded
            ```
        """
        return await self._require_open().resume()

    async def describe(self, jobs: Iterable[Job | str]) -> dict[str, JobDescription]:
        """Return what AWS says about jobs now, with one call per 100 of them.

        Args:
            jobs: Handles or ids.

        Returns:
            Descriptions by job id; jobs that AWS does not know are absent.

        Raises:
            InvalidRequest: An id is not text, or empty.
            ClientClosed: The client is not open.
            APIError: AWS refused.
        """
        runtime = self._require_open()
        ids = list(dict.fromkeys(arguments.job_ids(jobs)))
        described: dict[str, JobDescription] = {}
        for start in range(0, len(ids), _DESCRIBE_LIMIT):
            batch = await runtime.api.describe_jobs(ids[start : start + _DESCRIBE_LIMIT])
            described.update((job.job_id, job) for job in batch)
        return described

    async def find(
        self,
        *,
        name: str | None = None,
        queue: str | None = None,
        status: JobStatus | Iterable[JobStatus] | None = None,
    ) -> list[Job]:
        """Find jobs of a queue with ListJobs, and return handles that know what it tells.

        Args:
            name: Job name in any case; it may end in ``*``.
            queue: Name or ARN of the job queue; None takes the default queue.
            status: One state or several; None takes all, which costs a call for each.

        Raises:
            InvalidRequest: A value breaks a rule.
            JobQueueNotFound: There is no such job queue.
            ClientClosed: The client is not open.
            APIError: AWS refused.
        """
        runtime = self._require_open()
        wanted = arguments.statuses(status)
        queue = queue or await runtime.default_queue()
        found: dict[str, JobDescription] = {}
        # AWS ignores the state when it filters by name, so one pass gets all states.
        for state in (None,) if name else wanted:
            async for job in runtime.api.list_jobs(queue=queue, name=name, status=state):
                if job.status in wanted or (status is None and not job.status.is_known):
                    found[job.job_id] = job
        return [runtime.known(job) for job in found.values()]

    async def job_queues(self) -> list[JobQueue]:
        """Return all job queues of the account and Region.

        Raises:
            ClientClosed: The client is not open.
            APIError: AWS refused.
        """
        return await self._require_open().api.job_queues()

    async def default_queue(self) -> str:
        """Return the name of the only job queue that is ENABLED and VALID.

        Raises:
            InvalidRequest: There is none, or more than one; the message names them.
            ClientClosed: The client is not open.
            APIError: AWS refused.
        """
        return await self._require_open().default_queue()

    # -- changing ---------------------------------------------------------------------------------

    async def terminate(
        self, jobs: Iterable[Job | str], *, reason: str = "terminated by asyncbatch"
    ) -> None:
        """Terminate jobs: those that run are stopped, the others never start.

        Returns when AWS has taken the orders; the jobs are FAILED some seconds later. Jobs that
        have ended already stay as they are. One call serves 50 jobs (TerminateJobs), unless the
        installed SDK or the endpoint does not know it yet.

        Args:
            jobs: Handles or ids; the parent of an array stands for all its children.
            reason: Shown as the jobs' status reason; at most 1,024 characters.

        Raises:
            InvalidRequest: An id or the reason breaks a rule.
            ClientClosed: The client is not open.
            APIError: AWS refused one; the others are terminated all the same.
        """
        runtime = self._require_open()
        check.reason(reason)
        await runtime.terminate(arguments.job_ids(jobs), reason)

    async def register_job_definition(
        self, definition: Mapping[str, Any] | str | PathLike[str], *, reuse: bool = True
    ) -> JobDefinition:
        """Register a job definition, or find the revision that has this very content already.

        Every RegisterJobDefinition makes a new revision. To recognise content, revisions carry its
        hash in the tag ``asyncbatch:definition-sha256``; where tagging is not allowed, a new
        revision is registered each time, with one warning.

        Args:
            definition: The definition in AWS's own spelling, or the path of a JSON file with it.
            reuse: Whether to look for an ACTIVE revision with the same content first.

        Raises:
            InvalidRequest: The file cannot be read, or the definition breaks a rule.
            ClientClosed: The client is not open.
            APIError: AWS refused.
        """
        runtime = self._require_open()
        return await runtime.register_job_definition(definition, reuse=reuse)
