"""`asyncbatch doctor`: what is set up for AWS Batch, what is missing, and how to fix it."""

import dataclasses
from typing import Annotated

import typer

from asyncbatch._cli import exit_codes, output
from asyncbatch._cli.connecting import Connection
from asyncbatch._cli.diagnosis import Check, diagnose
from asyncbatch._cli.output import AsJson
from asyncbatch._cli.running import command
from asyncbatch._values.text import one_line

_STYLES = {"ok": "SUCCEEDED", "problem": "FAILED", "warning": "DISABLED"}
_WIDTH = 34
"""Characters of the longest usual name of a check."""


@command
async def doctor(
    connection: Connection,
    *,
    limit: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0.1, help="Maximum time of each check."),
    ] = 10.0,
    as_json: AsJson = False,
) -> int:
    """Check credentials, permissions, queues and versions, and say how to fix them.

    It only reads. The permission of operations that change something, such as SubmitJob, cannot be
    checked without a real call. The exit code is 3 if there is a problem, else 0.
    """
    checks: list[Check] = []

    def report(check: Check) -> None:
        checks.append(check)
        if not as_json:
            _print(check)

    await diagnose(connection, report, limit=limit)
    problems = [check for check in checks if check.state == "problem"]
    if as_json:
        output.print_json(
            {"ok": not problems, "checks": [dataclasses.asdict(check) for check in checks]}
        )
    else:
        warnings = sum(check.state == "warning" for check in checks)
        output.print_line()
        output.print_line(f"{_counted(len(problems), 'problem')}, {_counted(warnings, 'warning')}.")
    return exit_codes.AWS if problems else exit_codes.SUCCEEDED


def _print(check: Check) -> None:
    state = output.styled(f"{check.state:<8}", _STYLES.get(check.state, "dim"))
    output.print_line(f"{state}{one_line(check.name):<{_WIDTH}} {one_line(check.text)}".rstrip())
    if check.fix:
        output.print_line(f"{'':<8}{'':<{_WIDTH}} → {one_line(check.fix)}")


def _counted(number: int, name: str) -> str:
    return f"{number or 'no'} {name}{'' if number == 1 else 's'}"
