"""What happens in a run, drawn from its seed: the jobs, the faults, the kills. Pure."""

import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from asyncbatch.local import Fault

# Seconds of a life within which its wall clock goes wrong.
_EARLY = 20.0
# AWS refuses requests that are signed with a clock that is wrong by more.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
_MOST_SKEW = 290.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A job that is wanted.

    Attributes:
        number: Which one; the job finds it in its environment, so that the engine can tell.
        name: The job name that the user chose; None where asyncbatch chooses one.
        seconds: How long it runs.
        exit_code: How it ends.
        array_size: Number of children; None for a job that is no array.
    """

    number: int
    name: str | None
    seconds: float
    exit_code: int
    array_size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """A fault of the service.

    Attributes:
        label: What it is called in the tally.
        operation: The operation that it hits; ``"*"`` hits all.
        fault: The fault.
        begins: With which request of the run, from 1.
        lasts: Seconds; None for ever.
    """

    label: str
    operation: str
    fault: Fault
    begins: int = 1
    lasts: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """The end of one life of the driver.

    Attributes:
        at_request: The request of this life, from 1, with which it is killed; None for `at_time`.
        after: Whether that request is carried out first; its answer is lost either way.
        at_time: Real seconds after its start.
        number: SIGKILL; or SIGTERM, which lets it close what it opened.
    """

    at_request: int | None = None
    after: bool = False
    at_time: float = 0.0
    number: signal.Signals = signal.SIGKILL


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A process that stands still (SIGSTOP) for a while.

    Attributes:
        who: ``"engine"`` or ``"driver"``.
        at_time: Real seconds after the driver's start.
        seconds: For how long, in real time.
    """

    who: str
    at_time: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A run.

    Attributes:
        seed: Where all of it comes from.
        work: The jobs.
        troubles: The faults.
        kills: How each life of the driver ends but the last.
        pauses: In each life, by its number.
        clock_jumps: Times in seconds of a life, and by how many seconds the driver's wall clock is
            wrong from then on.
        resumes: Whether a driver that is started again calls `resume` first.
    """

    seed: int
    work: tuple[Work, ...]
    troubles: tuple[Trouble, ...]
    kills: tuple[Kill, ...]
    pauses: tuple[tuple[Pause, ...], ...]
    clock_jumps: tuple[tuple[float, float], ...]
    resumes: bool


def draw(seed: int, *, jobs: int, most_kills: int) -> Plan:
    """Return the plan of a run; the same one for the same arguments."""
    rng = random.Random(f"chaos {seed}")
    kills = tuple(_kill(rng, jobs) for _ in range(rng.randint(min(1, most_kills), most_kills)))
    kinds = rng.sample(list(_TROUBLES), k=rng.randint(2, 5))
    troubles = [trouble for kind in kinds for trouble in kind(rng)]
    return Plan(
        seed=seed,
        work=tuple(_work(rng, number) for number in range(jobs)),
        troubles=tuple(troubles),
        kills=kills,
        pauses=tuple(tuple(_pauses(rng)) for _ in range(most_kills + 1)),
        clock_jumps=tuple(
            (rng.uniform(0, _EARLY), rng.uniform(-_MOST_SKEW, _MOST_SKEW))
            for _ in range(rng.choice((0, 0, 1, 3)))
        ),
        resumes=rng.random() < 0.5,
    )


def _work(rng: random.Random, number: int) -> Work:
    return Work(
        number=number,
        name=f"chosen-{number}" if rng.random() < 0.3 else None,
        seconds=rng.uniform(0.2, 10),
        exit_code=3 if rng.random() < 0.1 else 0,
        array_size=3 if rng.random() < 0.03 else None,
    )


def _kill(rng: random.Random, jobs: int) -> Kill:
    number = signal.SIGTERM if rng.random() < 0.15 else signal.SIGKILL
    if rng.random() < 0.3:
        return Kill(at_time=rng.uniform(0.02, 1.5), number=number)
    # Most while jobs are submitted, some while they are followed.
    at_request = rng.randint(1, int(jobs * 1.5))
    return Kill(at_request=at_request, after=rng.random() < 0.6, number=number)


def _pauses(rng: random.Random) -> Iterator[Pause]:
    if rng.random() < 0.2:
        who = rng.choice(("engine", "driver"))
        # Up to the 40 s of the run's time that are more than a client waits for an answer.
        yield Pause(who=who, at_time=rng.uniform(0.05, 1.0), seconds=rng.uniform(0.1, 2.0))


# -- the kinds of trouble --------------------------------------------------------------------------


def _throttling(rng: random.Random) -> Iterator[Trouble]:
    del rng
    yield Trouble(label="throttled", operation="*", fault=Fault.throttle(probability=0.3))


def _dropped_before(rng: random.Random) -> Iterator[Trouble]:
    make = rng.choice((Fault.drop_before, Fault.reset_before, Fault.refuse))
    fault = make(probability=rng.uniform(0.03, 0.3))
    yield Trouble(label="dropped before acceptance", operation=_where(rng), fault=fault)


def _dropped_after(rng: random.Random) -> Iterator[Trouble]:
    make = rng.choice((Fault.drop_after, Fault.reset_after))
    fault = make(probability=rng.uniform(0.03, 0.3))
    yield Trouble(label="dropped after acceptance", operation=_where(rng), fault=fault)


def _truncated(rng: random.Random) -> Iterator[Trouble]:
    fault = Fault.truncated(probability=rng.uniform(0.02, 0.2))
    yield Trouble(label="truncated body", operation=_where(rng), fault=fault)


def _slow_body(rng: random.Random) -> Iterator[Trouble]:
    fault = Fault.slow_body(rng.uniform(5, 45), probability=rng.uniform(0.01, 0.05))
    yield Trouble(label="slow body", operation=_where(rng), fault=fault)


def _late(rng: random.Random) -> Iterator[Trouble]:
    make = rng.choice((Fault.latency, Fault.latency_before))
    fault = make(rng.uniform(5, 45), probability=rng.uniform(0.01, 0.05))
    yield Trouble(label="late answer", operation=_where(rng), fault=fault)


def _server_errors(rng: random.Random) -> Iterator[Trouble]:
    for _ in range(rng.randint(1, 3)):
        yield Trouble(
            label="5xx burst",
            operation=_where(rng),
            fault=Fault.server_error(probability=rng.uniform(0.5, 1)),
            begins=rng.randint(1, 150),
            lasts=rng.uniform(1, 20),
        )


def _lag(rng: random.Random) -> Iterator[Trouble]:
    yield Trouble(label="lag", operation="DescribeJobs", fault=Fault.lag(rng.uniform(1, 30)))
    # Less than a submission is looked for: nobody can be safe from a list that lags for longer.
    yield Trouble(label="lag", operation="ListJobs", fault=Fault.lag(rng.uniform(0.5, 5)))


def _expired(rng: random.Random) -> Iterator[Trouble]:
    yield Trouble(
        label="expired credentials",
        operation="*",
        fault=Fault.error("ExpiredTokenException", "The security token has expired", status=403),
        begins=rng.randint(2, 150),
        lasts=rng.uniform(1, 30),
    )


def _where(rng: random.Random) -> str:
    return rng.choice(("SubmitJob", "SubmitJob", "*"))


_TROUBLES: tuple[Callable[[random.Random], Iterator[Trouble]], ...] = (
    _throttling,
    _dropped_before,
    _dropped_after,
    _truncated,
    _slow_body,
    _late,
    _server_errors,
    _lag,
    _expired,
)
