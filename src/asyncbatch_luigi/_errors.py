"""`BatchJobException`; all other errors of the adapter are those of `asyncbatch`."""

from typing import Any, Self

from asyncbatch import JobDescription, JobFailed, JobResult, JobStatus, fit_for_terminal

# What an error that the user raised says of its job.
_NO_JOB = JobResult(description=JobDescription(job_id="", status=JobStatus.FAILED))


class BatchJobException(JobFailed):
    """The job of a task FAILED.

    The message starts with ``Job {id} failed:``, as that of ``luigi.contrib.batch`` does. The
    job's name, the reason and the last log lines follow.

    Attributes:
        result: Result of the job: description, times, failure.
        log_tail: Last log events of the failed attempt; empty if there are none.
    """

    def __init__(self, *args: object) -> None:
        """Make the message of a failed job, or keep a text.

        Args:
            *args: A `JobResult` and a tuple of the last log events. Or anything else, such as a
                text, for code that raises this itself as with ``luigi.contrib.batch``: then the
                error is of no job.
        """
        result = args[0] if args else None
        if not isinstance(result, JobResult):
            super().__init__(_NO_JOB)
            self.args = args
            return
        log_tail: Any = args[1] if len(args) > 1 else ()
        super().__init__(result, log_tail)
        reason = self.failure.message if self.failure else "AWS Batch gave no reason"
        lines = [f"Job {self.job_id} failed: {fit_for_terminal(result.name)}: {reason}"]
        lines += [fit_for_terminal(event.message) for event in self.log_tail]
        self.args = ("\n".join(lines),)

    @classmethod
    def from_failure(cls, error: JobFailed) -> Self:
        """Return the same failure as this class, with the notes that were added to it."""
        exception = cls(error.result, error.log_tail)
        for note in getattr(error, "__notes__", ()):
            exception.add_note(note)
        return exception
