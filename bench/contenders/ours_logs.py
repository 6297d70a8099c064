"""asyncbatch reading logs: many live logs merged, or one long log."""

import asyncio
import itertools
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from statistics import quantiles

from asyncbatch import AsyncBatchClient, JobRequest, LogEvent
from bench.work import JOB_DEFINITION, QUEUE, Recorder, Work

_SETTLED = 10.0  # seconds after the start from which on the delays of lines are counted


async def follow(work: Work, recorder: Recorder) -> None:
    """Submit the jobs and read their logs."""
    async with AsyncBatchClient() as batch:
        request = JobRequest(JOB_DEFINITION, queue=QUEUE)
        jobs = await batch.submit_many([request] * work.jobs)
        reading = _Reading(work, recorder)
        if work.jobs == 1:
            await jobs[0]
            await reading.read(jobs[0].logs(follow=False))
        else:
            await reading.read(batch.logs(jobs))
        for job in jobs:
            await job
            recorder.ended(job.id)


class _Reading:
    """Counts lines and their delays."""

    def __init__(self, work: Work, recorder: Recorder) -> None:
        self._work = work
        self._recorder = recorder
        self._numbers: defaultdict[str, list[int]] = defaultdict(list)
        self._delays: list[float] = []
        self._memory: dict[str, float] = {}

    async def read(self, lines: AsyncIterator[LogEvent]) -> None:
        """Read all lines and record the results."""
        began, cpu = time.time(), self._recorder.cpu()
        half = self._work.jobs * self._work.lines // 2
        count = 0
        async for event in lines:
            count += 1
            self._numbers[event.job_id].append(int(event.message.split(" ", 1)[0]))
            written = event.timestamp.timestamp()
            if written > began + _SETTLED:
                self._delays.append(time.time() - written)
            if count == half:
                self._memory["early_mb"] = _memory_mb()
        wall = time.time() - began
        self._memory["late_mb"] = _memory_mb()
        figures = {
            "lines": float(count),
            "lines_per_second": count / wall,
            "cpu_share": 100 * (self._recorder.cpu() - cpu) / wall,
            **self._memory,
            **self._mistakes(),
            **self._delay_figures(),
        }
        for name, value in figures.items():
            self._recorder.figure(name, value)

    def _mistakes(self) -> Mapping[str, float]:
        expected = set(range(self._work.lines))
        found = list(self._numbers.values())
        unread = self._work.jobs - len(found)
        return {
            "missing": sum(len(expected - set(each)) for each in found) + unread * self._work.lines,
            "doubled": sum(len(each) - len(set(each)) for each in found),
            "disordered": sum(a > b for each in found for a, b in itertools.pairwise(each)),
        }

    def _delay_figures(self) -> Mapping[str, float]:
        if len(self._delays) < 100:  # noqa: PLR2004 - percentiles of fewer values mean nothing
            return {}
        hundredths = quantiles(self._delays, n=100)
        return {"delay_p50_s": hundredths[49], "delay_p95_s": hundredths[94]}


def _memory_mb() -> float:
    """Return the proportional set size of this process in MB (10^6 bytes)."""
    rollup = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8")
    [kib] = (line.split()[1] for line in rollup.splitlines() if line.startswith("Pss:"))
    return int(kib) * 1024 / 1e6


def main() -> None:
    """Do the work that the environment describes."""
    work = Work.from_environment()
    asyncio.run(follow(work, Recorder(work.records)))


if __name__ == "__main__":
    main()
