"""Processes that start at once: forks of a process that has imported everything.

A new interpreter needs a second for these imports, and a run starts about six processes. The
process that is forked runs no event loop and has no threads at that time.
"""

import asyncio
import functools
import gc
import os
import shutil
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from aiobotocore.session import get_session

from asyncbatch import AsyncBatchClient, JobRequest
from asyncbatch.local import LocalBatch, Script, ScriptedExecutor
from tests.chaos import endpoint

_CRASHED = 70


class Child(NamedTuple):
    """A process that was forked.

    Attributes:
        pid: Its id.
        ended: File descriptor that is readable once the process has ended for any reason.
    """

    pid: int
    ended: int

    def wait(self) -> int:
        """Wait for its end and return its exit code, negative for a signal."""
        os.close(self.ended)
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])


def fork(work: Callable[[], int | None], errors: Path) -> Child:
    """Run a function in a forked process; its traceback is written to a file."""
    sys.stdout.flush()
    # Only the child has the writing end open, so the reading end is readable when the child ends.
    ended, writing_end = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writing_end)
        return Child(pid, ended)
    code = _CRASHED
    try:
        code = work() or 0
    except BaseException:  # noqa: BLE001 - no exception may return into the code of the parent process
        errors.write_text(traceback.format_exc())
    os._exit(code)


def warm_up() -> None:
    """Import and load what takes time, so that all forks of this process have it."""
    directory = Path(tempfile.mkdtemp(prefix="chaos-warm-up-"))
    try:
        asyncio.run(_open_all_once(directory / "run.db"))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    session()
    gc.freeze()


async def _open_all_once(journal: Path) -> None:
    async with (
        LocalBatch(executor=ScriptedExecutor(Script(startup=0, duration=0))) as local,
        local.serve(),
        AsyncBatchClient(session=local.session, journal=journal) as batch,
    ):
        await batch.register_job_definition(endpoint.DEFINITION)
        await batch.run([JobRequest("chaos")])


@functools.cache
def session() -> Any:
    """Return a session that has read its models; each forked driver has a copy of its own."""
    made = get_session()
    loader = made.get_component("data_loader")
    for file in ("service-2", "endpoint-rule-set-1"):
        loader.load_service_model("batch", file)
    for file in ("endpoints", "partitions", "sdk-default-configuration", "_retry"):
        loader.load_data(file)
    return made
