"""An executor that plays scripts: for tests and benchmarks, on a virtual clock or a real one."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from asyncbatch.local._executors.base import AttemptEvents, Exit, Launch
from asyncbatch.local._time.clock import Clock, Timer

_SIGTERM_EXIT = 143
_SIGKILL_EXIT = 137
_TICK = 1e-6  # seconds: what two additions of times may differ by


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What an attempt does. Times are seconds.

    Attributes:
        startup: From STARTING to RUNNING.
        duration: From RUNNING to the exit; None runs until it is stopped.
        exit_code: The exit code; None when no container exits, as on a lost host.
        reason: The container's reason.
        status_reason: The attempt's status reason.
        lines: The output: pairs of the seconds since RUNNING and the text. A line may come after
            the exit, as it does with AWS.
        fails_to_start: Whether the attempt ends after `startup` without ever RUNNING.
        stops_after: How long it goes on when it is asked to stop; None ignores the request, and it
            is ended by force.
    """

    startup: float = 1.0
    duration: float | None = 1.0
    exit_code: int | None = 0
    reason: str | None = None
    status_reason: str | None = "Essential container in task exited"
    lines: Sequence[tuple[float, str]] = ()
    fails_to_start: bool = False
    stops_after: float | None = 0.0


class ScriptedExecutor:
    """Plays a script for each attempt.

    Args:
        script: One script for all, or a function that is given the `Launch` and returns one; it
            draws chance from `launch.random`, so that a run with the same seed is the same run.

    Example:
        ```python
        def script(job: Launch) -> Script:
            spot_loss = Script(exit_code=None, status_reason="Host EC2 (instance i-1) terminated.")
            return spot_loss if job.attempt == 1 else Script(duration=job.random.uniform(5, 15))


        executor = ScriptedExecutor(script)
        ```
    """

    def __init__(self, script: Script | Callable[[Launch], Script] | None = None) -> None:
        self._script = script if script is not None else Script()
        self._clock: Clock | None = None
        self._playing: set[_Performance] = set()

    async def open(self, clock: Clock) -> None:
        """Get ready to play on a clock."""
        self._clock = clock

    def start(self, launch: Launch, events: AttemptEvents) -> "_Performance":
        """Play the script of an attempt."""
        if self._clock is None:
            raise RuntimeError("open the executor first")
        script = self._script if isinstance(self._script, Script) else self._script(launch)
        performance = _Performance(script, events, self._clock, self._playing)
        performance.begin()
        return performance

    async def aclose(self) -> None:
        """End what still plays, as if by force."""
        for performance in list(self._playing):
            performance.end(_SIGKILL_EXIT)


class _Performance:
    """One script being played."""

    def __init__(
        self, script: Script, events: AttemptEvents, clock: Clock, playing: "set[_Performance]"
    ) -> None:
        self._script = script
        self._events = events
        self._clock = clock
        self._playing = playing
        self._next: Timer | None = None
        self._lines = deque(sorted(script.lines, key=lambda line: line[0]))
        self._next_line: Timer | None = None
        self._running_since = 0.0

    def begin(self) -> None:
        """Wait for the startup to pass."""
        self._playing.add(self)
        step = self._exit if self._script.fails_to_start else self._run
        self._next = self._clock.call_later(self._script.startup, step)

    def stop(self, grace: float) -> None:
        """Let the script end in its own time, or by force after `grace` seconds."""
        own = self._script.stops_after
        forced = own is None or own > grace
        code = _SIGKILL_EXIT if forced else _SIGTERM_EXIT
        self._after(grace if own is None or forced else own, self.end, code)

    def end(self, exit_code: int | None) -> None:
        """End here and now; lines that were still to come stay unwritten."""
        if self._next_line is not None:
            self._next_line.cancel()
        self._report(Exit(exit_code=exit_code))

    def _run(self) -> None:
        self._events.running()
        self._running_since = self._clock.time()
        self._write_lines()
        if self._script.duration is not None:
            self._after(self._script.duration, self._exit)

    def _write_lines(self) -> None:
        """Write what is due, and wait for the next line: one timer keeps them in order."""
        passed = self._clock.time() - self._running_since
        while self._lines:
            wait = self._lines[0][0] - passed
            if wait > _TICK:
                self._next_line = self._clock.call_later(wait, self._write_lines)
                return
            self._events.line(self._lines.popleft()[1])

    def _exit(self) -> None:
        script = self._script
        reasons = {"reason": script.reason, "status_reason": script.status_reason}
        self._report(Exit(exit_code=script.exit_code, **reasons))

    def _report(self, exit: Exit) -> None:  # noqa: A002 (the word for it)
        if self in self._playing:
            self._playing.remove(self)
            if self._next is not None:
                self._next.cancel()
            self._events.exited(exit)

    def _after(self, delay: float, step: Callable[..., None], *args: object) -> None:
        if self._next is not None:
            self._next.cancel()
        self._next = self._clock.call_later(delay, step, *args)
