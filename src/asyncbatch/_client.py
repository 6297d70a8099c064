"""`AsyncBatchClient`: submits jobs, follows them with few calls, and returns handles.

The client is light until it is opened: `import asyncbatch` loads neither asyncio nor aiobotocore.
What an open client consists of is in `_session`.
"""

import logging
import warnings
from collections.abc import AsyncIterator, Iterable, Mapping
from datetime import datetime, timedelta
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack, cast

from asyncbatch._aws import connection
from asyncbatch._aws.connection import Target
from asyncbatch._group import JobGroup, OnError
from asyncbatch._jobs import arguments, finding, many, rerun_many
from asyncbatch._jobs.array_job import ArrayJob
from asyncbatch._jobs.handles import job_handle, known_results, log_records
from asyncbatch._jobs.job import Job
from asyncbatch._jobs.submission import Submission
from asyncbatch._results.job_results import JobResults
from asyncbatch._session.observers import Observers, makes_a_context
from asyncbatch._session.settings import Settings
from asyncbatch._values import checks as check
from asyncbatch._values.defaults import JobDefaults
from asyncbatch._values.descriptions import Container, JobDefinition, JobDescription, JobQueue
from asyncbatch._values.errors import AsyncBatchError, ClientClosed, InvalidRequest
from asyncbatch._values.events import Observer
from asyncbatch._values.explanations import Explanation
from asyncbatch._values.policies import FailureLimit, Journal, LogPolicy, PollPolicy, RateLimits
from asyncbatch._values.recovery import RecoveryPolicy, optional_policy
from asyncbatch._values.requests import JobFields, JobRequest
from asyncbatch._values.results import LogEvent
from asyncbatch._values.status import JobStatus
from asyncbatch._values.text import one_line

if TYPE_CHECKING:  # loaded by `open`: a third of the time that the import may take
    from asyncbatch._session.background import Background
    from asyncbatch._session.session import Session

logger = logging.getLogger("asyncbatch")

_P = TypeVar("_P", PollPolicy, LogPolicy, RateLimits, JobDefaults)


class AsyncBatchClient:
    """An AWS Batch client for asyncio: many jobs, few calls, one background task.

    Use it with ``async with``, or call `open` and `aclose` yourself; the two calls may come from
    different tasks or notebook cells. Closing it stops following jobs; the jobs continue.

    Args:
        region_name: AWS Region; None takes the SDK's configuration, then ``AWS_REGION``.
        profile_name: Profile of the shared AWS configuration; None takes the SDK's default.
        session: An aioboto3 or aiobotocore session to use instead of a new one.
        endpoint_url: Endpoint of AWS Batch and CloudWatch Logs, such as a local AWS Batch's.
        poll: How often jobs are polled; None takes ``PollPolicy()``.
        logs: How logs are read, and how many last lines a `JobFailed` has; None takes
            ``LogPolicy()``.
        limits: Maximum calls a second, by kind of call; None takes ``RateLimits()``.
        journal: File in which submissions are kept, so that the same program continues after a
            crash: its path, or a `Journal`. None keeps nothing.
        observers: Functions that are called with every event; see `Observer`.
        recovery: How failed jobs are submitted again: a `RecoveryPolicy`, or a short form such as
            ``"spot:3,fallback=on-demand"``. None leaves them FAILED. A policy in `run`, or in the
            request itself, takes its place.
        defaults: Queue, tags and further values for requests that do not set them; see
            `JobDefaults`.

    Raises:
        InvalidRequest: An argument is invalid, or two exclude each other.

    Example:
        ```python
        async with AsyncBatchClient() as batch:
            job = await batch.submit("etl:3", parameters={"date": "2024-01-15"})
            async for event in job.logs():
                print(event.message)
            result = await job
        ```
    """

    def __init__(
        self,
        *,
        region_name: str | None = None,
        profile_name: str | None = None,
        session: object = None,
        endpoint_url: str | None = None,
        poll: PollPolicy | None = None,
        logs: LogPolicy | None = None,
        limits: RateLimits | None = None,
        journal: Journal | str | PathLike[str] | None = None,
        observers: Iterable[Observer] = (),
        recovery: RecoveryPolicy | str | None = None,
        defaults: JobDefaults | None = None,
    ) -> None:
        """Keep the configuration; nothing is read or sent before `open`."""
        self._settings = Settings(
            target=Target(
                region_name=region_name,
                profile_name=profile_name,
                session=session,
                endpoint_url=endpoint_url,
            ),
            poll=_policy("poll", poll, PollPolicy),
            logs=_policy("logs", logs, LogPolicy),
            limits=_policy("limits", limits, RateLimits),
            observers=Observers(_functions(observers)),
            journal=journal
            if journal is None or isinstance(journal, Journal)
            else Journal(journal),
            recovery=optional_policy(recovery),
            defaults=_policy("defaults", defaults, JobDefaults),
        )
        self._background: Background[Session] | None = None
        self._session: Session | None = None
        self._was_open = False

    # -- opening and closing ----------------------------------------------------------------------

    def __repr__(self) -> str:
        """Show the Region, whether the client is open, and how many jobs it follows."""
        session = self._session
        if session is not None:
            number = len(session.unfinished_records())
            jobs = "1 job" if number == 1 else f"{number:,} jobs"
            return one_line(f"<AsyncBatchClient {session.region_name} open, follows {jobs}>")
        region = self._settings.target.region_name
        state = "closed" if self._was_open else "not open yet"
        return one_line(f"<AsyncBatchClient {f'{region} ' if region else ''}{state}>")

    async def open(self) -> Self:
        """Connect and start the background task; nothing is sent to AWS yet.

        Raises:
            NoRegion: No Region is configured anywhere.
            NoCredentials: The profile does not exist, or its credentials cannot be read.
            ConfigurationError: Another value of the AWS configuration is not valid.
            ClientClosed: The client is open already, or this is not asyncio.
            JournalError: The journal's file cannot be used.
        """
        import asyncio

        # In a thread: the import of some 80 modules reads files and would block the event loop.
        _require_asyncio()
        await asyncio.to_thread(_import_session)
        from asyncbatch._session.background import Background
        from asyncbatch._session.session import serve

        if self._background is not None:
            raise ClientClosed("this client is open already; one client serves many tasks")
        settings = self._settings
        self._background = Background(lambda ready, stop: serve(settings, ready, stop))
        try:
            self._session = await self._background.start()
        except BaseException:
            self._background = None
            raise
        self._was_open = True
        return self

    async def aclose(self) -> None:
        """Stop following jobs and disconnect; remote jobs continue. Closing twice is harmless."""
        background = self._background
        if background is None:
            return
        background.require_loop()
        self._background, self._session = None, None
        await background.stop()

    def __del__(self) -> None:
        """Warn of a client that was not closed, and stop its background task."""
        background = getattr(self, "_background", None)  # None where __init__ raised
        if background is not None and background.drop():
            warnings.warn(
                "unclosed AsyncBatchClient: use `async with AsyncBatchClient()`, or aclose()",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )

    async def __aenter__(self) -> Self:
        """Open the client."""
        return await self.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the client; after an error, log once which jobs continue and how to find them."""
        session = self._session
        await self.aclose()
        if session is None or error is None:
            return
        message = session.remaining_jobs_message()
        if message is not None:
            logger.warning("%s", message)

    @property
    def is_open(self) -> bool:
        """Whether the client can be used."""
        return self._session is not None

    @property
    def region_name(self) -> str:
        """AWS Region that the open client uses.

        Raises:
            ClientClosed: The client is not open.
        """
        return self._require_open().region_name

    @property
    def followed_jobs(self) -> list[Job]:
        """The jobs that the open client follows: those whose end is not known yet.

        Raises:
            ClientClosed: The client is not open.
        """
        session = self._require_open()
        return [job_handle(session, record) for record in session.unfinished_records()]

    def add_observer(self, observer: Observer) -> None:
        """Call an observer with every event from now on, whether the client is open or not.

        Args:
            observer: As in `observers`. One that is called already stays as it is.

        Raises:
            InvalidRequest: It is not a function, or an async one.
        """
        for each in _functions([observer]):
            self._settings.observers.add(each)

    def remove_observer(self, observer: Observer) -> None:
        """Call an observer no more; one that is not called is ignored."""
        self._settings.observers.remove(observer)

    def _require_open(self) -> "Session":
        if self._session is None:
            how = "was closed" if self._was_open else "is not open yet"
            raise ClientClosed(f"this client {how}: use `async with AsyncBatchClient()`, or open()")
        self._session.require_open()
        return self._session

    # -- submitting -------------------------------------------------------------------------------

    async def submit(
        self, job: str | JobRequest | JobDefinition, /, **fields: Unpack[JobFields]
    ) -> Job:
        """Submit one job.

        A lost response is looked up before anything is sent again. Cancelling the caller withdraws
        a request that was not sent yet; a request that was sent continues, and its job is followed.
        With a journal, a request that already has a job is not sent again: the handle of that job
        is returned, unless the job failed or vanished and `Journal.rerun_failed` is True.

        Args:
            job: A `JobRequest`, or the job definition of a new one.
            **fields: Fields of `JobRequest`; with a `JobRequest` they replace its own.

        Returns:
            The handle of the job, which is an `ArrayJob` if there is an `array_size`.

        Raises:
            InvalidRequest: A value breaks a rule; nothing was sent.
            UnknownField: A request has no such field; the error names the one that was meant.
            JobQueueNotFound, JobDefinitionNotFound: AWS does not know it, or it is not usable.
            SubmitUncertain: The response was lost, and the look-up could not decide.
            JournalError: The journal cannot be written; nothing was sent.
            ClientClosed: The client is not open.
            APIError: AWS refused, or could not be reached.
        """
        session = self._require_open()
        submission = session.start_submission(session.submit, _request(job, fields))
        return job_handle(session, await submission.outcome)

    def start_submit(
        self, job: str | JobRequest | JobDefinition, /, **fields: Unpack[JobFields]
    ) -> Submission:
        """Start to submit one job as `submit` does, and return the submission at once.

        Use it if a caller that is cancelled needs to know whether its request was sent. If the
        submission is dropped, it continues.

        Args:
            job: As for `submit`.
            **fields: As for `submit`.

        Raises:
            InvalidRequest: A value breaks a rule; nothing was sent.
            ClientClosed: The client is not open.
        """
        session = self._require_open()
        return Submission(session, session.start_submission(session.submit, _request(job, fields)))

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
            raise InvalidRequest("array_size", fields["array_size"], "pass `size` instead")
        fields["array_size"] = size
        return cast("ArrayJob", await self.submit(job, **fields))

    async def submit_many(
        self,
        requests: many.Requests,
        *,
        coalesce: bool = False,
        recovery: RecoveryPolicy | str | None = None,
    ) -> list[Job]:
        """Submit many jobs at the pace that AWS allows.

        Args:
            requests: Any iterable of `JobRequest`, synchronous or asynchronous; it is read as fast
                as jobs are submitted.
            coalesce: Whether requests that differ only in values of `environment` are submitted
                together, as array jobs; see `coalesce`. All requests are read first in this case.
            recovery: How failed jobs are submitted again, for requests with no policy of their own;
                None takes that of the client.

        Returns:
            One handle per request, in the order of the requests. A request that was submitted as
            part of an array gets the handle of its child job.

        Raises:
            APIError, InvalidRequest, SubmitUncertain, JournalError: As `submit`. No further request
                is sent; ``error.submitted`` has the handles of those that were.
            ClientClosed: The client is not open.
        """
        session = self._require_open()
        check.flag("coalesce", coalesce)
        requests = many.with_recovery(requests, optional_policy(recovery))
        submit = many.submit_coalesced if coalesce else many.submit_all
        return await submit(session, requests)

    async def run(
        self,
        requests: many.Requests,
        *,
        max_in_flight: int | None = None,
        coalesce: bool = False,
        check: bool = True,
        recovery: RecoveryPolicy | str | None = None,
        stop_on: FailureLimit | None = None,
    ) -> JobResults:
        """Submit many jobs, wait until all have ended, and return their results.

        Args:
            requests: Any iterable of `JobRequest`, synchronous or asynchronous.
            max_in_flight: Maximum number of jobs that are submitted and have not ended; None
                submits all at once.
            coalesce: As for `submit_many`; not together with `max_in_flight`, as an array's
                children are all in flight at once.
            check: Whether a job that FAILED raises, after all have ended. False returns all
                results.
            recovery: How failed jobs are submitted again, for requests with no policy of their own;
                None takes that of the client.
            stop_on: When to stop submitting since jobs fail for the same permanent reason; not
                together with `coalesce`. None submits all requests, whatever happens to the jobs.

        Returns:
            Results, in the order of the requests: a list that shows and exports itself.

        Raises:
            JobFailed: A job FAILED; the first in order, with a note on up to nine others.
                ``error.results.logs`` has the last log lines of these jobs, some of each kind of
                failure. As with all of these errors, ``error.results`` has the results of all jobs
                that have ended.
            RunStopped: No further job was submitted, as `stop_on` says; jobs that were submitted
                before continue.
            JobVanished: AWS no longer knows a job.
            InvalidRequest: A value breaks a rule.
            ClientClosed: The client is not open.
            APIError, SubmitUncertain, JournalError: As `submit_many`.
        """
        session = self._require_open()
        arguments.check_run(max_in_flight=max_in_flight, coalesce=coalesce, check=check)
        if coalesce and max_in_flight is not None:
            raise InvalidRequest("max_in_flight", max_in_flight, "None where coalesce is True")
        if stop_on is not None and (coalesce or not isinstance(stop_on, FailureLimit)):
            rule = "must be a FailureLimit or None, and None where coalesce is True"
            raise InvalidRequest("stop_on", stop_on, rule)
        requests = many.with_recovery(requests, optional_policy(recovery))
        try:
            if coalesce:
                jobs = await many.submit_coalesced(session, requests)
            else:
                jobs = await many.submit_all(
                    session, requests, max_in_flight=max_in_flight, stop_on=stop_on
                )
            return await many.results_in_order(jobs, check=check)
        except AsyncBatchError as error:
            error.results = error.results or known_results(error.submitted)
            raise error.with_traceback(None) from error.__cause__

    async def rerun_failed(self, jobs: Iterable[Job], **changes: Unpack[JobFields]) -> list[Job]:
        """Submit those of some jobs that FAILED again, and nothing else.

        Failed children of one array, such as those of requests that were submitted with
        ``coalesce=True``, become one smaller array, and each keeps its original index; see
        `ArrayJob.rerun_failed`. Other jobs are submitted again from their descriptions; see
        `Job.clone`. All requests are made first: if one job cannot run again, nothing is sent.

        Args:
            jobs: Handles of jobs that have ended: those of `submit_many`, of `resume` for a journal
                that is finished, or of `find`.
            **changes: Fields of `JobRequest` that replace those of the failed jobs.

        Returns:
            A handle for each job, in order: of its new submission, or the same one if it SUCCEEDED.

        Raises:
            InvalidRequest: A job has not ended, or cannot run again; the rule says why.
            APIError, SubmitUncertain, JournalError: As `submit_many`.
            ClientClosed: The client is not open.

        Example:
            ```python
            jobs = await batch.submit_many(
                [JobRequest("etl", command=["false"]), JobRequest("etl")]
            )
            for job in jobs:
                await job.result(check=False)
            again = await batch.rerun_failed(jobs, command=["true"])
            assert again[1] is jobs[1]
            ```
        """
        session = self._require_open()
        return await rerun_many.rerun_failed(session, arguments.handles(jobs), changes)

    def job_group(
        self,
        *,
        on_error: OnError = "terminate",
        reason: str = "another job of its group failed, or the program that submitted it ended",
    ) -> JobGroup:
        """Open a group of jobs that end together; use it with ``async with``.

        The block ends when all jobs of the group have ended. The first error ends it early: a job
        that FAILED or vanished, an exception in the block, a cancellation. Submissions in progress
        at that moment are waited for, so that no job is lost; the clean-up takes at most a minute,
        plus the time that the rate limit needs to terminate the jobs.

        The block raises the first error itself, not wrapped in an ExceptionGroup: either its own
        exception, or a job's `JobFailed`, `JobVanished` or `APIError`.

        Args:
            on_error: What happens to jobs that have not ended: ``"terminate"`` ends them, fifty
                with one call; ``"leave"`` lets them continue, and logs how to find them.
            reason: Shown as the status reason of jobs that are terminated.

        Raises:
            InvalidRequest: `on_error` is neither of the two, or the reason breaks a rule.
            ClientClosed: The client is not open.
        """
        session = self._require_open()
        if on_error not in ("terminate", "leave"):
            raise InvalidRequest("on_error", on_error, 'must be "terminate" or "leave"')
        check.reason(reason)
        return JobGroup(session, on_error=on_error, reason=reason)

    # -- finding and following --------------------------------------------------------------------

    async def as_completed(self, jobs: Iterable[Job]) -> AsyncIterator[Job]:
        """Yield jobs as they end, each once; awaiting one then returns or raises at once.

        Args:
            jobs: Handles of this client.

        Raises:
            InvalidRequest: `jobs` is not a list of handles.
            ClientClosed: The client is not open, or is closed meanwhile.
            APIError: AWS refuses to describe the jobs.
        """
        self._require_open()
        async for job in many.as_completed(arguments.handles(jobs)):
            yield job

    async def job(self, job_id: str) -> Job:
        """Return the handle of one job by its id, described and followed from now on.

        Args:
            job_id: Id of a job, ``parent:index`` of an array child, ``parent#node`` of a node.

        Returns:
            Its handle, the same object wherever the client returns it; an `ArrayJob` if AWS already
            describes the job as an array.

        Raises:
            InvalidRequest: The id is empty, an ARN, or not a job id.
            ClientClosed: The client is not open.
            APIError: AWS refused.

        Example:
            ```python
            submitted = await batch.submit("etl")
            job = await batch.job(submitted.id)
            assert job is submitted
            ```
        """
        (job,) = await self.attach([job_id])
        return job

    async def attach(self, job_ids: Iterable[str]) -> list[Job]:
        """Return handles for jobs by their ids, described and followed from now on.

        An id that AWS does not know is described again for `PollPolicy.unknown_grace` seconds; then
        awaiting its handle raises `JobVanished`.

        Args:
            job_ids: Ids of jobs, ``parent:index`` of array children, ``parent#node`` of nodes.

        Returns:
            Handles, in the order of the ids; an `ArrayJob` for each job that AWS already describes
            as an array.

        Raises:
            InvalidRequest: An id is empty, an ARN, or not a job id.
            ClientClosed: The client is not open.
            APIError: AWS refused.
        """
        session = self._require_open()
        ids = arguments.job_ids(job_ids)
        described = await self.describe(ids)
        records = [session.records.record(job_id) for job_id in ids]
        for record in records:
            if record.id in described:
                record.update(described[record.id])
            if not record.is_finished:
                session.poller.follow(record, is_known=record.id in described)
        return [job_handle(session, record) for record in records]

    async def resume(self) -> list[Job]:
        """Return handles of all jobs of the journal, to continue where the last program stopped.

        Unfinished jobs are followed; finished jobs already have their results. A submission during
        which the program died is looked up; one that AWS did not accept has no handle: submit its
        request again, as `run` of the same requests does.

        Returns:
            Handles, in the order of their submission. If a request was submitted several times,
            only the handle of its last job is returned.

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
        session = self._require_open()
        if session.resumption is None:
            raise InvalidRequest("journal", None, "resume() needs AsyncBatchClient(journal=...)")
        records, errors = await session.resumption.resume()
        jobs = [job_handle(session, record) for record in records]
        if errors:
            errors[0].submitted = tuple(jobs)
            errors[0].add_note(f"{len(errors)} submissions cannot be settled. Jobs: {len(jobs)}.")
            raise errors[0]
        return jobs

    async def resolve_submission(
        self, *, key: str | None = None, name: str | None = None, job_id: str | None
    ) -> None:
        """Record in the journal what became of a submission that raised `SubmitUncertain`.

        Use it after looking the job up by hand. Then run the program again, or call `resume`.
        Several equal submissions are settled one by one, the oldest first.

        Args:
            key: Key of the request; give either this or `name`.
            name: Job name of the submission.
            job_id: Id of the job that it made; None if it made none, so that it is sent again.

        Raises:
            InvalidRequest: The client has no journal; the journal has no such undecided submission,
                or several whose requests differ; AWS does not know the job, the job was made by
                another submission, or its name, queue, definition, size, tag or time differ.
            ClientClosed: The client is not open.
            APIError: AWS refused to describe the job.

        Example:
            ```python
            from asyncbatch import SubmitUncertain

            async with AsyncBatchClient(journal="run.db") as batch:
                try:
                    await batch.submit("etl", name="nightly")
                except SubmitUncertain as error:
                    print(error)  # says how to look the job up
                    await batch.resolve_submission(name="nightly", job_id=None)
            ```
        """
        session = self._require_open()
        if session.resumption is None:
            raise InvalidRequest(
                "journal", None, "resolve_submission() needs AsyncBatchClient(journal=...)"
            )
        arguments.one_of(key=key, name=name)
        check.optional_text("job_id", job_id, at_most=128)
        await session.resumption.resolve(session.api, key=key, name=name, job_id=job_id)

    async def describe(self, jobs: Iterable[Job | str]) -> dict[str, JobDescription]:
        """Return the current descriptions of jobs, with one call per 100 of them.

        Args:
            jobs: Handles or ids.

        Returns:
            Descriptions by job id; jobs that AWS does not know are absent.

        Raises:
            InvalidRequest: An id is empty, an ARN, or not a job id.
            ClientClosed: The client is not open.
            APIError: AWS refused.
        """
        session = self._require_open()
        ids = list(dict.fromkeys(arguments.job_ids(jobs)))
        return {job.job_id: job for job in await session.api.describe_jobs(ids)}

    async def explain(self, job: Job | str) -> Explanation:
        """Explain why a job waits or why it failed, and what to do.

        It reads the job, and what its state makes worth reading: the jobs that it depends on up to
        the root, failed children, the queue with its compute environments and its front. Most
        failed jobs cost one call, RUNNABLE jobs up to five. A permission that is missing for the
        further calls is named in the explanation, which then rests on the other facts.

        Args:
            job: A handle, or the id of a job, ``parent:index`` of an array child, ``parent#node``
                of a node.

        Raises:
            JobVanished: AWS does not know the job.
            InvalidRequest: The id is empty, an ARN, or not a job id.
            ClientClosed: The client is not open.
            APIError: AWS refused to describe the job.

        Example:
            ```python
            job = await batch.submit("etl", command=["sh", "-c", "exit 3"])
            await job.result(check=False)
            explanation = await batch.explain(job)
            print(explanation)
            assert explanation.findings[0].source.startswith("DescribeJobs")
            ```
        """
        session = self._require_open()
        from asyncbatch._explaining.explain import explain

        (job_id,) = arguments.job_ids([job])
        ever_seen = isinstance(job, Job) and job.description is not None
        return await explain(session.api, job_id, ever_seen=ever_seen)

    async def find(
        self,
        *,
        name: str | None = None,
        queue: str | None = None,
        status: JobStatus | Iterable[JobStatus] | None = None,
        definition: str | None = None,
        created_after: datetime | timedelta | None = None,
        created_before: datetime | timedelta | None = None,
        share_identifier: str | None = None,
    ) -> list[Job]:
        """Find jobs of a queue with ListJobs, and return handles with their summaries.

        ListJobs takes one filter. The first one that is given of `name`, `definition`,
        `share_identifier`, `created_after` is left to AWS, and costs a call for 100 jobs that meet
        it; `created_before` is, if no other one and no `status` is given. All other conditions are
        checked here. Without a filter, each state costs a call for 1,000 jobs.

        Args:
            name: Job name, case-insensitive; a trailing ``*`` matches any ending.
            queue: Name or ARN of the job queue; None takes the default queue.
            status: One state or several; None means all.
            definition: Job definition, case-sensitive: a name, a name with a trailing ``*``,
                ``name:revision``, or an ARN.
            created_after: Only jobs that were submitted then or later: an aware datetime, or a
                timedelta back from now.
            created_before: Only jobs that were submitted earlier, as for `created_after`.
            share_identifier: Share identifier in a queue with a fair-share policy.

        Raises:
            InvalidRequest: A value breaks a rule.
            JobQueueNotFound: AWS does not know the job queue.
            ClientClosed: The client is not open.
            APIError: AWS refused.

        Example:
            ```python
            recent = await batch.find(
                definition="etl",
                status=JobStatus.FAILED,
                created_after=timedelta(hours=2),
            )
            ```
        """
        session = self._require_open()
        search = finding.search(
            name=name,
            definition=definition,
            created_after=created_after,
            created_before=created_before,
            share_identifier=share_identifier,
            states=None if status is None else arguments.statuses(status),
        )
        check.optional_text("queue", queue, at_most=2048)
        queue = queue or await session.default_queue()
        found: dict[str, JobDescription] = {}
        for condition, state in search.listings():
            async for job in session.api.list_jobs(queue=queue, condition=condition, status=state):
                if search.matches(job):
                    found[job.job_id] = job
        records = [session.records.listed(job) for job in found.values()]
        return [job_handle(session, record) for record in records]

    async def job_queues(self) -> list[JobQueue]:
        """Return all job queues of the account and Region.

        Raises:
            ClientClosed: The client is not open.
            APIError: AWS refused.
        """
        return await self._require_open().api.job_queues()

    async def default_queue(self) -> str:
        """Return the queue of `JobDefaults`, or the only job queue that is ENABLED and VALID.

        Raises:
            InvalidRequest: There is none, or more than one; the message names them.
            ClientClosed: The client is not open.
            APIError: AWS refused.
        """
        return await self._require_open().default_queue()

    # -- logs --------------------------------------------------------------------------------------

    async def logs(
        self,
        jobs: Iterable[Job | str],
        *,
        follow: bool = True,
        tail: int | None = None,
        since: datetime | timedelta | None = None,
    ) -> AsyncIterator[LogEvent]:
        """Yield the log lines of many jobs as they come, merged into one stream.

        One call reads the streams of up to a hundred jobs; `LogEvent.job_id` and `LogEvent.label`
        identify the job that wrote a line. The lines of each job come in order, each once. No line
        is dropped: a slow consumer gets them later, and never slows down another one.

        Args:
            jobs: Handles or ids.
            follow: Wait for more until all jobs have ended and their logs are complete; False
                yields the lines that exist now and stops.
            tail: Begin with only this many last lines of each job's latest attempt.
            since: Leave out earlier lines: an aware datetime, or a timedelta back from now.

        Raises:
            LogsUnavailable: The logs of a job are not in CloudWatch Logs. As with the following
                errors, the lines of all other jobs are yielded first; notes name further jobs.
            JobVanished: AWS no longer knows a job.
            APIError: AWS refuses access to the logs.
            InvalidRequest: `jobs` is not a list of jobs, an id is not text, `tail` is not positive,
                or `since` is neither a datetime nor a timedelta.
            ClientClosed: The client is not open, or was closed meanwhile.

        Example:
            ```python
            jobs = await batch.submit_many([JobRequest("etl"), JobRequest("etl")])
            async for event in batch.logs(jobs):
                print(event.job_id, event.message)
            ```
        """
        session = self._require_open()
        each = arguments.jobs_each(jobs)
        arguments.job_ids(each)
        records = log_records(session, each, tail)
        async for event in session.logs.events(records, follow=follow, tail=tail, since=since):
            yield event

    async def read_log_stream(
        self, stream: str, *, tail: int = 50, log_group: str | None = None
    ) -> list[LogEvent]:
        """Return the last events of a log stream that is known by name only.

        For a job, `Job.logs` finds the streams by itself.

        Args:
            stream: Name of a CloudWatch log stream. One that does not exist has no events.
            tail: Maximum number of events.
            log_group: Name of its log group; None takes that of AWS Batch, ``/aws/batch/job``.

        Raises:
            InvalidRequest: `tail` is not positive.
            ClientClosed: The client is not open.
            APIError: AWS refuses access to the logs.
        """
        session = self._require_open()
        check.integer("tail", tail, 1)
        options = {} if log_group is None else {"awslogs-group": log_group}
        container = Container(log_stream_name=stream, log_options=options)
        # The log reader takes descriptions; this one belongs to no job.
        description = JobDescription(job_id="", status=JobStatus.SUCCEEDED, containers=(container,))
        return await session.logs.tail(description, 1, tail)

    # -- terminating, registering ------------------------------------------------------------------

    async def terminate(
        self, jobs: Iterable[Job | str], *, reason: str = "terminated by asyncbatch"
    ) -> None:
        """Terminate jobs: those that run are stopped, the others never start.

        Returns when AWS has accepted the requests; the jobs are FAILED some seconds later. Jobs
        that have ended already stay as they are. One call serves 50 jobs (TerminateJobs), unless
        the installed SDK or the endpoint does not have it yet.

        Args:
            jobs: Handles or ids; the parent of an array stands for all its children.
            reason: Shown as the jobs' status reason; at most 1,024 characters.

        Raises:
            InvalidRequest: An id or the reason breaks a rule.
            ClientClosed: The client is not open.
            APIError: AWS refused to terminate a job; the others are terminated.
        """
        session = self._require_open()
        check.reason(reason)
        ids = arguments.job_ids(jobs)
        _raise_first(await session.terminate(ids, reason), len(ids), "terminated")

    async def cancel(
        self, jobs: Iterable[Job | str], *, reason: str = "cancelled by asyncbatch"
    ) -> None:
        """Cancel jobs: those that have not started end, the others continue.

        Returns when AWS has accepted the requests, whether a job had started or not: check its
        status. PENDING jobs are cancelled when the jobs that they depend on have ended. One call
        serves 50 jobs (CancelJobs), unless the installed SDK or the endpoint does not have it yet.
        `terminate` ends jobs that run as well.

        Args:
            jobs: Handles or ids; the parent of an array stands for all its children.
            reason: Shown as the jobs' status reason; at most 1,024 characters.

        Raises:
            InvalidRequest: An id or the reason breaks a rule.
            ClientClosed: The client is not open.
            APIError: AWS refused to cancel a job; the requests for the others were accepted.
        """
        session = self._require_open()
        check.reason(reason)
        ids = arguments.job_ids(jobs)
        _raise_first(await session.cancel(ids, reason), len(ids), "cancelled")

    async def register_job_definition(
        self, definition: Mapping[str, Any] | str | PathLike[str], *, reuse: bool = True
    ) -> JobDefinition:
        """Register a job definition, or find the revision that has the same content already.

        Every RegisterJobDefinition makes a new revision. Each revision is tagged with a hash of its
        content (``asyncbatch:definition-sha256``), so that equal content can be recognised. Where
        tagging is not allowed, a new revision is registered each time, with a warning.

        Args:
            definition: The definition in AWS's own spelling, or the path of a JSON file with it.
            reuse: Whether to look for an ACTIVE revision with the same content first.

        Raises:
            InvalidRequest: The file cannot be read, or the definition breaks a rule.
            ClientClosed: The client is not open.
            APIError: AWS refused.
        """
        session = self._require_open()
        from asyncbatch._submitting.definitions import register

        return await register(session.api, definition, reuse=reuse)


def _request(job: str | JobRequest | JobDefinition, fields: JobFields) -> JobRequest:
    return job.replace(**fields) if isinstance(job, JobRequest) else JobRequest(job, **fields)


def preload() -> None:
    """Import all that clients need, which otherwise happens when the first one opens.

    It takes most of a second. Call it in a process that is about to fork children which open
    clients, or in a thread while the program does something else.
    """
    _import_session()
    connection.preload()


def _import_session() -> None:
    from asyncbatch._explaining import explain  # noqa: F401 - imported for `explain`
    from asyncbatch._session import background, session  # noqa: F401 - imported for `open`


def _policy(field: str, value: _P | None, kind: type[_P]) -> _P:
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise InvalidRequest(field, value, f"must be a {kind.__name__}, or None for its defaults")
    return value


def _require_asyncio() -> None:
    """Raise unless a task of asyncio is running.

    Raises:
        ClientClosed: This is another library's task, or none.
    """
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise ClientClosed(
            "no asyncio event loop is running here. The client needs asyncio; it does not run on"
            " trio."
        ) from None


def _functions(observers: Iterable[Observer]) -> tuple[Observer, ...]:
    check.iterable("observers", observers, rule="give a list of functions, even for one")
    given = tuple(observers)
    for observer in given:
        if makes_a_context(observer):
            rule = (
                "this makes a context manager, or is one. The observer is what it returns when it"
                " is entered: `with display() as observer:`, then observers=[observer]"
            )
            raise InvalidRequest("observers", observer, rule)
        if not callable(observer):
            raise InvalidRequest("observers", observer, "every item must be a function")
        if check.is_async(observer):
            rule = "must be plain functions: nothing would await an async one"
            raise InvalidRequest("observers", observer, rule)
    return given


def _raise_first(failed: dict[str, AsyncBatchError], total: int, done: str) -> None:
    """Raise the first error if there is any, with a note on how many of how many jobs failed.

    Raises:
        AsyncBatchError: A job could not be ended.
    """
    if not failed:
        return
    error = next(iter(failed.values()))
    if total > 1:
        error.add_note(f"{len(failed)} of {total} jobs could not be {done}.")
    raise error
