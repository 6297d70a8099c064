"""The jobs that a person means: by id, name, beginning of a name, journal, queue, state and age.

An id is looked up with DescribeJobs wherever the job is. Names are those of one job queue. AWS
lists jobs that have ended for at least seven days.

Source: https://docs.aws.amazon.com/batch/latest/userguide/job_states.html
"""

import enum
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from asyncbatch._cli import completion, journals, output
from asyncbatch._cli.connecting import Connection
from asyncbatch._cli.errors import UsageError
from asyncbatch._values.part_ids import child_index
from asyncbatch._values.status import JobStatus
from asyncbatch._values.text import one_line

if TYPE_CHECKING:
    from asyncbatch import AsyncBatchClient, Job, JobDescription

_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_JOB_ID = re.compile(rf"{_UUID}(?:[:#]\d+)?")
_JOB_ARN = re.compile(rf"arn:[^:]+:batch:[^:]*:\d*:job/({_UUID}(?:[:#]\d+)?)")
_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
LIVE_STATES = tuple(status for status in JobStatus if not status.is_terminal)

_NAMES_HELP = (
    "Job ids, ARNs, names, beginnings of names such as 'etl-*', or the path of a journal, for the"
    " jobs of its run."
)

JobNames = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="JOB",
        help=_NAMES_HELP,
    ),
]
"""The argument of a command that chooses jobs by id or name, or all jobs of a queue."""

RequiredJobNames = Annotated[
    list[str],
    typer.Argument(
        metavar="JOB",
        help=_NAMES_HELP,
    ),
]
"""The argument of a command that needs at least one job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Conditions of jobs of a queue.

    Attributes:
        status: States.
        definition: Job definition.
        since: Age of the oldest job.
    """

    status: Annotated[
        list[str] | None,
        typer.Option(
            "--status",
            "-s",
            metavar="STATUS",
            help="Only jobs in this state, such as failed; repeat it or separate with commas.",
            autocompletion=lambda: [status.lower() for status in JobStatus],
        ),
    ] = None
    definition: Annotated[
        str | None,
        typer.Option(
            "--definition",
            "-d",
            metavar="NAME",
            help="Only jobs of this job definition: name, name:revision, or 'name*'.",
            autocompletion=completion.definitions,
        ),
    ] = None
    since: Annotated[
        str | None,
        typer.Option(
            metavar="AGE",
            help="Only jobs submitted since then: 30m, 6h, 2d, or a time like 2026-03-01T12:00.",
        ),
    ] = None

    def is_empty(self) -> bool:
        """Return whether there are no conditions."""
        return not (self.status or self.definition or self.since)


def is_job_id(text: str) -> bool:
    """Return whether a text is a job id, that of an array child or a node included."""
    return _JOB_ID.fullmatch(text) is not None


def without_arn(text: str) -> str:
    """Return the job id of a job's ARN; any other text as it is."""
    found = _JOB_ARN.fullmatch(text)
    return found[1] if found else text


def statuses(texts: Sequence[str] | None) -> list[JobStatus] | None:
    """Return the states that were given, in any case and separated by commas; None for none.

    Raises:
        UsageError: There is no such state.
    """
    if not texts:
        return None
    names = [name.strip().upper() for text in texts for name in text.split(",") if name.strip()]
    for name in names:
        if name not in JobStatus.__members__:
            known = ", ".join(status.lower() for status in JobStatus)
            raise UsageError(f"--status {one_line(name.lower())}: must be one of {known}.")
    return [JobStatus(name) for name in names]


def moment(option: str, text: str | None) -> datetime | None:
    """Return the time that an option names: an age such as ``6h``, or an ISO time.

    Raises:
        UsageError: It is neither.
    """
    if text is None:
        return None
    if age := _AGE.fullmatch(text.strip()):
        try:
            return output.now() - timedelta(**{_UNITS[age[2]]: float(age[1])})
        except OverflowError:
            raise _not_a_moment(option, text) from None
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise _not_a_moment(option, text) from None
    return parsed.astimezone() if parsed.tzinfo is None else parsed


def _not_a_moment(option: str, text: str) -> UsageError:
    return UsageError(
        f"{option} {one_line(text)}: must be an age such as 30s, 15m, 6h or 2d, or a time such as"
        " 2026-03-01T12:00."
    )


class Which(enum.Enum):
    """Which jobs are meant where neither a state nor an age is given."""

    ALL = "all jobs"
    LIVE = "jobs that have not ended"
    CURRENT = "jobs that have not ended; for a name with none, its newest job; all of a journal"


async def find_jobs(
    batch: "AsyncBatchClient",
    names: Iterable[str],
    connection: Connection,
    conditions: Filter,
    which: Which = Which.ALL,
) -> list["Job"]:
    """Return handles of the chosen jobs, each once, the newest first.

    A handle that was found by name follows its job only when it is awaited.

    Args:
        batch: The open client.
        names: Job ids, ARNs, names, beginnings of names, paths of journals; none means all jobs
            of the queue.
        connection: Has the queue of the names.
        conditions: Further conditions for jobs that are found by name or in a journal.
        which: Which jobs are meant by a name. Jobs that are given by id are always returned.

    Raises:
        UsageError: There is no job with an id or a name, or no journal; or a condition is
            malformed.
        AsyncBatchError: As `AsyncBatchClient.find`.
    """
    given = [without_arn(name) for name in names]
    searched: list[str | None] = [name for name in given if not is_job_id(name)]
    jobs = await _by_id(batch, [name for name in given if is_job_id(name)])
    for name in searched if given else [None]:
        if name is not None and journals.is_journal(name):
            jobs += await _of_journal(batch, name, conditions, which)
            continue
        found = await _by_name(batch, name, conditions, which)
        if name is not None and not found:
            raise await _no_such_name(batch, name, connection, conditions, which)
        jobs += found
    return sorted(dict.fromkeys(jobs), key=_age)


async def _by_name(
    batch: "AsyncBatchClient", name: str | None, conditions: Filter, which: Which
) -> list["Job"]:
    states = statuses(conditions.status)
    since = moment("--since", conditions.since)
    is_open = states is None and since is None
    # With a name, AWS lists jobs in all states; without one, each state costs a call.
    only_live = is_open and (which is Which.LIVE or (which is Which.CURRENT and name is None))
    jobs = await batch.find(
        name=name,
        status=LIVE_STATES if only_live else states,
        definition=conditions.definition,
        created_after=since,
    )
    if is_open and which is Which.CURRENT:
        return [job for job in jobs if not job.status.is_terminal] or sorted(jobs, key=_age)[:1]
    return jobs


async def _of_journal(
    batch: "AsyncBatchClient", path: str, conditions: Filter, which: Which
) -> list["Job"]:
    from asyncbatch._jobs.finding import search

    is_live_only = which is Which.LIVE and conditions.status is None and conditions.since is None
    states = LIVE_STATES if is_live_only else statuses(conditions.status)
    wanted = search(
        name=None,
        definition=conditions.definition,
        created_after=moment("--since", conditions.since),
        created_before=None,
        share_identifier=None,
        states=None if states is None else tuple(states),
    )
    jobs = await journals.jobs_of(batch, path)
    return [job for job in jobs if job.description and wanted.matches(job.description)]


async def _by_id(batch: "AsyncBatchClient", ids: Sequence[str]) -> list["Job"]:
    """Return handles of jobs by id.

    Raises:
        UsageError: AWS does not know one of them.
    """
    if not ids:
        return []
    described = await batch.describe(ids)
    missing = [job_id for job_id in dict.fromkeys(ids) if job_id not in described]
    if missing:
        one = (
            f"job {missing[0]} does not exist"
            if len(missing) == 1
            else (f"{len(missing)} jobs do not exist, such as {missing[0]}")
        )
        raise UsageError(
            f"{one} in Region {batch.region_name}. AWS forgets jobs some days after their end;"
            " check the id, --region and --profile."
        )
    return await batch.attach(ids)


async def _no_such_name(
    batch: "AsyncBatchClient",
    name: str,
    connection: Connection,
    conditions: Filter,
    which: Which,
) -> UsageError:
    queue = connection.queue or await batch.default_queue()
    named = (
        f"has a name like {one_line(name)}" if name.endswith("*") else f"is named {one_line(name)}"
    )
    states = statuses(conditions.status)
    kind = f"{' or '.join(states)} " if states else ""
    return UsageError(
        f"no {kind}job {named} in queue {one_line(queue)}{_further(conditions, which)}."
        f" List its jobs with `asyncbatch ls --all{connection.options()}`."
    )


def _further(conditions: Filter, which: Which) -> str:
    """Return the further conditions that the jobs had to meet."""
    definition, since = conditions.definition, conditions.since
    return "".join(
        (
            " that has not ended" if which is Which.LIVE and conditions.is_empty() else "",
            f" with definition {one_line(definition)}" if definition else "",
            f" submitted since {one_line(since)}" if since else "",
        )
    )


def _age(job: "Job") -> tuple[float, str]:
    created = job.description.created_at if job.description else None
    return (-(created or datetime.min.replace(tzinfo=UTC)).timestamp(), job.id)


async def children_of(
    batch: "AsyncBatchClient", array_id: str, states: Sequence[JobStatus] | None
) -> list["JobDescription"]:
    """Return summaries of the children of an array job by index: 1,000 with a call, for each state.

    Args:
        batch: The open client.
        array_id: Id of the array job.
        states: Only children in these states; None means all.
    """
    api = batch._require_open().api  # noqa: SLF001 - lists children; handles describe each of them
    children = [
        child
        for state in (tuple(JobStatus) if states is None else states)
        async for child in api.list_jobs(array_job_id=array_id, status=state)
    ]
    return sorted(children, key=lambda child: child_index(child.job_id) or 0)
