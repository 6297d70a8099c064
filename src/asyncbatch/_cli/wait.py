"""`asyncbatch wait`: waits for the end of jobs."""

from asyncbatch._cli import choosing
from asyncbatch._cli.choosing import Filter, RequiredJobNames, Which
from asyncbatch._cli.connecting import Connection
from asyncbatch._cli.following import how_to_go_on, print_ends, progress_on_stderr
from asyncbatch._cli.output import AsJson
from asyncbatch._cli.running import command, message_when_stopped


@command
async def wait(
    jobs: RequiredJobNames, conditions: Filter, connection: Connection, *, as_json: AsJson = False
) -> int:
    """Wait until jobs have ended; the exit code reports the outcome.

    Prints a line for each job when it ends. The exit code is 0 if all jobs SUCCEEDED, and 1 if one
    FAILED or vanished. A name means its jobs that have not ended; if there are none, its newest
    job. With --since 1h, it means all of its jobs of the last hour, also those that have ended.
    """
    async with connection.open() as batch:
        found = await choosing.find_jobs(batch, jobs, connection, conditions, Which.CURRENT)
        with (
            message_when_stopped(lambda: how_to_go_on("wait", found, connection)),
            progress_on_stderr(batch, found),
        ):
            return await print_ends(batch, found, as_json=as_json)
