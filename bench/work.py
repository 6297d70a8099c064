"""What a contender is asked to do, and how it says what it learned: the standard library only."""

import dataclasses
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

QUEUE = "default"
JOB_DEFINITION = "bench"
VARIABLE = "BENCH_WORK"

LOG_FIGURES = {
    "lines": "lines delivered",
    "missing": "missing",
    "doubled": "doubled",
    "disordered": "out of order",
    "delay_p50_s": "delay p50 s",
    "delay_p95_s": "delay p95 s",
    "lines_per_second": "lines/s",
    "cpu_share": "CPU, % of a core",
    "early_mb": "memory halfway, MB",
    "late_mb": "memory at the end, MB",
}
"""What contenders tell of the lines of logs, and how the report calls it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The order to a contender.

    Attributes:
        jobs: How many jobs to submit.
        news: The file that it appends its news to.
        array: Whether they are the children of one array.
        submit_per_second: A pace of submission; None leaves it to the contender.
        status_per_second: Most status calls a second; None leaves it to the contender.
        hold: Seconds for which to follow jobs that do not end; None follows them to their ends.
        lines: Lines that each job writes, where they are what is followed.
        sleep: Seconds that each task sleeps in place of running a job; None runs jobs.
    """

    jobs: int
    news: str
    array: bool = False
    submit_per_second: float | None = None
    status_per_second: float | None = None
    hold: float | None = None
    lines: int = 0
    sleep: float | None = None

    @classmethod
    def from_environment(cls) -> Self:
        """Read the order from the environment variable it comes in."""
        return cls(**json.loads(os.environ[VARIABLE]))

    def to_environment(self) -> dict[str, str]:
        """Return the environment variable that carries the order."""
        return {VARIABLE: json.dumps(dataclasses.asdict(self))}


def log_line(number: int) -> str:
    """Return a line of a job's log, as long as lines are in real life."""
    return f"{number} INFO worker: processed record {number * 7919:012d} of the batch, 0 errors"


class News:
    """Writes down when a contender knows what; forked processes may share it.

    Args:
        path: The file that lines are appended to.
        clock: The time in seconds; monotonic clocks are the same in all processes of a machine.
        cpu: The CPU time of the contender in seconds.
    """

    def __init__(
        self,
        path: str,
        clock: Callable[[], float] = time.monotonic,
        cpu: Callable[[], float] = time.process_time,
    ) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._clock = clock
        self._cpu = cpu

    def ended(self, job_id: str) -> None:
        """Note that the end of a job is known now."""
        self._write(job_id, self._clock())

    def cpu(self) -> float:
        """Return the CPU seconds spent so far."""
        return self._cpu()

    def figure(self, name: str, value: float) -> None:
        """Note a number that only the contender itself can tell."""
        self._write(f"#{name}", value)

    def _write(self, what: str, number: float) -> None:
        os.write(self._file, f"{what} {number:.6f}\n".encode())
