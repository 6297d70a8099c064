"""What the demo prints at its end: the results as a table, a summary, and the next steps."""

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
The same on AWS, with the Region and credentials of your AWS configuration:

    async with AsyncBatchClient() as batch:
        result = await batch.submit("my-definition", queue="my-queue")

Next step without AWS: `asyncbatch local` serves a local AWS Batch for your programs.
`asyncbatch --help` lists all commands."""


def results_table(results: Sequence[JobResult]) -> Table:
    """Return a table of the results; adjacent jobs with the same outcome share a row."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("Job", no_wrap=True)
    table.add_column("Status", no_wrap=True)
    table.add_column("Exit", justify="right", no_wrap=True)
    table.add_column("Attempts", justify="right", no_wrap=True)
    table.add_column("Duration", justify="right", no_wrap=True)
    table.add_column("Reason")
    for _, group in groupby(results, key=_outcome):
        table.add_row(*_row(list(group)))
    return table


def count(result: JobResult) -> int:
    """Return how many jobs a result represents: an array job counts as its children."""
    array = result.description.array
    return array.size if array and array.size else 1


def summary(results: Sequence[JobResult], calls: Mapping[str, int], seconds: float) -> str:
    """Summarize in two lines how the jobs ended and which API calls were made."""
    ended: Counter[str] = Counter()
    for result in results:
        ended[result.status] += count(result)
    states = ", ".join(f"{number} {state}" for state, number in ended.items())
    made = ", ".join(f"{calls[name]} {name}" for name in _SHOWN_CALLS)
    others = sum(calls.values()) - sum(calls[name] for name in _SHOWN_CALLS)
    return (
        f"{ended.total()} jobs in {seconds:.1f} s: {states}.\nAPI calls: {made}, {others} others."
    )


def _outcome(result: JobResult) -> tuple[object, ...]:
    job = result.description
    return (job.job_definition, job.status, job.exit_code, len(job.attempts))


def _row(group: Sequence[JobResult]) -> list[str | Text]:
    job = group[0].description
    return [
        _name(group),
        Text(job.status, _STYLES.get(job.status, "")),
        "" if job.exit_code is None else str(job.exit_code),
        "" if job.is_array_parent else str(len(job.attempts)),
        _durations(group),
        _reason(group[0]),
    ]


def _name(group: Sequence[JobResult]) -> str:
    if len(group) > 1:
        return f"{group[0].name.rstrip(digits)}* ({len(group)} jobs)"
    number = count(group[0])
    return group[0].name if number == 1 else f"{group[0].name} (array of {number})"


def _durations(group: Sequence[JobResult]) -> str:
    seconds = [result.duration.total_seconds() for result in group if result.duration]
    if not seconds:
        return ""
    least, most = f"{min(seconds):.1f}", f"{max(seconds):.1f}"
    return f"{most} s" if least == most else f"{least}-{most} s"


def _reason(result: JobResult) -> str:
    if result.failure is not None:
        return f"{result.failure.kind} (see below)"
    earlier = result.description.attempts[:-1]
    return "; ".join(f"attempt {each.number}: exit {each.exit_code}" for each in earlier)
