"""A run as a report sees it: jobs, and the submissions of each."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from asyncbatch._results.rows import first_start, last_part
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.failures import result_of
from asyncbatch._values.results import Failure, JobResult, LogEvent


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A time in which a job waited or ran.

    Attributes:
        begin: When it began.
        end: When it ended.
        ran: Whether the job ran; else it waited. AWS does not report when a job was STARTING: that
            is part of the time in which it waited.
        useful: Whether it ran and SUCCEEDED.
    """

    begin: datetime
    end: datetime
    ran: bool
    useful: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmissionRecord:
    """One submission of a job.

    Attributes:
        job_id: Job id; empty where it is not known.
        name: Job name.
        status: Its last known state.
        queue: Name of its job queue.
        description: Its last description; None where it is not known.
        failure: Why it failed; None where it did not.
        log: The last lines of its log, as far as they are known.
        array_size: Number of children; None for a job that is no array.
    """

    job_id: str
    name: str
    status: str
    queue: str = ""
    description: JobDescription | None = None
    failure: Failure | None = None
    log: Sequence[str] = ()
    array_size: int | None = None

    @classmethod
    def of_result(cls, result: JobResult, log: Sequence[LogEvent] = ()) -> Self:
        """Return the submission of a job that has ended."""
        job = result.description
        return cls(
            job_id=job.job_id,
            name=job.name,
            status=job.status,
            queue=last_part(job.queue) or "",
            description=job,
            failure=result.failure,
            log=[event.message for event in log],
            array_size=job.array.size if job.array else None,
        )

    @classmethod
    def of_description(cls, job: JobDescription, log: Sequence[LogEvent] = ()) -> Self:
        """Return the submission of a job that has ended, from its last description."""
        return cls.of_result(result_of(job), log)

    @property
    def queue_delay(self) -> float | None:
        """Seconds from the submission to the first start; None where it is not known."""
        job = self.description
        start = first_start(job) if job else None
        if job is None or job.created_at is None or start is None:
            return None
        return max((start - job.created_at).total_seconds(), 0.0)

    def segments(self) -> list[Segment]:
        """Return when the job waited and ran, in order."""
        job = self.description
        if job is None or job.created_at is None:
            return []
        succeeded = self.failure is None and self.status == "SUCCEEDED"
        runs = [(each.started_at, each.stopped_at) for each in job.attempts]
        if not runs:
            runs = [(job.started_at, job.stopped_at)]
        segments: list[Segment] = []
        since = job.created_at
        for number, (begin, end) in enumerate(runs, 1):
            if begin is None or end is None or end < begin:
                continue
            if begin > since:
                segments.append(Segment(begin=since, end=begin, ran=False))
            useful = succeeded and number == len(runs)
            segments.append(Segment(begin=begin, end=end, ran=True, useful=useful))
            since = max(since, end)
        if job.stopped_at is not None and job.stopped_at > since and not succeeded:
            segments.append(Segment(begin=since, end=job.stopped_at, ran=False))
        return segments


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportedJob:
    """A job, with the submissions that a `RecoveryPolicy` made for it, the first one first."""

    submissions: Sequence[SubmissionRecord]

    @property
    def last(self) -> SubmissionRecord:
        """The last submission, which is how the job ended."""
        return self.submissions[-1]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The jobs of a run, in the order of their requests."""

    jobs: Sequence[ReportedJob]

    def failed_ids(self) -> list[str]:
        """Return the ids of jobs that FAILED after an attempt and whose log is not known.

        Jobs of all kinds of failures come first: a few of each kind are enough for a report.
        """
        by_kind: dict[str, list[str]] = {}
        for job in self.jobs:
            last = job.last
            has_run = last.description is not None and last.description.attempts
            if last.failure is not None and has_run and not last.log:
                by_kind.setdefault(last.failure.kind, []).append(last.job_id)
        rounds = itertools.zip_longest(*by_kind.values())
        return [job_id for each in rounds for job_id in each if job_id is not None]

    def with_logs(self, logs: Mapping[str, Sequence[str]]) -> "Run":
        """Return the run with the last log lines of some jobs, by job id."""
        jobs = []
        for job in self.jobs:
            log = logs.get(job.last.job_id)
            if log:
                last = replace(job.last, log=log)
                job = ReportedJob(submissions=[*job.submissions[:-1], last])  # noqa: PLW2901 - the same job
            jobs.append(job)
        return Run(jobs=jobs)

    @classmethod
    def of_results(
        cls,
        results: Sequence[JobResult],
        *,
        earlier: Mapping[str, Sequence[JobResult]],
        logs: Mapping[str, Sequence[LogEvent]],
    ) -> Self:
        """Return a run of jobs that have ended."""

        def record(result: JobResult) -> SubmissionRecord:
            return SubmissionRecord.of_result(result, logs.get(result.job_id, ()))

        return cls(
            jobs=[
                ReportedJob(submissions=[*map(record, earlier.get(each.job_id, ())), record(each)])
                for each in results
            ]
        )
