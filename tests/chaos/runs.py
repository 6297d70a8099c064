"""One run: an engine, one driver after the other until all work is done, and the verdict.

Killed processes cannot clean up: the next driver finds the files as they were left.
"""

import json
import os
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.chaos import driver, endpoint
from tests.chaos.forks import Child, fork, session
from tests.chaos.oracle import Verdict, decidable, judge
from tests.chaos.plan import Kill, Pause, Plan, draw
from tests.chaos.shared import Shared

# Real seconds without any progress, after which a run counts as hung.
_PATIENCE = 90.0
# Number of drivers after which a run counts as hung.
_MAX_DRIVERS = 40
# Real seconds until a program that ended with an AsyncBatchError is run again.
_BEFORE_A_RERUN = 0.5


@dataclass(slots=True, kw_only=True)
class Outcome:
    """The outcome of a run.

    Attributes:
        seed: Its seed.
        jobs: Jobs that the engine ran.
        kills: Drivers that were killed (SIGKILL).
        journal_kills: Those of them that were killed while the journal was being made.
        stops: Drivers that were stopped (SIGTERM).
        reruns: Drivers that ended with an AsyncBatchError and were run again.
        pauses: Number of times that a process was paused.
        clock_jumps: Number of times that the wall clock was set.
        uncertain: Number of submissions that raised SubmitUncertain, rightly or not.
        resubmissions: Jobs and children that were submitted again after they failed.
        faults: Number of requests that each kind of fault affected.
        hung: Why the run was stopped; empty if it was completed.
        crashed: How a driver ended with an unexpected error; empty if none did.
        verdict: The problems that the oracle found.
        seconds: Duration in real seconds.
    """

    seed: int
    jobs: int = 0
    kills: int = 0
    journal_kills: int = 0
    stops: int = 0
    reruns: int = 0
    pauses: int = 0
    clock_jumps: int = 0
    uncertain: int = 0
    resubmissions: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    hung: str = ""
    crashed: str = ""
    verdict: Verdict = field(default_factory=Verdict)
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, doubled, left undecided, hung, crashed or otherwise wrong."""
        return not (self.hung or self.crashed or self.verdict.has_problems)


def run(
    seed: int,
    *,
    jobs: int,
    most_kills: int,
    recovers: bool = False,
    keep: Path | None = None,
) -> Outcome:
    """Carry out the run of a seed.

    Args:
        seed: What its plan is drawn from.
        jobs: Number of requests.
        most_kills: Maximum number of drivers that are ended.
        recovers: Whether it has a recovery policy, whatever its seed.
        keep: Directory for its files.
    """
    plan = draw(seed, jobs=jobs, most_kills=most_kills, recovers=recovers)
    directory = Path(tempfile.mkdtemp(prefix=f"chaos-{seed}-"))
    began = time.monotonic()
    try:
        outcome = _Run(plan, directory).carry_out()
        outcome.seconds = time.monotonic() - began
        if keep is not None:
            shutil.copytree(directory, keep / f"seed-{seed}", dirs_exist_ok=True)
        return outcome
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class _Run:
    def __init__(self, plan: Plan, directory: Path) -> None:
        self._plan = plan
        self._directory = directory
        self._shared = Shared()
        self._outcome = Outcome(seed=plan.seed)
        self._began = (0.0, 0.0)
        self._engine = Child(0, 0)

    def carry_out(self) -> Outcome:
        door = self._open_engine()
        try:
            while not self._outcome.hung and self._run_driver(door) != driver.DONE:
                self._shared.driver_number += 1
        finally:
            ledger = self._close_engine()
        self._outcome.jobs = len(ledger["jobs"])
        self._outcome.faults = ledger["faults"]
        units = {(each["content"], each["index"]) for each in ledger["submissions"]}
        self._outcome.resubmissions = len(ledger["submissions"]) - len(units)
        if self._plan.full_disks:
            self._outcome.faults["full disk"] = self._shared.full_writes
        reports = [
            _lines(self._directory / f"driver-{number}.jsonl")
            for number in range(self._shared.driver_number + 1)
        ]
        self._outcome.clock_jumps = sum("clock" in line for report in reports for line in report)
        self._outcome.uncertain = sum("uncertain" in line for report in reports for line in report)
        if self._outcome.hung or self._outcome.crashed:
            # Needless doubt may be the cause: the program is run again and again.
            self._outcome.verdict.undecided += decidable(self._plan, ledger, reports)
        else:
            self._outcome.verdict = judge(self._plan, ledger, reports)
        self._shared.close()
        return self._outcome

    # -- the engine -------------------------------------------------------------------------------

    def _open_engine(self) -> dict[str, str]:
        reads, writes = os.pipe()
        self._engine = fork(
            lambda: endpoint.serve(self._plan, self._shared, self._directory, writes),
            self._directory / "engine.err",
        )
        os.close(writes)
        with os.fdopen(reads, "rb") as pipe:
            door: dict[str, str]
            door, self._began = json.loads(pipe.read())
        return door

    def _close_engine(self) -> dict[str, Any]:
        os.kill(self._engine.pid, signal.SIGTERM)
        self._engine.wait()
        ledger: dict[str, Any] = json.loads((self._directory / "ledger.json").read_text())
        return ledger

    # -- the driver -------------------------------------------------------------------------------

    def _run_driver(self, door: dict[str, str]) -> int | None:
        """Run one driver process; return its exit code, None if it was killed or stopped."""
        number = self._shared.driver_number
        self._shared.requests = 0
        world = driver.World(
            plan=self._plan,
            shared=self._shared,
            directory=self._directory,
            door=door,
            session=session(),
            began=self._began,
        )
        child = fork(lambda: driver.drive(world), self._directory / f"driver-{number}.err")
        kill = self._plan.kills[number] if number < len(self._plan.kills) else None
        pauses = self._plan.pauses[number] if number < len(self._plan.pauses) else ()
        self._watch(child, kill, pauses)
        code = child.wait()
        if code == -signal.SIGKILL:
            self._outcome.kills += not self._outcome.hung
            self._outcome.journal_kills += not _is_complete(world.journal)
            return None
        if code in (driver.STOPPED, -signal.SIGTERM):
            self._outcome.stops += 1
            return None
        if code not in (driver.DONE, driver.TO_BE_RUN_AGAIN):
            error = (self._directory / f"driver-{number}.err").read_text().strip()
            self._outcome.crashed = f"driver {number} crashed ({code}): {error}"
            return driver.DONE
        if code == driver.TO_BE_RUN_AGAIN:
            self._outcome.reruns += 1
            time.sleep(_BEFORE_A_RERUN)  # a user would not run it again at once either
        if number >= _MAX_DRIVERS:
            self._outcome.hung = f"not completed by {_MAX_DRIVERS} drivers"
        return code

    def _watch(self, child: Child, kill: Kill | None, pauses: tuple[Pause, ...]) -> None:
        """Wait for a driver's end; kill and pause as planned; kill it if there is no progress."""
        timetable = self._timetable(child.pid, kill, pauses)
        began = moved = time.monotonic()
        steps = self._shared.steps
        while not select.select([child.ended], [], [], _wait(timetable, began))[0]:
            now = time.monotonic()
            while timetable and began + timetable[0][0] <= now:
                timetable.pop(0)[1]()
            if self._shared.steps != steps:
                steps, moved = self._shared.steps, now
            if now - moved > _PATIENCE:
                self._outcome.hung = (
                    f"driver {self._shared.driver_number}: no progress in {_PATIENCE:.0f} s"
                )
                os.kill(child.pid, signal.SIGKILL)
        _continue(self._engine.pid)  # it may have been paused for longer than the driver lived

    def _timetable(
        self, pid: int, kill: Kill | None, pauses: tuple[Pause, ...]
    ) -> list[tuple[float, Callable[[], None]]]:
        """Return the planned signals, with their real seconds after the start of the driver."""
        timetable: list[tuple[float, Callable[[], None]]] = []
        if kill is not None and kill.at_request is kill.at_journal_step is None:
            timetable.append((kill.at_time, lambda: os.kill(pid, kill.number)))
        for pause in pauses:
            target = self._engine.pid if pause.who == "engine" else pid
            timetable.append((pause.at_time, partial(self._stop, target)))
            timetable.append((pause.at_time + pause.seconds, partial(_continue, target)))
        return sorted(timetable, key=lambda entry: entry[0])

    def _stop(self, pid: int) -> None:
        self._outcome.pauses += 1
        os.kill(pid, signal.SIGSTOP)


def _is_complete(journal: Path) -> bool:
    """Whether a journal has its schema: no kill interrupted its creation."""
    if not journal.exists() or journal.with_name(f"{journal.name}-journal").exists():
        return False
    # The user_version, which is written last.
    # https://www.sqlite.org/fileformat.html#the_database_header
    return any(journal.read_bytes()[60:64])


def _continue(pid: int) -> None:
    os.kill(pid, signal.SIGCONT)


def _wait(timetable: list[tuple[float, Callable[[], None]]], began: float) -> float:
    """Return seconds until the next planned signal; at most 1, to check for progress."""
    return max(0.0, min([1.0] + [began + at - time.monotonic() for at, _ in timetable[:1]]))


def _lines(path: Path) -> list[dict[str, Any]]:
    """Read the report of a driver; its last line may be incomplete."""
    if not path.exists():
        return []
    lines = []
    for line in path.read_bytes().splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines
