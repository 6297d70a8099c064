"""Every AWS call that the package makes: paced, retried by one rule, answered in values.

The one retry loop is `_Caller.call`. Reading may be repeated whatever happened. Sending a job may
not: `submit_job` is repeated only where the request certainly did not arrive, and an unknown
    outcome
is raised to `_submission`, which settles it.

How long a fault is borne depends on whether this endpoint has ever answered: a wrong endpoint is
told within seconds, an outage in the middle of a long run is sat through.
"""

import logging
import random
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from asyncbatch._aws import Connection
from asyncbatch._errors import (
    APIError,
    AsyncBatchError,
    ConnectionFailed,
    CredentialsExpired,
    ServiceFault,
    Throttled,
)
from asyncbatch._events import Event, RequestRetried, RequestThrottled
from asyncbatch._limiter import Pacer
from asyncbatch._models import JobDefinition, JobDescription, JobQueue
from asyncbatch._policy import Backoff, RateLimits
from asyncbatch._status import JobStatus
from asyncbatch._wire import answers, requests

Mark = answers.Mark

logger = logging.getLogger("asyncbatch")

Answer = dict[str, Any]

_FIRST_CONTACT_TRIES = 3
_CREDENTIAL_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a call bears faults that pass.

    Attributes:
        seconds: Time from the first fault on after which the last one is raised; None bears them
            for ever. Throttling is always borne: the pace gives way instead.
        may_repeat: Whether the call may be sent again although it may have arrived.
    """

    seconds: float | None
    may_repeat: bool = True


READING = Patience(120.0)
POLLING = Patience(None)
SENDING = Patience(600.0, may_repeat=False)


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
        self._caller = _Caller(connection, limits, rng, notify)

    async def submit_job(self, arguments: Mapping[str, Any]) -> str:
        """Submit a job and return its id; never sent twice where it may have arrived.

        Raises:
            APIError: AWS refused it; with `ServiceFault` and `ConnectionFailed` it may have
                arrived.
        """
        answer = await self._caller.call("batch", "SubmitJob", arguments, SENDING)
        return str(answer["jobId"])

    async def describe_jobs(self, ids: Sequence[str]) -> list[JobDescription]:
        """Describe at most 100 jobs; ids that AWS does not know are absent."""
        answer = await self._caller.call("batch", "DescribeJobs", {"jobs": list(ids)}, READING)
        return [answers.job_description(job) for job in answer.get("jobs", ())]

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
            "batch", "DescribeJobs", {"jobs": list(ids)}, POLLING, has_turn=True
        )
        return {job["jobId"]: _news(job, marks) for job in answer.get("jobs", ())}

    async def poll_queue(
        self, queue: str, status: JobStatus, marks: MutableMapping[str, Mark]
    ) -> AsyncIterator[dict[str, JobDescription | None]]:
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
                "batch", "ListJobs", arguments, POLLING, has_turn=True, pace="DescribeJobs"
            )
            jobs = page.get("jobSummaryList", ())
            yield {job["jobId"]: _listed_news(job, marks) for job in jobs}
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
                yield answers.job_summary(summary, queue=queue)

    async def job_queues(self) -> list[JobQueue]:
        """Return all job queues of the account and Region."""
        return [
            answers.job_queue(detail)
            async for page in self._pages("DescribeJobQueues", {})
            for detail in page.get("jobQueues", ())
        ]

    async def terminate_job(self, job_id: str, reason: str) -> None:
        """Terminate a job; one that has ended already stays as it is."""
        await self._caller.call(
            "batch", "TerminateJob", {"jobId": job_id, "reason": reason}, READING
        )

    async def register_job_definition(self, definition: Mapping[str, Any]) -> JobDefinition:
        """Register a new revision; repeated after a lost answer, as a spare one does no harm."""
        answer = await self._caller.call("batch", "RegisterJobDefinition", definition, READING)
        return answers.job_definition(answer)

    async def find_job_definition(self, name: str, content_hash: str) -> JobDefinition | None:
        """Return the newest ACTIVE revision that was registered with this content."""
        arguments = {"jobDefinitionName": name, "status": "ACTIVE"}
        found = [
            answers.job_definition(detail)
            async for page in self._pages("DescribeJobDefinitions", arguments)
            for detail in page.get("jobDefinitions", ())
            if detail.get("tags", {}).get(requests.DEFINITION_HASH_TAG) == content_hash
        ]
        return max(found, key=lambda definition: definition.revision, default=None)

    async def get_log_events(
        self, group: str, stream: str, *, region: str | None = None, **arguments: object
    ) -> Answer:
        """Return one page of a log stream, in AWS's spelling.

        Raises:
            ResourceNotFound: There is no such group or stream, or not yet.
        """
        asked = {"logGroupName": group, "logStreamName": stream, **arguments}
        return await self._caller.call("logs", "GetLogEvents", asked, READING, region=region)

    async def _pages(self, operation: str, arguments: Answer) -> AsyncIterator[Answer]:
        while True:
            page = await self._caller.call("batch", operation, arguments, READING)
            yield page
            if not page.get("nextToken"):
                return
            arguments = {**arguments, "nextToken": page["nextToken"]}


def _news(job: Answer, marks: MutableMapping[str, Mark]) -> JobDescription | None:
    """Return the description of a job unless it is marked as seen like this."""
    mark = answers.mark(job)
    if mark is not None:
        if marks.get(job["jobId"]) == mark:
            return None
        marks[job["jobId"]] = mark
    return answers.job_description(job)


def _listed_news(summary: Answer, marks: MutableMapping[str, Mark]) -> JobDescription | None:
    """Return the summary of a followed job unless it is marked as listed like this."""
    job_id = summary["jobId"]
    previous = marks.get(job_id)
    mark = answers.summary_mark(summary)
    if previous is None or previous == mark:
        return None
    marks[job_id] = mark
    return answers.job_summary(summary)


# What every answer to an operation has; a proxy or a login page says 200 and has not.
_ALWAYS_THERE = {
    "SubmitJob": "jobId",
    "DescribeJobs": "jobs",
    "ListJobs": "jobSummaryList",
    "DescribeJobQueues": "jobQueues",
    "DescribeJobDefinitions": "jobDefinitions",
    "RegisterJobDefinition": "revision",
    "GetLogEvents": "events",
}


def _require_answer(operation: str, answer: Mapping[str, Any]) -> None:
    """Raise unless an answer is one of AWS's.

    Raises:
        ConnectionFailed: Somebody else answered.
    """
    member = _ALWAYS_THERE.get(operation)
    if member is not None and member not in answer:
        said = f"the answer has no {member!r}, so it is not one of AWS's: a proxy, a login page?"
        raise ConnectionFailed(operation, "UnexpectedAnswer", said, may_have_arrived=True)


class _Caller:
    """One call after another: waits for its turn, sends, and decides what a fault means."""

    def __init__(
        self,
        connection: Connection,
        limits: RateLimits,
        rng: random.Random,
        notify: Callable[[Event], None],
    ) -> None:
        self._connection = connection
        self._rng = rng
        self._notify = notify
        self._backoff = Backoff()
        self._reached = False
        self._accepted = False
        listing = Pacer(limits.list_per_second)
        terminating = Pacer(limits.terminate_per_second)
        self._pacers = {
            "SubmitJob": Pacer(limits.submit_per_second),
            "DescribeJobs": Pacer(limits.describe_per_second),
            "ListJobs": listing,
            "DescribeJobQueues": listing,
            "DescribeJobDefinitions": listing,
            "TerminateJob": terminating,
            "RegisterJobDefinition": Pacer(limits.register_per_second),
            "GetLogEvents": Pacer(limits.log_events_per_second),
        }

    async def turn(self, operation: str) -> None:
        """Wait until the next call of an operation may leave."""
        await self._pacers[operation].turn()

    async def call(
        self,
        service: str,
        operation: str,
        arguments: Mapping[str, Any],
        patience: Patience,
        *,
        region: str | None = None,
        has_turn: bool = False,
        pace: str | None = None,
    ) -> Answer:
        """Send a call until it is answered, refused, or patience ends.

        Args:
            service: ``"batch"`` or ``"logs"``.
            operation: The operation in AWS's spelling.
            arguments: Its arguments in AWS's spelling.
            patience: How long faults are borne.
            region: Another Region than the connection's own.
            has_turn: Whether `turn` was awaited for the first try.
            pace: Operation whose pace it shares; None for its own.
        """
        pacer = self._pacers[pace or operation]
        tries = 0
        fault_since: float | None = None
        while True:
            if not has_turn:
                await pacer.turn()
            has_turn = False
            answer: Answer = {}
            try:
                # What may not be repeated is not torn apart either: its answer decides.
                with anyio.CancelScope(shield=not patience.may_repeat):
                    answer = await self._connection.call(service, operation, arguments, region)
                _require_answer(operation, answer)
            except AsyncBatchError as fault:
                tries += 1
                fault_since = anyio.current_time() if fault_since is None else fault_since
                self._reached |= isinstance(fault, APIError) and fault.status is not None
                if not self._bears(fault, patience, tries, anyio.current_time() - fault_since):
                    raise
                await self._wait(fault, tries, pacer)
            else:
                self._reached = self._accepted = True
                return answer

    def _bears(self, fault: AsyncBatchError, patience: Patience, tries: int, lasted: float) -> bool:
        """Return whether a fault may pass, so that the call is sent again."""
        if isinstance(fault, Throttled):
            return True
        if isinstance(fault, CredentialsExpired):
            # Credentials are renewed beside us, by the SDK or by somebody who logs in again.
            return self._accepted and lasted < _CREDENTIAL_SECONDS
        if isinstance(fault, ConnectionFailed):
            if not self._reached and tries >= _FIRST_CONTACT_TRIES:
                return False
            repeatable = patience.may_repeat or not fault.may_have_arrived
        else:
            repeatable = patience.may_repeat and isinstance(fault, ServiceFault)
        return repeatable and (patience.seconds is None or lasted < patience.seconds)

    async def _wait(self, fault: AsyncBatchError, tries: int, pacer: Pacer) -> None:
        """Slow down after throttling, back off after anything else."""
        if not isinstance(fault, APIError):
            return
        if isinstance(fault, Throttled):
            pace = pacer.throttled()
            logger.debug("%s was throttled: %.1f calls a second now", fault.operation, pace)
            self._notify(RequestThrottled(operation=fault.operation, per_second=pace))
            return
        delay = self._backoff.delay(tries, self._rng)
        logger.info("%s Sent again in %.1f s (try %d).", fault, delay, tries)
        self._notify(
            RequestRetried(operation=fault.operation, code=fault.code, tries=tries, delay=delay)
        )
        await anyio.sleep(delay)  # noqa: TID251 - gives a fault time to pass
