"""The work of a contender and the recorder of its results. Imports the standard library only."""

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
"""Numbers that contenders record for log lines, and their titles in the report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """The work of a contender.

    Attributes:
        jobs: Number of jobs to submit.
        records: Path of the file for the records.
        array: Whether the jobs are the children of one array.
        submit_per_second: Rate of submissions; None: default of the contender.
        status_per_second: Maximum rate of status calls; None: default of the contender.
        hold: Seconds for which to follow jobs that do not end; None follows jobs to their end.
        lines: Number of log lines of each job, if logs are followed.
        sleep: Seconds that each task sleeps instead of running a job; None runs jobs.
    """

    jobs: int
    records: str
    array: bool = False
    submit_per_second: float | None = None
    status_per_second: float | None = None
    hold: float | None = None
    lines: int = 0
    sleep: float | None = None

    @classmethod
    def from_environment(cls) -> Self:
        """Read the work from the environment."""
        return cls(**json.loads(os.environ[VARIABLE]))

    def to_environment(self) -> dict[str, str]:
        """Return the environment variable that contains the work."""
        return {VARIABLE: json.dumps(dataclasses.asdict(self))}


def log_line(number: int) -> str:
    """Return a line of a log, of a realistic length."""
    return f"{number} INFO worker: processed record {number * 7919:012d} of the batch, 0 errors"


class Recorder:
    """Records when a contender reports the end of a job; forked processes may share it.

    Args:
        path: File to append to. Lines are short enough for atomic writes.
        clock: Returns the time in seconds. Monotonic clocks agree in all processes of a machine.
        cpu: Returns the CPU time of the contender in seconds.
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
        """Record that the end of a job has been reported now."""
        self._write(job_id, self._clock())

    def cpu(self) -> float:
        """Return the CPU seconds spent so far."""
        return self._cpu()

    def figure(self, name: str, value: float) -> None:
        """Record a number that the contender has measured."""
        self._write(f"#{name}", value)

    def _write(self, what: str, number: float) -> None:
        os.write(self._file, f"{what} {number:.6f}\n".encode())
