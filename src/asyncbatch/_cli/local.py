"""`asyncbatch local`: a local AWS Batch for other programs, or for one command."""

import logging
import os
import shlex
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import typer

from asyncbatch._cli import output
from asyncbatch._cli.connecting import QUEUE_VARIABLE
from asyncbatch._cli.errors import UsageError
from asyncbatch._cli.local_config import (
    COMMAND_DEFINITION,
    DEFAULT_QUEUE,
    Definition,
    LocalConfig,
    read_config,
)
from asyncbatch._cli.output import AsJson
from asyncbatch._cli.running import command, note
from asyncbatch._values.errors import APIError

if TYPE_CHECKING:
    from asyncbatch.local import Door, LocalBatch

IN_THE_WAY = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
)
"""Variables with which the SDKs would not reach the local AWS Batch, or not with its keys."""

_COMPUTE_ENVIRONMENT = "local"


@command
async def local(
    program: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[-- COMMAND [ARGUMENTS]...]",
            help="Command to run in the environment of the local AWS Batch.",
            show_default=False,
        ),
    ] = None,
    *,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            metavar="FILE",
            help="TOML file with compute limits, job queues and job definitions.",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(metavar="PORT", min=0, max=65535, help="TCP port. Default: a free one."),
    ] = None,
    as_json: AsJson = False,
) -> int | None:
    """Serve a local AWS Batch, or run a command in one.

    Jobs run as processes on this machine, as this user, without containers. Their AWS Batch is this
    one, too. With a command, its exit code is returned, and signals are passed on to it. Jobs that
    still run then are ended.
    """
    if os.name != "posix":
        raise UsageError("asyncbatch local requires Linux or macOS: its jobs are processes there.")
    settings = LocalConfig() if config is None else read_config(config)
    async with serve(settings, port) as door:
        environment = _environment(settings, door)
        if program:
            from asyncbatch._cli.child import run_child

            inherited = {k: v for k, v in os.environ.items() if k not in IN_THE_WAY}
            return await run_child(program, {**inherited, **environment})
        _print(settings, door, environment, as_json=as_json)
        await anyio.sleep_forever()
    return None


@asynccontextmanager
async def serve(settings: LocalConfig, port: int | None = None) -> AsyncIterator["Door"]:
    """Serve a local AWS Batch with its queues and job definitions until the block ends.

    Raises:
        UsageError: The port is in use, or a job definition is refused.
    """
    from asyncbatch._cli.local_jobs import JobExecutor
    from asyncbatch.local import LocalBatch

    # Its notice is a warning of the log; the command prints it by itself.
    logging.getLogger("asyncbatch.local").setLevel(logging.ERROR)
    executor = JobExecutor(
        directory=settings.directory,
        environment=settings.environment,
        enforce_memory=settings.enforce_memory,
    )
    number = settings.port if port is None else port
    engine = LocalBatch(
        vcpus=settings.vcpus,
        gpus=settings.gpus,
        executor=executor,
        stop_grace=settings.stop_grace,
    )
    async with AsyncExitStack() as stack:
        batch = await stack.enter_async_context(engine)
        await _prepare(batch, settings)
        try:
            door = await stack.enter_async_context(batch.serve(port=number))
        except OSError as error:
            raise UsageError(f"--port {number}: {error.strerror}. Choose another port.") from None
        executor.add(_environment(settings, door))
        yield door


def _environment(settings: LocalConfig, door: "Door") -> dict[str, str]:
    """Return the variables with which programs, and the jobs, use this AWS Batch."""
    return {**door.environment, QUEUE_VARIABLE: settings.queues[0].name}


async def _prepare(engine: "LocalBatch", settings: LocalConfig) -> None:
    """Create queues and job definitions."""
    async with engine.session.create_client("batch") as aws:
        for queue in settings.queues:
            if queue.name != DEFAULT_QUEUE:
                order = [{"order": 1, "computeEnvironment": _COMPUTE_ENVIRONMENT}]
                await aws.create_job_queue(
                    jobQueueName=queue.name,
                    priority=queue.priority,
                    computeEnvironmentOrder=order,
                )
        if DEFAULT_QUEUE in {queue.name for queue in settings.queues}:
            priority = next(q.priority for q in settings.queues if q.name == DEFAULT_QUEUE)
            await aws.update_job_queue(jobQueue=DEFAULT_QUEUE, priority=priority)
        else:
            await aws.update_job_queue(jobQueue=DEFAULT_QUEUE, state="DISABLED")
            await aws.delete_job_queue(jobQueue=DEFAULT_QUEUE)
        for definition in settings.all_definitions():
            for _ in range(definition.revisions):
                await _register(aws, definition, settings)


async def _register(aws: Any, definition: Definition, settings: LocalConfig) -> None:  # noqa: ANN401 - a client of aiobotocore
    """Register a job definition.

    Raises:
        UsageError: It breaks a rule of AWS Batch.
    """
    try:
        await aws.register_job_definition(**definition.request)
    except Exception as error:
        from asyncbatch._aws.errors import translated

        own = translated(error, "RegisterJobDefinition")
        if own is None:
            raise
        where = f"{settings.source}: definitions.{definition.name}"
        raise UsageError(f"{where}: {own.message if isinstance(own, APIError) else own}") from None


def _print(
    settings: LocalConfig, door: "Door", environment: Mapping[str, str], *, as_json: bool
) -> None:
    queues = [queue.name for queue in settings.queues]
    definitions = [definition.name for definition in settings.all_definitions()]
    if as_json:
        output.print_json_line(
            {
                "url": door.url,
                "environment": environment,
                "queues": queues,
                "definitions": definitions,
            }
        )
        return
    note(f"Local AWS Batch at {door.url}. Jobs are processes of this user, without containers.")
    note(f"Job queues: {_listed(queues)}. Job definitions: {_listed(definitions)}.")
    if not settings.definitions:
        note(f"Jobs of {COMMAND_DEFINITION} run the command that they are submitted with.")
    note("Set this in another terminal; Ctrl-C here ends the jobs:\n")
    output.print_line(f"unset {' '.join(IN_THE_WAY)}")
    for name, value in environment.items():
        output.print_line(f"export {name}={shlex.quote(value)}")
    sys.stdout.flush()


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
