"""The options that set fields of a request, for `submit` and `rerun`."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer

from asyncbatch._cli.errors import UsageError
from asyncbatch._cli.request_files import fields
from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.text import one_line


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestOptions:
    """Fields of a request; None sets nothing.

    Attributes:
        name: Job name.
        vcpus: vCPUs.
        memory: Memory limit in MiB.
        gpus: GPUs.
        env: Environment variables.
        parameter: Parameters.
        tag: Tags.
        retry: Attempts.
        timeout: Time limit of an attempt.
        share_identifier: Share identifier.
        priority: Priority within the share.
        depends_on: Jobs that must succeed first.
    """

    name: Annotated[
        str | None,
        typer.Option(
            "--name", "-n", metavar="NAME", help="Job name. Default: a generated, unique one."
        ),
    ] = None
    vcpus: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="vCPUs; fractions on Fargate only.")
    ] = None
    memory: Annotated[str | None, typer.Option(metavar="MIB", help="Memory limit in MiB.")] = None
    gpus: Annotated[str | None, typer.Option(metavar="NUMBER", help="GPUs.")] = None
    env: Annotated[
        list[str] | None,
        typer.Option(
            "--env",
            "-e",
            metavar="NAME[=VALUE]",
            help="Environment variable; without a value, that of this shell. Repeat it for more.",
        ),
    ] = None
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            "--parameter",
            "-p",
            metavar="NAME=VALUE",
            help="Value of a Ref:: placeholder of the job definition. Repeat it for more.",
        ),
    ] = None
    tag: Annotated[
        list[str] | None,
        typer.Option("--tag", "-t", metavar="KEY=VALUE", help="Tag. Repeat it for more."),
    ] = None
    retry: Annotated[
        str | None,
        typer.Option(
            metavar="NUMBER", help="Attempts, 1 to 10; or spot:3 for failures of hosts only."
        ),
    ] = None
    timeout: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="Time limit of one attempt, such as 90m; at least 60 s."),
    ] = None
    share_identifier: Annotated[
        str | None, typer.Option(metavar="NAME", help="Share identifier, in fair-share queues.")
    ] = None
    priority: Annotated[
        str | None, typer.Option(metavar="NUMBER", help="Priority in its share, 0 to 9999.")
    ] = None
    depends_on: Annotated[
        list[str] | None,
        typer.Option(
            metavar="JOB_ID",
            help="Job that must succeed first. N_TO_N:JOB_ID: each child of an array waits for the"
            " child with its index. SEQUENTIAL: the children run one after another. Repeat it"
            " for more.",
        ),
    ] = None

    def fields(self) -> dict[str, Any]:
        """Return the fields of a request that are set.

        Raises:
            UsageError: A value has no name, or a variable is not set in this shell.
            InvalidRequest: A value cannot be converted.
        """
        given: dict[str, Any] = {
            "name": self.name,
            "vcpus": self.vcpus,
            "memory_mib": self.memory,
            "gpus": self.gpus,
            "environment": _environment(self.env),
            "parameters": _pairs("--parameter", self.parameter),
            "tags": _pairs("--tag", self.tag),
            "retry": self.retry,
            "attempt_timeout": self.timeout,
            "share_identifier": self.share_identifier,
            "scheduling_priority": self.priority,
            "depends_on": [_dependency(text) for text in self.depends_on or ()],
        }
        is_set = {name: value for name, value in given.items() if value not in (None, [], {})}
        return fields.converted(is_set)


# The options of the fields that have another name.
_OPTIONS = {
    "memory_mib": "--memory",
    "environment": "--env",
    "parameters": "--parameter",
    "tags": "--tag",
    "attempt_timeout": "--timeout",
    "scheduling_priority": "--priority",
    "array_size": "--array",
    "job_definition": "DEFINITION",
    "command": "COMMAND",
}


def with_option(error: InvalidRequest) -> InvalidRequest:
    """Return an error about a field as one about the option that sets it."""
    field = fields.field_of(error)
    if field not in fields.KNOWN:
        return error
    option = _OPTIONS.get(field, f"--{field.replace('_', '-')}")
    return error.renamed(option + error.field[len(field) :])


def _environment(texts: Sequence[str] | None) -> dict[str, str]:
    variables = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals:
            if name not in os.environ:
                raise UsageError(
                    f"--env {one_line(name)}: this shell has no such variable. Write NAME=VALUE."
                )
            value = os.environ[name]
        variables[name] = value
    return variables


def _pairs(option: str, texts: Sequence[str] | None) -> dict[str, str]:
    pairs = {}
    for text in texts or ():
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"{option} {one_line(text)}: must be NAME=VALUE.")
        pairs[name] = value
    return pairs


def _dependency(text: str) -> dict[str, str] | str:
    kind, colon, job_id = text.partition(":")
    if kind.upper() == "SEQUENTIAL" and not colon:
        return {"type": "SEQUENTIAL"}
    # The id of an array child has a colon, too.
    return {"type": "N_TO_N", "job_id": job_id} if kind.upper() == "N_TO_N" else text
