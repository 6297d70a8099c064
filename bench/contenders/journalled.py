"""asyncbatch with a journal.

If jobs are held, one process submits them and exits; another resumes them and is measured.
"""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

from asyncbatch import AsyncBatchClient, Event, StatusChanged
from bench.contenders import ours
from bench.work import Recorder, Work

_SUBMIT = "submit"


async def resume(work: Work, recorder: Recorder, journal: Path) -> None:
    """Resume the jobs of a journal, and record when the first status was reported."""
    started = time.monotonic()
    first = asyncio.Event()

    def observe(event: Event) -> None:
        if isinstance(event, StatusChanged) and not first.is_set():
            first.set()
            recorder.figure("first_status_s", time.monotonic() - started)

    async with AsyncBatchClient(journal=journal, observers=[observe]) as batch:
        jobs = await batch.resume()
        recorder.figure("resumed_s", time.monotonic() - started)
        await first.wait()
        spent = recorder.cpu()
        await asyncio.sleep(work.hold or 0.0)
        recorder.figure("held_cpu_s", recorder.cpu() - spent)
        recorder.figure("seen", sum(job.description is not None for job in jobs))
        recorder.figure("own_mb", _most_memory())


def _most_memory() -> float:
    """Return the peak memory of this program in MB.

    VmHWM is reset by exec; ru_maxrss includes the process that started this program.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def main() -> None:
    """Do the work that the environment describes."""
    work = Work.from_environment()
    recorder = Recorder(work.records)
    journal = Path(work.records).with_name("run.db")
    if work.hold is None:
        asyncio.run(ours.follow(work, recorder, journal=journal))
    elif sys.argv[1:] == [_SUBMIT]:
        asyncio.run(ours.submit(work, journal))
    else:
        subprocess.run([sys.executable, "-m", "bench.contenders.journalled", _SUBMIT], check=True)
        asyncio.run(resume(work, recorder, journal))


if __name__ == "__main__":
    main()
