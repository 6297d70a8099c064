"""`BatchJobException`; all other errors of the adapter are those of `asyncbatch`."""

from typing import Self

from asyncbatch import JobFailed, JobResult, LogEvent, fit_for_terminal


class BatchJobException(JobFailed):
    """The job of a task FAILED.

    The message starts with ``Job {id} failed:``, as that of ``luigi.contrib.batch`` does. The
    job's name, the reason and the last log lines follow.

    Attributes:
        result: Result of the job: description, times, failure.
        log_tail: Last log events of the failed attempt; empty if there are none.
    """

    def __init__(self, result: JobResult, log_tail: tuple[LogEvent, ...] = ()) -> None:
        """Build the message in the form that users of ``luigi.contrib.batch`` know."""
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
