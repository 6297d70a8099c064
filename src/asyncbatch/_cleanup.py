"""What becomes of a group's jobs that have not ended when its block ends with an error.

The clean-up runs in the client's own task group, not in the caller's task, and the caller waits for
it behind a shield: cancelling once more gives up the waiting, not the clean-up. Jobs that are known
are terminated at once; then it waits until the submissions that are under way are known, and
terminates those. It has a bound: an AWS that does not answer holds up no program for ever. Where
jobs have to be terminated one by one, AWS's pace makes it longer.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Protocol

import anyio

from asyncbatch._jobs.job import Job

if TYPE_CHECKING:  # only an open client needs these rooms
    from asyncbatch._session.session import Runtime

CLEAN_UP_SECONDS = 60.0


class Unfinished(Protocol):
    """The jobs of a group."""

    def unfinished(self) -> Collection[Job]:
        """Return the jobs whose end is not known."""
        ...

    async def all_known(self) -> None:
        """Wait until no submission is under way."""
        ...


async def clean_up(
    runtime: "Runtime", jobs: Unfinished, *, terminate: bool, reason: str
) -> list[str]:
    """Terminate or leave the jobs that have not ended, and return what is to be said about it.

    Args:
        runtime: The client, which may have been closed meanwhile.
        jobs: The group's jobs.
        terminate: Whether they are terminated.
        reason: Why, for AWS.
    """
    notes: list[str] = []

    async def end() -> None:
        notes.extend(await _terminate(runtime, jobs, reason))

    async def settle() -> None:
        if terminate:
            await end()
        await jobs.all_known()
        if terminate:
            await end()

    await _bounded(runtime, jobs, settle)
    left = [job for job in jobs.unfinished() if not runtime.terminator.has_ended(job.id)]
    words = runtime.farewell.words(left)
    return [*notes, words] if words else notes


async def _bounded(
    runtime: "Runtime", jobs: Unfinished, settle: Callable[[], Awaitable[None]]
) -> None:
    """Run the clean-up in the background, and wait for it."""
    done = anyio.Event()

    async def in_background() -> None:
        try:
            with anyio.move_on_after(CLEAN_UP_SECONDS) as scope:
                scope.deadline += await runtime.terminator.seconds_for(len(jobs.unfinished()))
                await settle()
        finally:
            done.set()

    if runtime.in_background(in_background):
        with anyio.CancelScope(shield=True):
            await done.wait()


async def _terminate(runtime: "Runtime", jobs: Unfinished, reason: str) -> list[str]:
    """Terminate what was not yet, and return a note about it, if there is any to make."""
    terminator = runtime.terminator
    ids = [job.id for job in jobs.unfinished() if not terminator.has_ended(job.id)]
    if not ids:
        return []
    failed = await terminator.terminate(ids, reason)
    notes = [f"Jobs of the group that were terminated: {len(ids) - len(failed)}."]
    if failed:
        why = next(iter(failed.values()))
        notes.append(f"{len(failed)} of {len(ids)} could not be terminated, and run on: {why}")
    return notes
