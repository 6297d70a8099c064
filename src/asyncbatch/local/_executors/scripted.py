"""An executor that plays scripts, for tests and benchmarks, in virtual or real time."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from asyncbatch.local._executors.base import OUT_OF_MEMORY, AttemptEvents, Exit, Launch
from asyncbatch.local._time.clock import Clock, Timer

_SIGTERM_EXIT = 143  # 128 + the signal's number, as a shell reports it
_SIGKILL_EXIT = 137
_NO_IMAGE = (
    "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve"
    " ref docker.io/library/none:latest: docker.io/library/none:latest: not found"
)
_TICK = 1e-6  # seconds; sums of floating-point times may differ by less than this


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What an attempt does. All times are in seconds.

    Attributes:
        startup: Time from STARTING to RUNNING.
        duration: Time from RUNNING to the exit; None runs until the attempt is stopped.
        exit_code: The exit code; None if no container exits, as after the loss of a host.
        reason: The container's reason.
        status_reason: The attempt's status reason.
        lines: The output, as pairs of the seconds since RUNNING and the text. A line may come after
            the exit, as with AWS.
        fails_to_start: Whether the attempt ends after `startup` without reaching RUNNING.
        stops_after: Time from a stop request to the exit; None ignores the request, and the attempt
            is ended by force after the grace period.
    """

    startup: float = 1.0
    duration: float | None = 1.0
    exit_code: int | None = 0
    reason: str | None = None
    status_reason: str | None = "Essential container in task exited"
    lines: Sequence[tuple[float, str]] = ()
    fails_to_start: bool = False
    stops_after: float | None = 0.0

    @classmethod
    def host_lost(cls, *, after: float = 1.0, instance: str = "i-0123456789abcdef0") -> Self:
        """Return a script whose host is terminated, as when EC2 reclaims a Spot instance.

        Args:
            after: Seconds from RUNNING to the loss.
            instance: Id of the EC2 instance.
        """
        reason = f"Host EC2 (instance {instance}) terminated."
        return cls(duration=after, exit_code=None, status_reason=reason)

    @classmethod
    def out_of_memory(cls, *, after: float = 1.0) -> Self:
        """Return a script that exceeds its memory limit `after` seconds from RUNNING."""
        return cls(duration=after, exit_code=_SIGKILL_EXIT, reason=OUT_OF_MEMORY)

    @classmethod
    def image_error(cls, reason: str = _NO_IMAGE) -> Self:
        """Return a script whose image cannot be pulled, so that it never runs.

        Args:
            reason: The container's reason, in the words of Amazon ECS.
        """
        return cls(
            exit_code=None,
            reason=reason,
            status_reason="Task failed to start",
            fails_to_start=True,
        )


class ScriptedExecutor:
    """Plays a script for each attempt.

    Args:
        script: One script for all attempts, or a function from a `Launch` to a script. The function
            should draw random numbers from `launch.random`: a run with the same seed then repeats
            exactly. By default, every attempt starts after 1 s and succeeds after 1 s more.

    Example:
        ```python
        def script(job: Launch) -> Script:
            if job.attempt == 1:
                return Script.host_lost(after=30)
            return Script(duration=job.random.uniform(5, 15))


        executor = ScriptedExecutor(script)
        ```
    """

    def __init__(self, script: Script | Callable[[Launch], Script] | None = None) -> None:
        self._script = script if script is not None else Script()
        self._clock: Clock | None = None
        self._running: set[_ScriptedAttempt] = set()

    async def open(self, clock: Clock) -> None:
        """Take the clock on which scripts are played."""
        self._clock = clock

    def start(self, launch: Launch, events: AttemptEvents) -> "_ScriptedAttempt":
        """Play the script of an attempt."""
        if self._clock is None:
            raise RuntimeError(
                "ScriptedExecutor is not open: await open(clock) first; LocalBatch does it."
            )
        script = self._script if isinstance(self._script, Script) else self._script(launch)
        attempt = _ScriptedAttempt(script, events, self._clock, self._running)
        attempt.begin()
        return attempt

    async def aclose(self) -> None:
        """End all running attempts with the exit code of SIGKILL."""
        for attempt in list(self._running):
            attempt.end(_SIGKILL_EXIT)


class _ScriptedAttempt:
    """One attempt whose script is being played."""

    def __init__(
        self, script: Script, events: AttemptEvents, clock: Clock, running: "set[_ScriptedAttempt]"
    ) -> None:
        self._script = script
        self._events = events
        self._clock = clock
        self._running = running
        self._next: Timer | None = None
        self._lines = deque(sorted(script.lines, key=lambda line: line[0]))
        self._next_line: Timer | None = None
        self._running_since = 0.0

    def begin(self) -> None:
        """Schedule the end of the startup."""
        self._running.add(self)
        step = self._exit if self._script.fails_to_start else self._run
        self._next = self._clock.call_later(self._script.startup, step)

    def stop(self, grace: float) -> None:
        """End after the script's `stops_after`; by force after `grace` seconds at the latest."""
        own = self._script.stops_after
        forced = own is None or own > grace
        code = _SIGKILL_EXIT if forced else _SIGTERM_EXIT
        self._after(grace if own is None or forced else own, self.end, code)

    def end(self, exit_code: int | None) -> None:
        """End immediately; lines that are not due yet are never written."""
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
        """Write the lines that are due and schedule the next one.

        One timer at a time keeps the lines in order.
        """
        elapsed = self._clock.time() - self._running_since
        while self._lines:
            wait = self._lines[0][0] - elapsed
            if wait > _TICK:
                self._next_line = self._clock.call_later(wait, self._write_lines)
                return
            self._events.line(self._lines.popleft()[1])

    def _exit(self) -> None:
        script = self._script
        reasons = {"reason": script.reason, "status_reason": script.status_reason}
        self._report(Exit(exit_code=script.exit_code, **reasons))

    def _report(self, exit: Exit) -> None:  # noqa: A002 (AWS's and POSIX's term)
        if self in self._running:
            self._running.remove(self)
            if self._next is not None:
                self._next.cancel()
            self._events.exited(exit)

    def _after(self, delay: float, step: Callable[..., None], *args: object) -> None:
        if self._next is not None:
            self._next.cancel()
        self._next = self._clock.call_later(delay, step, *args)
