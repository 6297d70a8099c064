"""`asyncbatch explain`: why jobs wait or failed, and what to do."""

from collections.abc import Sequence

import anyio

from asyncbatch import AsyncBatchClient, Explanation, Job
from asyncbatch._cli import choosing, output
from asyncbatch._cli.choosing import Filter, JobNames
from asyncbatch._cli.connecting import Connection
from asyncbatch._cli.errors import UsageError
from asyncbatch._cli.output import AsJson
from asyncbatch._cli.running import command, note

_MOST = 20
"""Jobs that are explained at once: each costs one to five calls."""


@command
async def explain(
    conditions: Filter, connection: Connection, jobs: JobNames = None, *, as_json: AsJson = False
) -> None:
    """Explain why jobs wait or failed, and what to do.

    Each explanation has the fields of AWS that it rests on, and names the permissions that are
    missing for a better one. Of many jobs, the newest 20 are explained.
    """
    if not jobs and conditions.is_empty():
        raise UsageError("which job? Give a job id or a name, or --status failed.")
    async with connection.open(shows_waits=True) as batch:
        found = await choosing.find_jobs(batch, jobs or (), connection, conditions)
        explanations = await _explained(batch, found[:_MOST])
    if len(found) > _MOST:
        note(f"{len(found)} jobs; the newest {_MOST} are explained.")
    if as_json:
        output.print_json({"explanations": [each.to_dict() for each in explanations]})
        return
    for number, each in enumerate(explanations):
        if number:
            output.print_line()
        for line in str(each).splitlines():
            _print(line)


def _print(line: str) -> None:
    """Print a line of an explanation; its further lines are below the text of an item."""
    item = line[:2] if line.startswith(("- ", "  ")) else ""
    first, *others = output.wrapped(line[len(item) :], indent=len(item))
    output.print_line(f"{item}{first}")
    for other in others:
        output.print_line(f"{' ' * len(item)}{other}")


async def _explained(batch: AsyncBatchClient, jobs: Sequence[Job]) -> list[Explanation]:
    """Return the explanations of jobs, in their order."""
    explanations: dict[int, Explanation] = {}

    async def explain_one(number: int) -> None:
        explanations[number] = await batch.explain(jobs[number])

    async with anyio.create_task_group() as group:
        for number in range(len(jobs)):
            group.start_soon(explain_one, number)
    return [explanations[number] for number in range(len(jobs))]
