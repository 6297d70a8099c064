"""What the demo prints when its jobs have ended: a table, the failure explained, the calls made."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import groupby
from string import digits

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from asyncbatch._values.results import JobResult
from asyncbatch._values.status import JobStatus

_STYLES = {JobStatus.SUCCEEDED: "green", JobStatus.FAILED: "bold red"}
_SHOWN_CALLS = ("SubmitJob", "DescribeJobs", "GetLogEvents")

NEXT_STEPS = """\
The same program on AWS, with the Region and the credentials of your AWS configuration:

    async with AsyncBatchClient() as batch:
        result = await batch.submit("my-definition", queue="my-queue")

Next: docs/tutorials/first-run.md, ten minutes and still no account needed."""


def results_table(results: Sequence[JobResult]) -> Table:
    """Draw a row for each job; neighbours that ended alike share one."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("Job", no_wrap=True)
    table.add_column("Status", no_wrap=True)
    table.add_column("Exit", justify="right", no_wrap=True)
    table.add_column("Attempts", justify="right", no_wrap=True)
    table.add_column("Duration", justify="right", no_wrap=True)
    table.add_column("Reason")
    for _, alike in groupby(results, key=_likeness):
        table.add_row(*_row(list(alike)))
    return table


def count(result: JobResult) -> int:
    """Return how many jobs a result stands for: an array job counts as its children."""
    array = result.description.array
    return array.size if array and array.size else 1


def summary(results: Sequence[JobResult], calls: Mapping[str, int], seconds: float) -> str:
    """Say in two lines how the jobs ended and what it took to know."""
    ended: Counter[str] = Counter()
    for result in results:
        ended[result.status] += count(result)
    states = ", ".join(f"{number} {state}" for state, number in ended.items())
    made = ", ".join(f"{calls[name]} {name}" for name in _SHOWN_CALLS)
    others = sum(calls.values()) - sum(calls[name] for name in _SHOWN_CALLS)
    return (
        f"{ended.total()} jobs in {seconds:.1f} s: {states}.\n"
        f"API calls for all of them: {made}, {others} others."
    )


def _likeness(result: JobResult) -> tuple[object, ...]:
    job = result.description
    return (job.job_definition, job.status, job.exit_code, len(job.attempts))


def _row(alike: Sequence[JobResult]) -> list[str | Text]:
    job = alike[0].description
    return [
        _name(alike),
        Text(job.status, _STYLES.get(job.status, "")),
        "" if job.exit_code is None else str(job.exit_code),
        "" if job.is_array_parent else str(len(job.attempts)),
        _durations(alike),
        _reason(alike[0]),
    ]


def _name(alike: Sequence[JobResult]) -> str:
    if len(alike) > 1:
        return f"{alike[0].name.rstrip(digits)}* ({len(alike)} jobs)"
    number = count(alike[0])
    return alike[0].name if number == 1 else f"{alike[0].name} (array of {number})"


def _durations(alike: Sequence[JobResult]) -> str:
    seconds = [result.duration.total_seconds() for result in alike if result.duration]
    if not seconds:
        return ""
    least, most = f"{min(seconds):.1f}", f"{max(seconds):.1f}"
    return f"{most} s" if least == most else f"{least}-{most} s"


def _reason(result: JobResult) -> str:
    if result.failure is not None:
        return f"{result.failure.kind} (see below)"
    earlier = result.description.attempts[:-1]
    return "; ".join(f"attempt {each.number}: exit {each.exit_code}" for each in earlier)
