"""The words of a progress display, the same in terminals, notebooks and log files."""

from datetime import timedelta

from asyncbatch._values.showing import LOST
from asyncbatch._values.status import JobStatus
from asyncbatch._values.text import one_line
from asyncbatch.progress._model import ArrayProgress, FailedJob, Snapshot, WaitingJobs

ENDED, RUNS, WAITS = 0, 1, 2
"""Parts of a bar, from the left."""

NO_JOBS = "no jobs yet"


def part_of_bar(state: str) -> int:
    """Return the part of the bar in which jobs of a state are drawn."""
    if state in (JobStatus.SUCCEEDED, JobStatus.FAILED, LOST):
        return ENDED
    return RUNS if state == JobStatus.RUNNING else WAITS


def head(shown: Snapshot) -> str:
    """Return elapsed time, and how many of how many jobs ended."""
    return f"{duration(shown.elapsed)} {shown.ended:,}/{shown.total:,} jobs ended"


def pace(shown: Snapshot) -> str:
    """Return throughput and remaining time; empty while they are not known."""
    if shown.per_second is None:
        return ""
    per_second = shown.per_second
    if per_second >= 1:
        text = f"{per_second:,.1f}/s"
    elif per_second >= 1 / 60:
        text = f"{per_second * 60:.1f}/min"
    else:
        text = f"{per_second * 3600:.1f}/h"
    return text if shown.remaining is None else f"{text}, ETA {duration(shown.remaining)}"


def resubmissions(shown: Snapshot) -> str:
    """Return how often jobs were submitted again; empty for never."""
    return f"{shown.resubmitted:,} resubmitted" if shown.resubmitted else ""


def last_resubmission(shown: Snapshot) -> str:
    """Return which job was submitted again last, and why; empty if none was."""
    if not shown.last_resubmission:
        return ""
    return one_line(f"resubmitted: {shown.last_resubmission}")


def failure(failed: FailedJob, *, with_id: bool = True) -> str:
    """Return which job failed, and why."""
    which = f"{failed.name or '?'} ({failed.job_id})" if with_id else failed.name or failed.job_id
    return one_line(f"failed: {which}: {failed.message}")


def waiting(jobs: WaitingJobs) -> str:
    """Return which jobs wait, and why."""
    which = jobs.example if jobs.jobs == 1 else f"{jobs.jobs:,} jobs, such as {jobs.example}"
    return one_line(f"waiting: {which}: {jobs.reason.message}")


def array(progress: ArrayProgress) -> str:
    """Return how far an array job is."""
    failed = f", {progress.failed:,} FAILED" if progress.failed else ""
    return one_line(
        f"array: {progress.name}: {progress.ended:,}/{progress.size:,} children ended{failed}"
    )


def one_line_of(shown: Snapshot) -> str:
    """Return the progress as one line of plain text."""
    states = ", ".join(f"{count:,} {state}" for state, count in shown.counts.items())
    more = "; ".join(filter(None, (pace(shown), resubmissions(shown))))
    text = one_line(f"{head(shown)}: {states or NO_JOBS}")
    return f"{text}; {more}" if more else text


def duration(seconds: float) -> str:
    """Return a time as hours, minutes and seconds."""
    return str(timedelta(seconds=int(seconds)))
