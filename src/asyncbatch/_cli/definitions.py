"""`asyncbatch definitions`: the job definitions of the account."""

from collections.abc import Iterable
from typing import Annotated

import typer

from asyncbatch._cli import completion, output
from asyncbatch._cli.connecting import Connection
from asyncbatch._cli.errors import UsageError
from asyncbatch._cli.output import AsJson, Column
from asyncbatch._cli.running import command, note
from asyncbatch._values.resources import RegisteredDefinition
from asyncbatch._values.text import one_line

_COLUMNS = (
    Column("NAME", cut=True),
    Column("REVISION", right=True),
    Column("TYPE"),
    Column("VCPUS", right=True),
    Column("MEMORY", right=True),
    Column("TIMEOUT", right=True),
    Column("IMAGE", cut=True, below=True),
)


@command
async def definitions(
    connection: Connection,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME",
            help="Names, or beginnings of names such as 'etl-*'.",
            autocompletion=completion.definitions,
        ),
    ] = None,
    *,
    every: Annotated[
        bool, typer.Option("--all", "-a", help="All ACTIVE revisions, not only the newest.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List job definitions, newest revisions only.

    Only ACTIVE revisions can be submitted, so others are left out.
    """
    async with connection.open() as batch:
        api = batch._require_open().api  # noqa: SLF001 - the client itself has no list of them
        found = [each async for each in api.job_definitions() if _is_wanted(each.name, names)]
    found.sort(key=lambda each: (each.name, -each.revision))
    if names and not found:
        raise UsageError(
            f"no ACTIVE job definition is named {one_line(' or '.join(names))}."
            " List them all with `asyncbatch definitions`, or check --region."
        )
    shown = found if every else list(_newest(found))
    if as_json:
        output.print_json({"definitions": [_facts(each) for each in shown]})
    elif shown:
        output.print_table(_COLUMNS, map(_row, shown))
    else:
        note("No job definitions.")


def _is_wanted(name: str, wanted: Iterable[str] | None) -> bool:
    return not wanted or any(
        name.startswith(each[:-1]) if each.endswith("*") else name == each for each in wanted
    )


def _newest(found: Iterable[RegisteredDefinition]) -> Iterable[RegisteredDefinition]:
    """Yield the first of each name: the newest, as they are sorted."""
    seen: set[str] = set()
    for each in found:
        if each.name not in seen:
            seen.add(each.name)
            yield each


def _row(each: RegisteredDefinition) -> tuple[object, ...]:
    facts = _facts(each)
    return (
        each.name,
        each.revision,
        " ".join((each.type or "", *each.platforms)),
        None if facts["vcpus"] is None else f"{facts['vcpus']:g}",
        None if facts["memory_mib"] is None else f"{facts['memory_mib']} MiB",
        output.duration(each.attempt_timeout),
        facts["image"],
    )


def _facts(each: RegisteredDefinition) -> dict[str, object]:
    """Return a definition for JSON, with image and resources of its first container."""
    first = each.containers[0] if each.containers else None
    return {
        "name": each.name,
        "revision": each.revision,
        "arn": each.arn,
        "type": each.type,
        "platforms": each.platforms,
        "image": first and first.image,
        "command": first and first.command,
        "vcpus": first and first.vcpus,
        "memory_mib": first and first.memory_mib,
        "attempt_timeout": each.attempt_timeout,
        "attempts": each.attempts,
    }
