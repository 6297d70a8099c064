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
        log_tail: Last log events of the failed attempt; empty if there are none. The message
            leaves them out if all of the log has been copied to Luigi's log.
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
        headline = f"Job {self.job_id} failed: {fit_for_terminal(result.name)}: {reason}"
        self.args = ("\n".join([headline, *last_lines(self)]),)

    @classmethod
    def from_failure(cls, error: JobFailed, *, is_log_copied: bool = False) -> Self:
        """Return the same failure as this class, with the notes that were added to it.

        Args:
            error: The failure.
            is_log_copied: Whether Luigi's log has the job's log already.
        """
        exception = cls(error.result, error.log_tail)
        if is_log_copied:
            exception.args = cls(error.result).args
        for note in getattr(error, "__notes__", ()):
            exception.add_note(note)
        return exception


def last_lines(error: JobFailed) -> list[str]:
    """Return the last log lines of a failed job, safe for logs."""
    return [fit_for_terminal(event.message) for event in error.log_tail]


def with_last_lines(explanation: Any, error: BaseException) -> Any:  # noqa: ANN401 - Luigi's
    """Return what Luigi shows of a failure on its page and in e-mails, with the last log lines.

    The error's own message has none if they are in Luigi's log, which is read elsewhere.
    """
    if not isinstance(error, BatchJobException) or not isinstance(explanation, str):
        return explanation
    lines = "\n".join(last_lines(error))
    return explanation if lines in explanation else f"{explanation.rstrip()}\n{lines}\n"
