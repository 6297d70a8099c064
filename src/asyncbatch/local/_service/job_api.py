"""The operations of AWS Batch on jobs.

As on AWS, ids of jobs that do not exist are not an error: DescribeJobs leaves them out, and ending
such a job succeeds.
"""

from collections.abc import Callable, Mapping
from typing import Any

from asyncbatch.local._engine.consumables import Consumables
from asyncbatch.local._engine.definitions import JobDefinitions
from asyncbatch.local._engine.dependencies import parse_dependencies
from asyncbatch.local._engine.engine import Engine
from asyncbatch.local._engine.errors import client_error, executing_error
from asyncbatch.local._engine.job_store import JobStore
from asyncbatch.local._engine.jobs import Job
from asyncbatch.local._engine.limits import (
    ARRAY_SIZE,
    DESCRIBED_JOBS,
    SUBMIT_BYTES,
    TERMINATED_JOBS,
    check_count,
    check_reason,
    check_size,
    check_tags,
    is_name,
)
from asyncbatch.local._engine.queues import JobQueues
from asyncbatch.local._engine.spec import build_spec
from asyncbatch.local._engine.submission import Submission, check_share
from asyncbatch.local._service.descriptions import job_detail, job_summary
from asyncbatch.local._service.ledger import Ledger, SubmittedJob
from asyncbatch.local._service.listing import IsVisible, list_jobs
from asyncbatch.local._service.messages import Call, Visibility
from asyncbatch.local._time.clock import Clock, epoch_milliseconds

Result = dict[str, Any]
_FRONT_OF_QUEUE = 100  # jobs in a GetJobQueueSnapshot response


class JobApi:
    """Submits, describes, lists and ends jobs."""

    def __init__(
        self,
        *,
        engine: Engine,
        jobs: JobStore,
        queues: JobQueues,
        definitions: JobDefinitions,
        consumables: Consumables,
        clock: Clock,
        ledger: Ledger,
    ) -> None:
        self._engine = engine
        self._jobs = jobs
        self._queues = queues
        self._definitions = definitions
        self._consumables = consumables
        self._clock = clock
        self._ledger = ledger

    def handlers(self) -> dict[str, Callable[[Call], Result]]:
        """Return the handler of each operation."""
        return {
            "SubmitJob": self.submit_job,
            "DescribeJobs": self.describe_jobs,
            "ListJobs": self.list_jobs,
            "TerminateJob": self.terminate_job,
            "TerminateJobs": self.terminate_jobs,
            "CancelJob": self.cancel_job,
            "CancelJobs": self.cancel_jobs,
            "GetJobQueueSnapshot": self.get_job_queue_snapshot,
        }

    def submit_job(self, call: Call) -> Result:
        """Carry out SubmitJob."""
        check_size("The SubmitJob request", call.body, SUBMIT_BYTES)
        params = call.params
        if not is_name(params["jobName"]):
            raise executing_error("Job name should match valid pattern", call.request_id)
        queue = self._queues.for_job(params["jobQueue"])
        check_share(params, queue)
        definition = self._definitions.for_job(params["jobDefinition"])
        size = _array_size(params)
        tags = dict(params.get("tags", {}))
        check_tags(tags)
        spec = build_spec(params, definition)
        self._consumables.require(spec.consumables)
        depends_on = list(params.get("dependsOn", []))
        submission = Submission(
            name=params["jobName"],
            queue=queue,
            definition=definition,
            spec=spec,
            tags=tags,
            depends_on=depends_on,
            array_size=size,
        )
        # All validation comes before this line: a rejected request must not leave a job behind.
        job = self._engine.submit(submission, parse_dependencies(depends_on, size, self._jobs.find))
        self._record(job, size)
        return {"jobArn": job.arn, "jobName": job.name, "jobId": job.id}

    def describe_jobs(self, call: Call) -> Result:
        """Carry out DescribeJobs; unknown ids are left out of the result."""
        references = call.params["jobs"]
        check_count("jobs", references, DESCRIBED_JOBS)
        is_visible = self._visibility_rule(call.visibility)
        found = dict.fromkeys(self._jobs.find(reference) for reference in references)
        return {"jobs": [job_detail(job) for job in found if job is not None and is_visible(job)]}

    def list_jobs(self, call: Call) -> Result:
        """Carry out ListJobs."""
        jobs, token = list_jobs(
            call.params,
            queues=self._queues,
            store=self._jobs,
            is_visible=self._visibility_rule(call.visibility),
        )
        result: Result = {"jobSummaryList": [job_summary(job) for job in jobs]}
        return result if token is None else {**result, "nextToken": token}

    def terminate_job(self, call: Call) -> Result:
        """Carry out TerminateJob."""
        self._end([call.params["jobId"]], call.params["reason"], self._engine.terminate)
        return {}

    def terminate_jobs(self, call: Call) -> Result:
        """Carry out TerminateJobs."""
        return self._end_many(call, self._engine.terminate)

    def cancel_job(self, call: Call) -> Result:
        """Carry out CancelJob."""
        self._end([call.params["jobId"]], call.params["reason"], self._engine.cancel)
        return {}

    def cancel_jobs(self, call: Call) -> Result:
        """Carry out CancelJobs."""
        return self._end_many(call, self._engine.cancel)

    def get_job_queue_snapshot(self, call: Call) -> Result:
        """Carry out GetJobQueueSnapshot."""
        queue = self._queues.get(call.params["jobQueue"])
        front = self._engine.front_of(queue, _FRONT_OF_QUEUE)
        jobs = [{"jobArn": job.arn, "earliestTimeAtPosition": job.queued_at} for job in front]
        now = epoch_milliseconds(self._clock)
        return {"frontOfQueue": {"jobs": jobs, "lastUpdatedAt": now}}

    def _end_many(self, call: Call, end: Callable[[Job, str], None]) -> Result:
        references = call.params["jobs"]
        check_count("jobs", references, TERMINATED_JOBS)
        # Every second id, so that a bulk request has successes and errors at once.
        left_out: list[str] = references[::2] if call.visibility.partial_error else []
        done = [reference for reference in references if reference not in left_out]
        self._end(done, call.params["reason"], end)
        code, message = call.visibility.partial_error or ("", "")
        errors = [{"job": job, "code": code, "message": message} for job in left_out]
        return {"successful": done, "errors": errors}

    def _end(self, references: list[str], reason: str, end: Callable[[Job, str], None]) -> None:
        """End jobs; jobs that do not exist count as ended."""
        check_reason(reason)
        for reference in references:
            job = self._jobs.find(reference)
            if job is not None:
                end(job, reason)

    def _visibility_rule(self, visibility: Visibility) -> IsVisible:
        """Return whether a response to a call that arrives now shows a job."""
        if (visibility.lag, visibility.retention) == (0.0, float("inf")):
            return _always  # nearly every call: a listing then checks nothing per job
        now = self._clock.time() * 1000
        lag, retention = visibility.lag * 1000, visibility.retention * 1000

        def is_visible(job: Job) -> bool:
            ended = now if job.stopped_at is None else job.stopped_at
            return now - job.created_at >= lag and now - ended <= retention

        return is_visible

    def _record(self, job: Job, size: int | None) -> None:
        self._ledger.submissions.append(
            SubmittedJob(
                job_id=job.id,
                name=job.name,
                queue=job.queue.name,
                array_size=size,
                at=self._clock.time(),
            )
        )


def _array_size(params: Mapping[str, Any]) -> int | None:
    size: int | None = params.get("arrayProperties", {}).get("size")
    if size is not None and size not in ARRAY_SIZE:
        raise client_error("Job array size must be between 2 and 10000.")
    return size


def _always(_job: Job) -> bool:
    return True
