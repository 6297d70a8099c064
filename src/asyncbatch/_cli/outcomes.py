"""How the jobs of a command end: followed as they end, shown as a summary or as JSON lines."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio

from asyncbatch._cli import exit_codes, output
from asyncbatch._cli.job_facts import details, job_facts
from asyncbatch._cli.output import Column
from asyncbatch._jobs.handles import job_records
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import AsyncBatchError, ClientClosed
from asyncbatch._values.results import JobResult
from asyncbatch._values.status import JobStatus

if TYPE_CHECKING:
    from asyncbatch import Job
    from asyncbatch._session.records import JobRecord

_SHOWN_FAILURES = 20
_LOST = "UNKNOWN"


@dataclass(slots=True, kw_only=True, eq=False)
class Outcome:
    """A job of the command, and its end as soon as it is known.

    Attributes:
        job: The handle.
        line: Line of the file that has its request; None without a file.
        result: Its result.
        error: Why its end will not be known.
    """

    job: "Job"
    line: int | None = None
    result: JobResult | None = None
    error: AsyncBatchError | None = None

    @property
    def is_known(self) -> bool:
        """Whether nothing more is to come."""
        return self.result is not None or self.error is not None

    @property
    def succeeded(self) -> bool:
        """Whether the job SUCCEEDED."""
        return self.result is not None and self.result.succeeded


class Outcomes:
    """Follows jobs, and prints each as a JSON line at its end, if that is wanted.

    Attributes:
        of_jobs: All jobs so far, in the order in which they were added.
    """

    def __init__(self, *, as_json: bool) -> None:
        self.of_jobs: list[Outcome] = []
        self._as_json = as_json
        self._error: AsyncBatchError | None = None
        self._changed = anyio.Event()

    def follow(self, job: "Job", line: int | None = None) -> None:
        """Add a job."""
        outcome = Outcome(job=job, line=line)
        self.of_jobs.append(outcome)
        (record,) = job_records([job])
        with suppress(ClientClosed):  # the command is ending: nothing waits for the job
            record.add_done_callback(lambda record, error: self._ended(outcome, record, error))

    async def wait(self) -> None:
        """Wait until the ends of all jobs are known.

        Raises:
            AsyncBatchError: The jobs can no longer be followed.
        """
        for outcome in self.of_jobs:
            while not outcome.is_known:
                if self._error is not None:
                    raise self._error
                self._changed = anyio.Event()
                await self._changed.wait()

    def _ended(self, outcome: Outcome, record: "JobRecord", error: AsyncBatchError | None) -> None:
        latest = record.latest
        if latest.is_settled:
            outcome.result, outcome.error = latest.result, error
            if self._as_json:
                output.print_json_line(_facts(outcome))
        else:
            self._error = error
        self._changed.set()

    # -- summary ----------------------------------------------------------------------------------

    @property
    def unfinished(self) -> list["Job"]:
        """The jobs whose ends are not known."""
        return [outcome.job for outcome in self.of_jobs if not outcome.is_known]

    @property
    def failed(self) -> list[Outcome]:
        """The jobs that FAILED, and those whose ends will not be known."""
        return [each for each in self.of_jobs if each.is_known and not each.succeeded]

    @property
    def exit_code(self) -> int:
        """Exit code of a command that waited for the jobs."""
        return exit_codes.JOB_FAILED if self.failed else exit_codes.SUCCEEDED

    def counts(self) -> Mapping[str, int]:
        """Return the number of jobs by state; those that were not seen again as UNKNOWN."""
        states = Counter(_state(outcome) for outcome in self.of_jobs)
        return {state: states[state] for state in (*JobStatus, _LOST) if states[state]}

    def print_summary(self, **further: object) -> None:
        """Print how many jobs ended how, and the failures.

        Args:
            **further: Further members of the JSON object.
        """
        if self._as_json:
            output.print_json_line({"type": "summary", "counts": self.counts(), **further})
            return
        failed = self.failed
        output.print_line(_totals(self.counts()))
        if not failed:
            return
        output.print_line()
        has_lines = any(outcome.line is not None for outcome in failed)
        columns = [Column("LINE", right=True)] if has_lines else []
        columns += [Column("JOB ID"), Column("NAME", cut=True), Column("REASON", cut=True)]
        rows = [_row(each, with_line=has_lines) for each in failed[:_SHOWN_FAILURES]]
        output.print_table(columns, rows)
        if len(failed) > _SHOWN_FAILURES:
            output.print_line(f"and {len(failed) - _SHOWN_FAILURES:,} more")


def submitted_facts(
    job: "Job", queue: str | None = None, definition: str | None = None
) -> dict[str, object]:
    """Return a job that was just submitted, for JSON, with the members that all commands have.

    Args:
        job: The job.
        queue: Its queue, as far as it is known.
        definition: Its job definition, as far as it is known.
    """
    described = JobDescription(
        job_id=job.id,
        name=job.name,
        status=JobStatus.SUBMITTED,
        queue=queue,
        job_definition=definition,
    )
    return job_facts(job.description or described)


def _facts(outcome: Outcome) -> dict[str, object]:
    place: dict[str, object] = {} if outcome.line is None else {"line": outcome.line}
    if outcome.result is not None:
        return {"type": "job", **place, **job_facts(outcome.result.description)}
    facts = {"job_id": outcome.job.id, "name": outcome.job.name, "status": None}
    return {"type": "job", **place, **facts, "error": str(outcome.error)}


def _state(outcome: Outcome) -> str:
    if outcome.error is not None:
        return _LOST
    return outcome.result.status if outcome.result else outcome.job.status


def _totals(counts: Mapping[str, int]) -> str:
    texts = [f"{count:,} {state}" for state, count in counts.items()]
    return ", ".join(texts) or "no jobs"


def _row(outcome: Outcome, *, with_line: bool) -> Sequence[object]:
    if outcome.result is not None and outcome.result.failure is not None:
        reason = outcome.result.failure.message
        if outcome.result.description.is_array_parent:
            reason = details(outcome.result.description)
    else:
        reason = str(outcome.error or "")
    cells = (outcome.job.id, outcome.job.name, reason)
    return (outcome.line, *cells) if with_line else cells
