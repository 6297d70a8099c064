"""`asyncbatch queues`: job queues, what is in them, and where their jobs run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from asyncbatch import APIError, AsyncBatchClient, JobQueue
from asyncbatch._cli import choosing, completion, output
from asyncbatch._cli.connecting import Connection
from asyncbatch._cli.errors import UsageError
from asyncbatch._cli.job_facts import short_name
from asyncbatch._cli.output import AsJson, Column
from asyncbatch._cli.running import command, note
from asyncbatch._values.resources import ComputeEnvironment, QueueSnapshot
from asyncbatch._values.text import one_line

_COLUMNS = (
    Column("QUEUE", cut=True),
    Column("STATE"),
    Column("PRIO", right=True),
    *(Column(str(status), right=True) for status in choosing.LIVE_STATES),
)
_SHOWN = 5
"""Jobs at the front of a queue that are shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Queue:
    """What is known of a queue; None where it was not read, or cannot be."""

    queue: JobQueue
    depth: Mapping[str, int] | None = None
    environments: Sequence[ComputeEnvironment] = ()
    snapshot: QueueSnapshot | None = None


@command
async def queues(
    connection: Connection,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME", help="Names or ARNs of queues.", autocompletion=completion.queues
        ),
    ] = None,
    *,
    no_depth: Annotated[
        bool, typer.Option("--no-depth", help="Do not count the jobs; one call instead of many.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show job queues: state, depth, front, where jobs run.

    Without names, lists all queues with the number of jobs in each state; an array job counts as
    one. With names, also shows the compute environments, the first RUNNABLE jobs, and what the
    queue's jobs and shares use.
    """
    wanted = names or [*filter(None, [connection.given_queue])]
    async with connection.open() as batch:
        found = [each for each in await batch.job_queues() if _is_wanted(each, wanted)]
        _require_all(wanted, found)
        details = [
            await _read(batch, each, depth=not no_depth, details=bool(wanted)) for each in found
        ]
    details.sort(key=lambda each: each.queue.name)
    if as_json:
        output.print_json({"queues": [_facts(each) for each in details]})
    elif wanted:
        for each in details:
            _print(each)
    elif details:
        output.print_table(_COLUMNS, map(_row, details))
    else:
        note("No job queues.")


def _is_wanted(queue: JobQueue, wanted: Sequence[str]) -> bool:
    return not wanted or queue.name in wanted or queue.arn in wanted


def _require_all(wanted: Sequence[str], found: Sequence[JobQueue]) -> None:
    known = {name for queue in found for name in (queue.name, queue.arn)}
    for name in wanted:
        if name not in known:
            raise UsageError(
                f"there is no job queue {one_line(name)}."
                " List them all with `asyncbatch queues`, or check --region."
            )


async def _read(batch: AsyncBatchClient, queue: JobQueue, *, depth: bool, details: bool) -> _Queue:
    api = batch._require_open().api  # noqa: SLF001 - the client has no methods for these
    counts: dict[str, int] | None = {} if depth else None
    if counts is not None:
        for status in choosing.LIVE_STATES:
            jobs = api.list_jobs(queue=queue.arn, status=status)
            counts[status] = len([job async for job in jobs])
    if not details:
        return _Queue(queue=queue, depth=counts)
    environments: Sequence[ComputeEnvironment] = ()
    snapshot = None
    try:
        if queue.compute_environments:
            environments = await api.compute_environments(queue.compute_environments)
        snapshot = await api.queue_snapshot(queue.arn)
    except APIError as error:  # a permission that only this needs: the rest is worth showing
        note(f"asyncbatch: queue {one_line(queue.name)} is shown in part: {error}")
    return _Queue(queue=queue, depth=counts, environments=environments, snapshot=snapshot)


def _row(each: _Queue) -> tuple[object, ...]:
    queue, depth = each.queue, each.depth
    return (
        queue.name,
        queue.state if queue.status == "VALID" else f"{queue.state} {queue.status}",
        queue.priority,
        *(None if depth is None else f"{depth[s]:,}" for s in choosing.LIVE_STATES),
    )


def _print(each: _Queue) -> None:
    queue = each.queue
    depth = ", ".join(f"{n:,} {status}" for status, n in (each.depth or {}).items() if n)
    output.print_line(output.styled(one_line(queue.name), "heading"))
    output.print_facts(
        (
            ("State", queue.state),
            ("Status", queue.status),
            ("Reason", queue.status_reason),
            ("Priority", queue.priority),
            ("Jobs", depth or ("none" if each.depth is not None else None)),
            *(("Runs in", _environment_text(one)) for one in each.environments),
            *_snapshot_facts(each.snapshot),
        )
    )
    output.print_line()


def _environment_text(one: ComputeEnvironment) -> str:
    kind = " ".join(filter(None, (one.type, one.provider)))
    vcpus = "" if one.max_vcpus is None else f", at most {one.max_vcpus:,} vCPUs"
    now = "" if one.desired_vcpus is None else f", now {one.desired_vcpus:,}"
    types = f", {' '.join(one.instance_types)}" if one.instance_types else ""
    state = "" if one.takes_jobs else f", {one.state} {one.status or ''}: {one.status_reason or ''}"
    return f"{one.name} ({kind}{vcpus}{now}{types}){state}".rstrip(": ")


def _snapshot_facts(snapshot: QueueSnapshot | None) -> list[tuple[str, object]]:
    if snapshot is None:
        return []
    front = [
        (
            "Front" if place == 0 else "",
            f"{place + 1}. {job.job_id}  {_since(output.ago(job.since))}",
        )
        for place, job in enumerate(snapshot.front[:_SHOWN])
    ]
    used = ", ".join(f"{n:g} {unit}" for unit, n in snapshot.capacity_used.items())
    shares = ", ".join(f"{share}: {n:g}" for share, n in snapshot.capacity_by_share.items())
    return [*front, ("In use", used), ("By share", shares)]


def _since(age: str) -> str:
    return f"for {age}" if age else ""


def _facts(each: _Queue) -> dict[str, object]:
    queue, snapshot = each.queue, each.snapshot
    return {
        "name": queue.name,
        "arn": queue.arn,
        "state": queue.state,
        "status": queue.status,
        "status_reason": queue.status_reason,
        "priority": queue.priority,
        "jobs": each.depth,
        "compute_environments": [
            {
                "name": one.name,
                "state": one.state,
                "status": one.status,
                "status_reason": one.status_reason,
                "type": one.type,
                "provider": one.provider,
                "max_vcpus": one.max_vcpus,
                "desired_vcpus": one.desired_vcpus,
                "instance_types": one.instance_types,
            }
            for one in each.environments
        ]
        or [{"name": short_name(arn)} for arn in queue.compute_environments],
        "front": snapshot
        and [{"job_id": job.job_id, "since": job.since} for job in snapshot.front],
        "capacity_used": snapshot and snapshot.capacity_used,
        "capacity_by_share": snapshot and snapshot.capacity_by_share,
    }
