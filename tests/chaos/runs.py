"""One run: an engine, one driver after the other until the work is done, and the verdict.

Killed processes get no chance to tidy up, so whatever they leave is what the next one finds.
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
from tests.chaos.oracle import Verdict, judge
from tests.chaos.plan import Kill, Pause, Plan, draw
from tests.chaos.shared import Shared

# Real seconds without any step forward, after which a run counts as hung.
_PATIENCE = 90.0
# Lives that end with an announced error, after which a run counts as hung.
_MOST_LIVES = 40
# Real seconds until a program that ended with an announced error is run again.
_BEFORE_A_RERUN = 0.5


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of a run.

    Attributes:
        seed: Its seed.
        jobs: Jobs that the engine ran.
        kills: Drivers that were killed (SIGKILL).
        stops: Drivers that were stopped (SIGTERM).
        reruns: Drivers that ended with an announced error and were run again.
        pauses: Times that a process stood still.
        clock_jumps: Times that the wall clock was set.
        faults: Requests that each kind of fault hit.
        hung: Why it was given up; empty if it was not.
        crashed: How a driver ended with an error that nobody announced; empty if none did.
        verdict: What the oracle found.
        seconds: How long it took.
    """

    seed: int
    jobs: int = 0
    kills: int = 0
    stops: int = 0
    reruns: int = 0
    pauses: int = 0
    clock_jumps: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    hung: str = ""
    crashed: str = ""
    verdict: Verdict = field(default_factory=Verdict)
    seconds: float = 0.0

    @property
    def is_good(self) -> bool:
        """Whether nothing was lost, doubled, hung, crashed or otherwise wrong."""
        found = self.verdict
        return not (self.hung or self.crashed or found.lost or found.doubled or found.wrong)


def run(seed: int, *, jobs: int, most_kills: int, keep: Path | None = None) -> Outcome:
    """Carry out the run of a seed; `keep` is where its files stay for inspection."""
    plan = draw(seed, jobs=jobs, most_kills=most_kills)
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
        self._began = (time.monotonic(), time.time())
        self._engine = Child(0, 0)

    def carry_out(self) -> Outcome:
        door = self._open_engine()
        try:
            while not self._outcome.hung and self._live(door) != driver.DONE:
                self._shared.life += 1
        finally:
            ledger = self._close_engine()
        self._outcome.jobs = len(ledger["jobs"])
        self._outcome.faults = ledger["faults"]
        lives = [_lines(self._life(n)) for n in range(self._shared.life + 1)]
        self._outcome.clock_jumps = sum("clock" in line for life in lives for line in life)
        if not self._outcome.hung and not self._outcome.crashed:
            self._outcome.verdict = judge(self._plan, ledger, lives)
        self._shared.close()
        return self._outcome

    def _life(self, number: int) -> Path:
        return self._directory / f"life-{number}.jsonl"

    # -- the engine -------------------------------------------------------------------------------

    def _open_engine(self) -> dict[str, str]:
        reads, writes = os.pipe()
        self._engine = fork(
            lambda: endpoint.serve(self._plan, self._shared, self._directory, writes),
            self._directory / "engine.err",
        )
        os.close(writes)
        with os.fdopen(reads, "rb") as pipe:
            door: dict[str, str] = json.loads(pipe.read())
        return door

    def _close_engine(self) -> dict[str, Any]:
        os.kill(self._engine.pid, signal.SIGTERM)
        self._engine.wait()
        ledger: dict[str, Any] = json.loads((self._directory / "ledger.json").read_text())
        return ledger

    # -- the driver -------------------------------------------------------------------------------

    def _live(self, door: dict[str, str]) -> int | None:
        """Live one life of the driver; return its exit code, None if it was killed."""
        life = self._shared.life
        self._shared.requests = 0
        world = driver.World(
            plan=self._plan,
            shared=self._shared,
            directory=self._directory,
            door=door,
            session=session(),
            began=self._began,
        )
        child = fork(lambda: driver.drive(world), self._directory / f"life-{life}.err")
        kill = self._plan.kills[life] if life < len(self._plan.kills) else None
        pauses = self._plan.pauses[life] if life < len(self._plan.pauses) else ()
        self._watch(child, kill, pauses)
        code = child.wait()
        if code == -signal.SIGKILL:
            self._outcome.kills += not self._outcome.hung
            return None
        if code in (driver.STOPPED, -signal.SIGTERM):
            self._outcome.stops += 1
            return None
        if code not in (driver.DONE, driver.TO_BE_RUN_AGAIN):
            words = (self._directory / f"life-{life}.err").read_text().strip()
            self._outcome.crashed = f"life {life} crashed ({code}): {words}"
            return driver.DONE
        if code == driver.TO_BE_RUN_AGAIN:
            self._outcome.reruns += 1
            time.sleep(_BEFORE_A_RERUN)  # nor does anybody log in again at once
        if life >= _MOST_LIVES:
            self._outcome.hung = f"it is not done after {_MOST_LIVES} lives"
        return code

    def _watch(self, child: Child, kill: Kill | None, pauses: tuple[Pause, ...]) -> None:
        """Wait for a driver's end; kill and pause as planned; give up where nothing goes on."""
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
                self._outcome.hung = f"life {self._shared.life}: no step in {_PATIENCE:.0f} s"
                os.kill(child.pid, signal.SIGKILL)
        _continue(self._engine.pid)  # it may have been paused for longer than the driver lived

    def _timetable(
        self, pid: int, kill: Kill | None, pauses: tuple[Pause, ...]
    ) -> list[tuple[float, Callable[[], None]]]:
        """Return what is to be done and when, in real seconds of this life."""
        timetable: list[tuple[float, Callable[[], None]]] = []
        if kill is not None and kill.at_request is None:
            timetable.append((kill.at_time, lambda: os.kill(pid, kill.number)))
        for pause in pauses:
            who = self._engine.pid if pause.who == "engine" else pid
            timetable.append((pause.at_time, partial(self._stop, who)))
            timetable.append((pause.at_time + pause.seconds, partial(_continue, who)))
        return sorted(timetable, key=lambda entry: entry[0])

    def _stop(self, pid: int) -> None:
        self._outcome.pauses += 1
        os.kill(pid, signal.SIGSTOP)


def _continue(pid: int) -> None:
    os.kill(pid, signal.SIGCONT)


def _wait(timetable: list[tuple[float, Callable[[], None]]], began: float) -> float:
    """Return seconds until something is to be done; the watchdog looks once a second."""
    return max(0.0, min([1.0] + [began + at - time.monotonic() for at, _ in timetable[:1]]))


def _lines(path: Path) -> list[dict[str, Any]]:
    """Read what a life told; its last line may have been cut off."""
    if not path.exists():
        return []
    lines = []
    for line in path.read_bytes().splitlines():
        try:
            lines.append(json.loads(line))
        except ValueError:
            break
    return lines
