"""The options that choose account, Region, endpoint and job queue, and their client."""

import logging
import os
import shlex
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asyncbatch._cli import completion

if TYPE_CHECKING:
    from asyncbatch import AsyncBatchClient

QUEUE_VARIABLE = "ASYNCBATCH_QUEUE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where the commands connect to; None takes the AWS configuration, as the AWS CLI does.

    Attributes:
        queue: Job queue; None takes the only one that is ENABLED and VALID.
        region: AWS Region.
        profile: Profile of the AWS configuration.
        endpoint_url: Endpoint of AWS Batch and CloudWatch Logs.
    """

    queue: Annotated[
        str | None,
        typer.Option(
            "--queue",
            "-q",
            metavar="NAME",
            help="Job queue, by name or ARN. Default: the only one that takes jobs.",
            envvar=QUEUE_VARIABLE,
            autocompletion=completion.queues,
        ),
    ] = None
    region: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="AWS Region. Default: AWS_REGION, AWS_DEFAULT_REGION, or the profile's.",
        ),
    ] = None
    profile: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Profile of the AWS configuration. Default: AWS_PROFILE."
        ),
    ] = None
    endpoint_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Endpoint of AWS Batch and CloudWatch Logs, such as a local AWS Batch's."
            " Default: AWS_ENDPOINT_URL_BATCH, AWS_ENDPOINT_URL.",
        ),
    ] = None

    @asynccontextmanager
    async def open(
        self,
        *,
        shows_waits: bool = False,
        **settings: Any,  # noqa: ANN401 - those of the client
    ) -> AsyncIterator["AsyncBatchClient"]:
        """Open a client; the jobs that it follows continue when it closes.

        Args:
            shows_waits: Whether the command shows why jobs wait: no warnings say so then.
            **settings: Further arguments of `AsyncBatchClient`.
        """
        batch = new_client(self, settings)
        with _without_warnings_of_waits() if shows_waits else nullcontext():
            await batch.open()
            try:
                yield batch
            finally:
                # Not `async with`, which logs how a Python program follows the jobs again.
                await batch.aclose()

    @property
    def given_queue(self) -> str | None:
        """The queue of --queue; None for that of ASYNCBATCH_QUEUE, which every command has."""
        return None if self.queue == os.environ.get(QUEUE_VARIABLE) else self.queue

    def options(self) -> str:
        """Return these options as they are typed, for a command that continues another one."""
        given = {
            "--queue": self.given_queue,
            "--region": self.region,
            "--profile": self.profile,
            "--endpoint-url": self.endpoint_url,
        }
        return "".join(
            f" {option} {shlex.quote(value)}" for option, value in given.items() if value
        )


@contextmanager
def _without_warnings_of_waits() -> Iterator[None]:
    logger = logging.getLogger("asyncbatch")

    def is_other(record: logging.LogRecord) -> bool:
        return record.module != "blocked_jobs"

    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)


def new_client(connection: Connection, settings: dict[str, Any]) -> "AsyncBatchClient":
    """Return a client that is not open yet."""
    from asyncbatch import AsyncBatchClient, JobDefaults

    if connection.queue is not None:
        settings = {"defaults": JobDefaults(queue=connection.queue), **settings}
    return AsyncBatchClient(
        region_name=connection.region,
        profile_name=connection.profile,
        endpoint_url=connection.endpoint_url,
        **settings,
    )
