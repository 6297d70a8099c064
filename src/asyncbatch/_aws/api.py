"""Every AWS call that the package makes, with values as arguments and results.

`retrying` decides how a call is paced and retried. Limits on the number of jobs in one call are
applied here and nowhere else.
"""

import contextlib
import dataclasses
import logging
import random
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass, field
from typing import Any, TypeVar

from asyncbatch._aws.connection import Connection
from asyncbatch._aws.retrying import (
    LOOKING_UP,
    POLLING,
    POLLING_MANY,
    READING,
    SENDING,
    Arguments,
    BuildArguments,
    Calls,
    Operation,
    Patience,
    Response,
)
from asyncbatch._aws.wire import resources, responses
from asyncbatch._aws.wire.responses import UNREADABLE
from asyncbatch._values import checks as check
from asyncbatch._values.descriptions import JobDefinition, JobDescription, JobQueue
from asyncbatch._values.errors import APIError, ServiceFault
from asyncbatch._values.events import Event
from asyncbatch._values.policies import RateLimits
from asyncbatch._values.resources import ComputeEnvironment, QueueSnapshot, RegisteredDefinition
from asyncbatch._values.status import JobStatus

logger = logging.getLogger("asyncbatch")

T = TypeVar("T")

DESCRIBE_LIMIT = 100
"""Jobs in one DescribeJobs.

https://docs.aws.amazon.com/batch/latest/APIReference/API_DescribeJobs.html
"""

TERMINATE_LIMIT = 50
"""Jobs in one TerminateJobs.

https://docs.aws.amazon.com/batch/latest/APIReference/API_TerminateJobs.html
"""

_LIST_LIMIT = 1_000
"""Jobs in one page of ListJobs; AWS's default is 100."""

FILTERED_PAGE = 100
"""Jobs in one page of ListJobs with a filter, at most.

https://docs.aws.amazon.com/batch/latest/APIReference/API_ListJobs.html
"""

_SUBMIT_JOB = Operation(
    service="batch", name="SubmitJob", pace="submit", required="jobId", required_type=str
)
_SUBMIT_OWN_ARGUMENTS = dataclasses.replace(_SUBMIT_JOB, validate=False)
_DESCRIBE_JOBS = Operation(service="batch", name="DescribeJobs", pace="describe", required="jobs")
_POLL_JOBS = dataclasses.replace(_DESCRIBE_JOBS, validate=False)
_LIST_JOBS = Operation(service="batch", name="ListJobs", pace="list", required="jobSummaryList")
# Listing a queue is a way of polling, so it shares the budget of DescribeJobs.
_POLL_QUEUE = dataclasses.replace(_LIST_JOBS, pace="describe", validate=False)
_DESCRIBE_JOB_QUEUES = Operation(
    service="batch", name="DescribeJobQueues", pace="list", required="jobQueues"
)
_DESCRIBE_COMPUTE_ENVIRONMENTS = Operation(
    service="batch", name="DescribeComputeEnvironments", pace="list", required="computeEnvironments"
)
_GET_JOB_QUEUE_SNAPSHOT = Operation(service="batch", name="GetJobQueueSnapshot", pace="list")
_DESCRIBE_JOB_DEFINITIONS = Operation(
    service="batch", name="DescribeJobDefinitions", pace="list", required="jobDefinitions"
)
_REGISTER_JOB_DEFINITION = Operation(
    service="batch",
    name="RegisterJobDefinition",
    pace="register",
    required="revision",
    required_type=int,
)
_TERMINATE_JOB = Operation(service="batch", name="TerminateJob", pace="terminate")
_TERMINATE_JOBS = Operation(service="batch", name="TerminateJobs", pace="terminate")
_CANCEL_JOB = Operation(service="batch", name="CancelJob", pace="terminate")
_CANCEL_JOBS = Operation(service="batch", name="CancelJobs", pace="terminate")
_READ_LOGS = {
    name: Operation(service="logs", name=name, pace=name, required="events")
    for name in ("GetLogEvents", "FilterLogEvents")
}

HasChanged = Callable[[str, responses.JobMark], bool]
"""Whether a job differs from how it was last described; called with its id and its mark."""

HasListingChanged = Callable[[str, responses.SummaryMark], bool]
"""Whether a listed job differs from how it was last listed; False for jobs of other programs."""


_MAX_EMPTY_PAGES = 100
"""Empty pages in a row after which a paginated response counts as endless."""


@dataclass(slots=True)
class Polled:
    """What one DescribeJobs returned.

    Attributes:
        jobs: By id, the description of a job that changed, and None for one that did not, or whose
            state cannot be read. Ids that AWS does not know are absent.
        is_complete: Whether every job in the response has an id, of its own. Else an absent id
            proves nothing.
    """

    jobs: dict[str, JobDescription | None] = field(default_factory=dict)
    is_complete: bool = True


class API:
    """The operations of AWS Batch and CloudWatch Logs that the package uses."""

    def __init__(
        self,
        connection: Connection,
        limits: RateLimits,
        rng: random.Random,
        report: Callable[[Event], None],
    ) -> None:
        """Use an open connection within `limits`; `report` gets throttling and retry events."""
        self._connection = connection
        self._shared = connection.shared_values
        self._calls = Calls(connection, limits, rng, report)

    async def submit_job(self, build: BuildArguments, *, validate: bool = True) -> str:
        """Submit a job and return its id; never sent twice where it may have arrived.

        Args:
            build: Builds the arguments of SubmitJob when the rate limit allows the call.
            validate: Whether the SDK checks them against its model.

        Raises:
            APIError: AWS refused it; with `ServiceFault` and `ConnectionFailed` it may have
                arrived.
        """
        operation = _SUBMIT_JOB if validate else _SUBMIT_OWN_ARGUMENTS
        response = await self._calls.send(operation, build, SENDING)
        job_id = str(response["jobId"])
        if not check.is_job_id(job_id):
            raise ServiceFault("SubmitJob", UNREADABLE, f"{job_id!r:.100} is no job id")
        return job_id

    async def describe_jobs(self, ids: Sequence[str]) -> list[JobDescription]:
        """Describe jobs, 100 with one call; ids that AWS does not know are absent."""
        return await self._describe(ids, READING)

    async def describe_for_look_up(self, ids: Sequence[str]) -> list[JobDescription]:
        """Describe jobs as `describe_jobs` does, and repeat a failed call sooner."""
        return await self._describe(ids, LOOKING_UP)

    async def _describe(self, ids: Sequence[str], patience: Patience) -> list[JobDescription]:
        found: list[JobDescription] = []
        for start in range(0, len(ids), DESCRIBE_LIMIT):
            arguments = {"jobs": list(ids[start : start + DESCRIBE_LIMIT])}
            response = await self._calls.send(_DESCRIBE_JOBS, arguments, patience)
            for job in _readable(self._description, response["jobs"]):
                if job.job_id in arguments["jobs"]:
                    found.append(job)
                else:
                    what = f"{job.job_id!r:.100}"
                    logger.warning("DescribeJobs returned an unknown job; ignoring %s", what)
        return found

    async def poll_jobs(
        self, choose: Callable[[], Sequence[str]], has_changed: HasChanged
    ) -> Polled:
        """Describe up to 100 jobs, and decode only those that changed.

        Faults that may pass are tolerated without limit, but for responses that cannot be read.

        Args:
            choose: Returns the ids, when the rate limit allows the call; none sends nothing.
            has_changed: Whether a job is worth decoding.

        Raises:
            ServiceFault: Twice in a row, the response cannot be read: see `is_unreadable`.
            APIError: AWS refused the call.
        """

        async def build() -> Arguments | None:
            ids = choose()
            return {"jobs": list(ids)} if ids else None

        response = await self._calls.send(_POLL_JOBS, build, POLLING_MANY)
        polled = Polled()
        by_id: dict[str, Any] = {}
        for job in response.get("jobs", ()):
            job_id = job.get("jobId") if isinstance(job, dict) else None
            if not isinstance(job_id, str):
                polled.is_complete = False
                logger.warning("DescribeJobs returned a job without an id; ignoring it")
            elif by_id.setdefault(job_id, job) != job:
                polled.is_complete = False
                by_id[job_id] = None
                logger.warning("DescribeJobs returned two different jobs %s; ignoring both", job_id)
        for job_id, job in by_id.items():
            changed = job and self._description_if_changed(job, has_changed)
            polled.jobs[job_id] = changed or None
        return polled

    async def poll_queue(
        self, queue: str, status: JobStatus, has_listing_changed: HasListingChanged
    ) -> AsyncGenerator[dict[str, JobDescription | None], None]:
        """List the jobs of a queue that are in a state, in pages of 1,000, for polling.

        It shares the rate limit of `poll_jobs`, and tolerates faults that may pass without limit.

        Args:
            queue: Name or ARN of the job queue.
            status: The state.
            has_listing_changed: Whether a job is worth decoding.

        Yields:
            By id, the summary of a job that changed, and None for any other.
        """
        arguments: Response = {
            "jobQueue": queue,
            "jobStatus": str(status),
            "maxResults": _LIST_LIMIT,
        }
        async with contextlib.aclosing(self._pages(_POLL_QUEUE, arguments, POLLING)) as pages:
            async for page in pages:
                found: dict[str, JobDescription | None] = {}
                for job in page["jobSummaryList"]:
                    mark = responses.summary_mark(job)
                    # Without a readable mark, the job is left to DescribeJobs.
                    if mark is not None and isinstance(job.get("jobId"), str):
                        changed = has_listing_changed(job["jobId"], mark)
                        summary = self._summary(job, queue=queue) if changed else None
                        found[job["jobId"]] = summary
                yield found

    async def list_jobs(
        self,
        *,
        queue: str | None = None,
        array_job_id: str | None = None,
        multi_node_job_id: str | None = None,
        condition: tuple[str, str] | None = None,
        status: JobStatus | None = None,
    ) -> AsyncIterator[JobDescription]:
        """List jobs of a queue, children of an array job, or nodes of a job, page by page.

        Args:
            queue: Name or ARN of the job queue.
            array_job_id: Parent of the children to list, instead of a queue.
            multi_node_job_id: Parent of the nodes to list, instead of a queue.
            condition: Name and value of a filter. With others than SHARE_IDENTIFIER, AWS ignores
                `status`.
            status: The one state to list.
        """
        arguments: Response = {}
        if array_job_id:
            arguments["arrayJobId"] = array_job_id
        elif multi_node_job_id:
            arguments["multiNodeJobId"] = multi_node_job_id
        else:
            arguments["jobQueue"] = queue
        if condition is not None:
            arguments["filters"] = [{"name": condition[0], "values": [condition[1]]}]
        else:
            arguments["maxResults"] = _LIST_LIMIT
        if status is not None:
            arguments["jobStatus"] = str(status)
        async for page in self._pages(_LIST_JOBS, arguments):
            for item in page["jobSummaryList"]:
                summary = self._summary(item, queue=queue)
                if summary is not None:
                    yield summary

    async def list_for_look_up(
        self, queue: str, *, name: str | None = None, created_after: float | None = None
    ) -> AsyncGenerator[list[responses.ListedJob], None]:
        """List jobs of a queue in all states, the newest first, in pages of 100.

        Args:
            queue: Name or ARN of the job queue.
            name: Lists the jobs with this name, in any case.
            created_after: Lists the jobs created later, in seconds since the epoch. An endpoint
                that does not know this filter lists all jobs. ListJobs takes one filter, so give
                either this or `name`.
        """
        if name is not None:
            condition = {"name": "JOB_NAME", "values": [name]}
        else:
            milliseconds = max(0, int((created_after or 0.0) * 1000) - 1)
            condition = {"name": "AFTER_CREATED_AT", "values": [str(milliseconds)]}
        arguments: Response = {"jobQueue": queue, "filters": [condition]}
        async with contextlib.aclosing(self._pages(_LIST_JOBS, arguments, LOOKING_UP)) as pages:
            async for page in pages:
                yield [responses.listed_job(job) for job in page["jobSummaryList"]]

    async def job_queues(
        self, names: Sequence[str] = (), *, patience: Patience = READING
    ) -> list[JobQueue]:
        """Return job queues of the account and Region.

        Args:
            names: Names or ARNs; none means all.
            patience: How long faults are tolerated.
        """
        arguments: Response = {"jobQueues": list(names)} if names else {}
        return [
            queue
            async for page in self._pages(_DESCRIBE_JOB_QUEUES, arguments, patience)
            for queue in _readable(responses.job_queue, page["jobQueues"])
        ]

    async def compute_environments(
        self, names: Sequence[str] = (), *, patience: Patience = READING
    ) -> list[ComputeEnvironment]:
        """Return compute environments of the account and Region.

        Args:
            names: Names or ARNs; none means all.
            patience: How long faults are tolerated.
        """
        arguments: Response = {"computeEnvironments": list(names)} if names else {}
        return [
            environment
            async for page in self._pages(_DESCRIBE_COMPUTE_ENVIRONMENTS, arguments, patience)
            for environment in _readable(resources.compute_environment, page["computeEnvironments"])
        ]

    async def queue_snapshot(self, queue: str, *, patience: Patience = READING) -> QueueSnapshot:
        """Return the first 100 RUNNABLE jobs of a queue, and what its jobs use.

        Args:
            queue: Name or ARN of the job queue.
            patience: How long faults are tolerated.

        Raises:
            ServiceFault: The response cannot be read.
        """
        response = await self._calls.send(_GET_JOB_QUEUE_SNAPSHOT, {"jobQueue": queue}, patience)
        try:
            return resources.queue_snapshot(response)
        except responses.Unreadable as error:
            raise ServiceFault("GetJobQueueSnapshot", UNREADABLE, str(error)) from None

    async def terminate_job(self, job_id: str, reason: str) -> None:
        """Terminate a job; one that has ended already stays as it is."""
        await self._calls.send(_TERMINATE_JOB, {"jobId": job_id, "reason": reason}, READING)

    async def terminate_jobs(self, ids: Sequence[str], reason: str) -> dict[str, APIError]:
        """Terminate at most 50 jobs with one call, and return the errors of those it was not.

        Raises:
            APIError: AWS refused the call as a whole, or does not have it.
        """
        arguments = {"jobs": list(ids), "reason": reason}
        response = await self._calls.send(_TERMINATE_JOBS, arguments, READING)
        return responses.refusals("TerminateJobs", ids, response)

    async def cancel_job(self, job_id: str, reason: str) -> None:
        """Cancel a job; one that has started or ended already stays as it is."""
        await self._calls.send(_CANCEL_JOB, {"jobId": job_id, "reason": reason}, READING)

    async def cancel_jobs(self, ids: Sequence[str], reason: str) -> dict[str, APIError]:
        """Cancel at most 50 jobs with one call, and return the errors of those it could not.

        Raises:
            APIError: AWS refused the call as a whole, or does not have it.
        """
        arguments = {"jobs": list(ids), "reason": reason}
        response = await self._calls.send(_CANCEL_JOBS, arguments, READING)
        return responses.refusals("CancelJobs", ids, response)

    async def offers(self, operation: str) -> bool:
        """Return whether the installed SDK knows an operation of AWS Batch."""
        return await self._connection.offers("batch", operation)

    async def register_job_definition(self, definition: Mapping[str, Any]) -> JobDefinition:
        """Register a new revision; repeated after a lost response: a spare revision is harmless."""
        response = await self._calls.send(_REGISTER_JOB_DEFINITION, definition, READING)
        return responses.job_definition(response)

    async def find_job_definition(
        self, name: str, has_content: Callable[[object], bool]
    ) -> JobDefinition | None:
        """Return an ACTIVE revision that has some content: the newest of the first page with one.

        Args:
            name: Name of the job definition.
            has_content: Whether a revision, as AWS describes it, has the content.
        """
        arguments: Response = {"jobDefinitionName": name, "status": "ACTIVE"}
        pages = self._pages(_DESCRIBE_JOB_DEFINITIONS, arguments)
        async with contextlib.aclosing(pages):
            async for page in pages:
                details = [detail for detail in page["jobDefinitions"] if has_content(detail)]
                found = _readable(responses.job_definition, details)
                if newest := max(found, key=lambda each: each.revision, default=None):
                    return newest
        return None

    async def job_definitions(self) -> AsyncIterator[RegisteredDefinition]:
        """List the ACTIVE revisions of all job definitions, page by page."""
        async for page in self._pages(_DESCRIBE_JOB_DEFINITIONS, {"status": "ACTIVE"}):
            for detail in page["jobDefinitions"]:
                try:
                    yield resources.registered_definition(detail, self._shared)
                except responses.Unreadable as error:
                    logger.warning("DescribeJobDefinitions: %s", error)

    def logs_per_second(self, operation: str, region: str | None = None) -> float:
        """Return the rate limit of GetLogEvents or FilterLogEvents in a Region."""
        return self._calls.logs_per_second(operation, region)

    async def read_logs(
        self,
        operation: str,
        arguments: Arguments | BuildArguments,
        patience: Patience = READING,
        *,
        region: str | None = None,
    ) -> Response:
        """Return one page of GetLogEvents or FilterLogEvents, in AWS's spelling.

        Args:
            operation: Which of the two.
            arguments: Its arguments in AWS's spelling, or a coroutine function that builds them
                when the rate limit allows the call. Where that returns None, nothing is sent and
                the page is empty: ``{}``.
            patience: How long faults are tolerated.
            region: Another Region than the client's own; it has a quota of its own.

        Raises:
            ResourceNotFound: The log group or stream does not exist (yet).
        """
        return await self._calls.send(_READ_LOGS[operation], arguments, patience, region=region)

    async def _pages(
        self, operation: Operation, arguments: Response, patience: Patience = READING
    ) -> AsyncGenerator[Response, None]:
        """Yield the pages of an operation.

        Raises:
            ServiceFault: There is no end: a token or a page comes again, or page after page is
                empty.
        """
        tokens: set[str] = set()
        empty = 0
        previous: object = None
        while True:
            page = await self._calls.send(operation, arguments, patience)
            yield page
            token = page.get("nextToken")
            if not token:
                return
            items = page[str(operation.required)]
            empty = 0 if items else empty + 1
            is_repeated = bool(items) and items == previous
            is_unusable = not isinstance(token, str) or token in tokens
            if is_repeated or is_unusable or empty >= _MAX_EMPTY_PAGES:
                raise ServiceFault(
                    operation.name, UNREADABLE, "the pages of the response never end"
                )
            tokens.add(token)
            previous = items
            arguments = {**arguments, "nextToken": token}

    def _description_if_changed(
        self, job: Response, has_changed: HasChanged
    ) -> JobDescription | None:
        mark = responses.mark(job)
        if mark is not None and not has_changed(job["jobId"], mark):
            return None
        try:
            return responses.job_description(job, self._shared)
        except responses.Unreadable as error:  # the last known state stays
            logger.warning("DescribeJobs: %s", error)
            return None

    def _description(self, job: Response) -> JobDescription:
        return responses.job_description(job, self._shared)

    def _summary(self, job: Any, queue: str | None = None) -> JobDescription | None:
        try:
            return responses.job_summary(job, self._shared, queue=queue)
        except responses.Unreadable as error:
            logger.warning("ListJobs: %s", error)
            return None


def _readable(decode: Callable[[Response], T], items: Iterable[Response]) -> Iterator[T]:
    """Decode items of a response; those that cannot be read are logged and left out."""
    for item in items:
        try:
            yield decode(item)
        except responses.Unreadable as error:
            logger.warning("%s", error)
