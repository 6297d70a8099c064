"""The adapter's one error of its own; every other one is `asyncbatch`'s."""

from typing import Self

from asyncbatch import JobFailed, JobResult, LogEvent


class BatchJobException(JobFailed):
    """A task's job ended FAILED.

    Its message begins as that of ``luigi.contrib.batch`` does, with ``Job {id} failed:``; then
    come the reason and the last log lines.

    Attributes:
        result: How the job ended: description, times, failure.
        log_tail: The last log events of the attempt that failed; empty where there are none.
    """

    def __init__(self, result: JobResult, log_tail: tuple[LogEvent, ...] = ()) -> None:
        """Word the message in the way that Luigi's users know."""
        super().__init__(result, log_tail)
        reason = self.failure.message if self.failure else "no reason was given"
        lines = [f"Job {self.job_id} failed: {reason}"]
        lines += [event.message for event in self.log_tail]
        self.args = ("\n".join(lines),)

    @classmethod
    def from_failure(cls, error: JobFailed) -> Self:
        """Return the same failure in Luigi's words, with the notes that were made on it."""
        told = cls(error.result, error.log_tail)
        for note in getattr(error, "__notes__", ()):
            told.add_note(note)
        return told
