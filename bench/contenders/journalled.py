"""asyncbatch with a journal: the same work, kept in a file.

Where jobs are held, one process submits them and ends; another one resumes them, and is measured.
"""

import asyncio
import subprocess
import sys
import time
from pathlib import Path

from asyncbatch import AsyncBatchClient, Event, StatusChanged
from bench.contenders import ours
from bench.work import News, Work

_SUBMIT = "submit"


async def resume(work: Work, news: News, journal: Path) -> None:
    """Take up the jobs of a journal, and tell when the first of them was heard of."""
    started = time.monotonic()
    first = asyncio.Event()

    def observe(event: Event) -> None:
        if isinstance(event, StatusChanged) and not first.is_set():
            first.set()
            news.figure("first_status_s", time.monotonic() - started)

    async with AsyncBatchClient(journal=journal, observers=[observe]) as batch:
        jobs = await batch.resume()
        news.figure("resumed_s", time.monotonic() - started)
        await first.wait()
        spent = news.cpu()
        await asyncio.sleep(work.hold or 0.0)
        news.figure("held_cpu_s", news.cpu() - spent)
        news.figure("seen", sum(job.description is not None for job in jobs))
        news.figure("own_mb", _most_memory())


def _most_memory() -> float:
    """Return the most memory that this program had, in MB.

    What the kernel tells of a process counts from before it became this program.
    """
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6


def main() -> None:
    """Do the work that the environment names."""
    work = Work.from_environment()
    news = News(work.news)
    journal = Path(work.news).with_name("run.db")
    if work.hold is None:
        asyncio.run(ours.follow(work, news, journal=journal))
    elif sys.argv[1:] == [_SUBMIT]:
        asyncio.run(ours.submit(work, journal))
    else:
        subprocess.run([sys.executable, "-m", "bench.contenders.journalled", _SUBMIT], check=True)
        asyncio.run(resume(work, news, journal))


if __name__ == "__main__":
    main()
