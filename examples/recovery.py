"""Kill a program while its jobs run, and continue with the same jobs in a second run.

Shows the journal: each submission is on disk before it is sent, so a program that is started again
finds the jobs of its first run, even after `kill -9`, and submits only what is missing.

Run it without an AWS account, from the root of the repository:

    python -m examples.recovery

`examples/account.py` explains how to run it on AWS.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from asyncbatch import AsyncBatchClient, Event, JobRequest, JobSubmitted
from examples.account import DEFINITION, QUEUE, account

COMMAND = ["sh", "-c", "sleep 2"]


async def nightly(journal: Path) -> None:
    """Run 20 jobs: the program that crashes."""

    def report(event: Event) -> None:
        if isinstance(event, JobSubmitted):
            print(f"submitted {event.job_id}", flush=True)

    async with AsyncBatchClient(journal=journal, observers=[report]) as batch:
        await batch.run(
            JobRequest(DEFINITION, queue=QUEUE, command=COMMAND, environment={"DAY": day})
            for day in range(1, 21)
        )


async def run_nightly(journal: Path, *, kill_after: int | None = None) -> None:
    """Run `nightly` as a process of its own; kill it after a number of submissions."""
    command = (sys.executable, "-m", "examples.recovery", str(journal))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    reported = 0
    async for line in process.stdout:
        reported += line.startswith(b"submitted")
        if reported == kill_after:
            process.kill()
            break
    await process.wait()
    print(f"{reported} jobs reported, then {'killed' if kill_after else 'ended'}")


async def main() -> None:
    """Run the program twice; the first run is killed."""
    with tempfile.TemporaryDirectory() as directory:
        journal = Path(directory, "nightly.db")
        await run_nightly(journal, kill_after=8)
        # Jobs that AWS accepted, but that the first run did not report before it was killed, are
        # found as well: no job runs twice, and the reported jobs of both runs may be fewer than 20.
        await run_nightly(journal)
        async with AsyncBatchClient(journal=journal) as batch:
            jobs = await batch.resume()
            print(f"{len(jobs)} jobs in total, {sum(job.is_finished for job in jobs)} ended")


if __name__ == "__main__":
    with account():
        asyncio.run(nightly(Path(sys.argv[1])) if sys.argv[1:] else main())
