"""Every AWS call that the package makes, answered in values.

How a call is paced and retried is `_calls`' business. Sending a job may not be repeated like
reading: `submit_job` raises an unknown outcome to `_submission`, which settles it.
"""

import random
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Mapping,
    MutableMapping,
    Sequence,
)
from typing import Any

from asyncbatch._aws.connection import Connection
from asyncbatch._aws.retrying import POLLING, READING, SENDING, Answer, Caller, Patience
from asyncbatch._aws.wire import requests, responses
from asyncbatch._aws.wire.sharing import SharedValues
from asyncbatch._values.descriptions import JobDefinition, JobDescription, JobQueue
from asyncbatch._values.errors import APIError
from asyncbatch._values.events import Event
from asyncbatch._values.policies import RateLimits
from asyncbatch._values.status import JobStatus

Mark = responses.Mark
listed_mark = responses.summary_mark_of


class API:
    """The operations of AWS Batch and CloudWatch Logs that the package uses."""

    def __init__(
        self,
        connection: Connection,
        limits: RateLimits,
        rng: random.Random,
        notify: Callable[[Event], None],
    ) -> None:
        """Use an open connection at the given pace; `notify` hears of throttling and retries."""
        self._connection = connection
        self._shared = connection.shared_values
        self._caller = Caller(connection, limits, rng, notify)

    async def submit_turn(self) -> None:
        """Wait until the next `submit_job` may leave, to do something right before it."""
        await self._caller.turn("SubmitJob")

    async def submit_job(
        self, arguments: Mapping[str, Any], *, is_checked: bool = False, has_turn: bool = False
    ) -> str:
        """Submit a job and return its id; never sent twice where it may have arrived.

        Args:
            arguments: Those of SubmitJob, in AWS's spelling.
            is_checked: Whether they are all our own words, which need no check by the SDK's model.
            has_turn: Whether `submit_turn` was awaited before.

        Raises:
            APIError: AWS refused it; with `ServiceFault` and `ConnectionFailed` it may have
                arrived.
        """
        answer = await self._caller.call(
            "batch", "SubmitJob", arguments, SENDING, is_checked=is_checked, has_turn=has_turn
        )
        return str(answer["jobId"])

    async def describe_jobs(self, ids: Sequence[str]) -> list[JobDescription]:
        """Describe at most 100 jobs; ids that AWS does not know are absent."""
        answer = await self._caller.call("batch", "DescribeJobs", {"jobs": list(ids)}, READING)
        return [responses.job_description(job, self._shared) for job in answer.get("jobs", ())]

    async def poll_turn(self) -> None:
        """Wait until the next `poll_jobs` may leave, to choose its ids as late as possible."""
        await self._caller.turn("DescribeJobs")

    async def poll_jobs(
        self, ids: Sequence[str], marks: MutableMapping[str, Mark]
    ) -> dict[str, JobDescription | None]:
        """Describe those of at most 100 jobs that changed; `poll_turn` was awaited before.

        Faults that pass are borne for ever.

        Args:
            ids: Ids of jobs, children and nodes.
            marks: What was last seen of each job; brought up to date.

        Returns:
            By id, the description of a job that changed, and None for one that did not. Ids that
            AWS does not know are absent.
        """
        answer = await self._caller.call(
            "batch", "DescribeJobs", {"jobs": list(ids)}, POLLING, has_turn=True, is_checked=True
        )
        return {job["jobId"]: _news(job, marks, self._shared) for job in answer.get("jobs", ())}

    async def poll_queue(
        self, queue: str, status: JobStatus, marks: MutableMapping[str, Mark]
    ) -> AsyncGenerator[dict[str, JobDescription | None], None]:
        """List the jobs of a queue that are in a state, page by page of 1,000, for the poller.

        It is paced together with `poll_jobs`, and bears faults that pass for ever.

        Args:
            queue: Name or ARN of the job queue.
            status: The state.
            marks: What was last listed of each followed job; others are not in it.

        Yields:
            By id, the summary of a job that changed, and None for one that did not or is not
            followed.
        """
        arguments: Answer = {"jobQueue": queue, "jobStatus": str(status), "maxResults": 1000}
        while True:
            await self._caller.turn("DescribeJobs")
            page = await self._caller.call(
                "batch",
                "ListJobs",
                arguments,
                POLLING,
                has_turn=True,
                pace="DescribeJobs",
                is_checked=True,
            )
            jobs = page.get("jobSummaryList", ())
            yield {job["jobId"]: _listed_news(job, marks, self._shared) for job in jobs}
            if not page.get("nextToken"):
                return
            arguments = {**arguments, "nextToken": page["nextToken"]}

    async def list_jobs(
        self,
        *,
        queue: str | None = None,
        array_job_id: str | None = None,
        name: str | None = None,
        status: JobStatus | None = None,
    ) -> AsyncIterator[JobDescription]:
        """List jobs of a queue, or children of an array job, page by page.

        Args:
            queue: Name or ARN of the job queue.
            array_job_id: Parent of the children to list, instead of a queue.
            name: Job name, or its beginning with a ``*``; any case. AWS ignores `status` with it.
            status: The one state to list.
        """
        arguments: Answer = {}
        if array_job_id:
            arguments["arrayJobId"] = array_job_id
        else:
            arguments["jobQueue"] = queue
        if name is not None:
            arguments["filters"] = [{"name": "JOB_NAME", "values": [name]}]
        elif status is not None:
            arguments["jobStatus"] = str(status)
        async for page in self._pages("ListJobs", arguments):
            for summary in page.get("jobSummaryList", ()):
                yield responses.job_summary(summary, self._shared, queue=queue)

    async def job_queues(self) -> list[JobQueue]:
        """Return all job queues of the account and Region."""
        return [
            responses.job_queue(detail)
            async for page in self._pages("DescribeJobQueues", {})
            for detail in page.get("jobQueues", ())
        ]

    async def terminate_job(self, job_id: str, reason: str) -> None:
        """Terminate a job; one that has ended already stays as it is."""
        await self._caller.call(
            "batch", "TerminateJob", {"jobId": job_id, "reason": reason}, READING
        )

    async def terminate_jobs(self, ids: Sequence[str], reason: str) -> dict[str, APIError]:
        """Terminate at most 50 jobs with one call, and return why some of them were not.

        Raises:
            APIError: AWS refused the call as a whole, or does not have it.
        """
        answer = await self._caller.call(
            "batch", "TerminateJobs", {"jobs": list(ids), "reason": reason}, READING
        )
        return responses.refusals("TerminateJobs", ids, answer)

    async def offers(self, operation: str) -> bool:
        """Return whether the installed SDK knows an operation of AWS Batch."""
        return await self._connection.offers("batch", operation)

    async def register_job_definition(self, definition: Mapping[str, Any]) -> JobDefinition:
        """Register a new revision; repeated after a lost answer, as a spare one does no harm."""
        answer = await self._caller.call("batch", "RegisterJobDefinition", definition, READING)
        return responses.job_definition(answer)

    async def find_job_definition(self, name: str, content_hash: str) -> JobDefinition | None:
        """Return the newest ACTIVE revision that was registered with this content."""
        arguments = {"jobDefinitionName": name, "status": "ACTIVE"}
        found = [
            responses.job_definition(detail)
            async for page in self._pages("DescribeJobDefinitions", arguments)
            for detail in page.get("jobDefinitions", ())
            if detail.get("tags", {}).get(requests.DEFINITION_HASH_TAG) == content_hash
        ]
        return max(found, key=lambda definition: definition.revision, default=None)

    def logs_per_second(self, operation: str, region: str | None = None) -> float:
        """Return the configured pace of GetLogEvents or FilterLogEvents in a Region."""
        return self._caller.logs_per_second(operation, region)

    async def logs_turn(self, operation: str, region: str | None = None) -> None:
        """Wait until the next `read_logs` may leave, to choose its streams as late as possible."""
        await self._caller.turn(operation, region)

    async def read_logs(
        self,
        operation: str,
        arguments: Mapping[str, Any],
        patience: Patience = READING,
        *,
        region: str | None = None,
        has_turn: bool = False,
    ) -> Answer:
        """Return one page of GetLogEvents or FilterLogEvents, in AWS's spelling.

        Args:
            operation: Which of the two.
            arguments: Its arguments in AWS's spelling.
            patience: How long faults are borne.
            region: Another Region than the client's own; it has a quota of its own.
            has_turn: Whether `logs_turn` was awaited before.

        Raises:
            ResourceNotFound: There is no such group or stream, or not yet.
        """
        return await self._caller.call(
            "logs", operation, arguments, patience, region=region, has_turn=has_turn
        )

    async def _pages(self, operation: str, arguments: Answer) -> AsyncIterator[Answer]:
        while True:
            page = await self._caller.call("batch", operation, arguments, READING)
            yield page
            if not page.get("nextToken"):
                return
            arguments = {**arguments, "nextToken": page["nextToken"]}


def _news(
    job: Answer, marks: MutableMapping[str, Mark], shared: SharedValues
) -> JobDescription | None:
    """Return the description of a job unless it is marked as seen like this."""
    mark = responses.mark(job)
    if mark is not None:
        if marks.get(job["jobId"]) == mark:
            return None
        marks[job["jobId"]] = mark
    return responses.job_description(job, shared)


def _listed_news(
    summary: Answer, marks: MutableMapping[str, Mark], shared: SharedValues
) -> JobDescription | None:
    """Return the summary of a followed job unless it is marked as listed like this."""
    job_id = summary["jobId"]
    previous = marks.get(job_id)
    mark = responses.summary_mark(summary)
    if previous is None or previous == mark:
        return None
    marks[job_id] = mark
    return responses.job_summary(summary, shared)
