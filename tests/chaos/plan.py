"""The plan of a run, drawn from its seed: jobs, faults, kills. Pure."""

import random
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from asyncbatch.local import Fault

# Seconds after the start of a driver within which its wall clock jumps.
_EARLY = 20.0
# AWS refuses signed requests when the clock is wrong by more than 300 s.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
_MOST_SKEW = 290.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A request of the run.

    Attributes:
        number: Its position; also in the environment of its job, so that the ledger identifies it.
        name: Custom job name; None for a generated one.
        seconds: Duration of the job.
        exit_code: Exit code of the job.
        array_size: Number of children; None for a job that is no array.
    """

    number: int
    name: str | None
    seconds: float
    exit_code: int
    array_size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedFault:
    """A fault of the service.

    Attributes:
        label: Its name in the table of totals.
        operation: The affected operation; ``"*"`` affects all.
        fault: The fault.
        begins: Number of the request, from 1, with which it begins.
        lasts: Duration in seconds; None until the end of the run.
    """

    label: str
    operation: str
    fault: Fault
    begins: int = 1
    lasts: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """How one driver process is ended.

    Attributes:
        at_request: Number of its request, from 1, at which it is killed; None for `at_time`.
        after: Whether that request is carried out first; its response is lost either way.
        at_time: Real seconds after its start.
        number: SIGKILL; or SIGTERM, on which it closes its client.
    """

    at_request: int | None = None
    after: bool = False
    at_time: float = 0.0
    number: signal.Signals = signal.SIGKILL


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """A process that is paused with SIGSTOP.

    Attributes:
        who: ``"engine"`` or ``"driver"``.
        at_time: Real seconds after the driver's start.
        seconds: Duration in real seconds.
    """

    who: str
    at_time: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan of a run.

    Attributes:
        seed: Seed that everything is drawn from.
        work: The requests.
        faults: The faults of the service.
        kills: How each driver but the last is ended.
        pauses: The pauses of each driver.
        clock_jumps: Seconds after the start of a driver, and the error of its wall clock in seconds
            from then on.
        resumes: Whether a driver that is started again calls `resume` first.
    """

    seed: int
    work: tuple[Work, ...]
    faults: tuple[PlannedFault, ...]
    kills: tuple[Kill, ...]
    pauses: tuple[tuple[Pause, ...], ...]
    clock_jumps: tuple[tuple[float, float], ...]
    resumes: bool


def draw(seed: int, *, jobs: int, most_kills: int) -> Plan:
    """Return the plan of a run; the same one for the same arguments."""
    rng = random.Random(f"chaos {seed}")
    kills = tuple(_kill(rng, jobs) for _ in range(rng.randint(min(1, most_kills), most_kills)))
    kinds = rng.sample(list(_FAULTS), k=rng.randint(2, 5))
    faults = [fault for kind in kinds for fault in kind(rng)]
    return Plan(
        seed=seed,
        work=tuple(_work(rng, number) for number in range(jobs)),
        faults=tuple(faults),
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
        # Up to 40 s of the fast clock, which is longer than a client waits for a response.
        yield Pause(who=who, at_time=rng.uniform(0.05, 1.0), seconds=rng.uniform(0.1, 2.0))


# -- the kinds of faults ---------------------------------------------------------------------------


def _throttling(rng: random.Random) -> Iterator[PlannedFault]:
    del rng
    yield PlannedFault(label="throttled", operation="*", fault=Fault.throttle(probability=0.3))


def _dropped_before(rng: random.Random) -> Iterator[PlannedFault]:
    make = rng.choice((Fault.drop_before, Fault.reset_before, Fault.refuse))
    fault = make(probability=rng.uniform(0.03, 0.3))
    yield PlannedFault(label="dropped before acceptance", operation=_where(rng), fault=fault)


def _dropped_after(rng: random.Random) -> Iterator[PlannedFault]:
    make = rng.choice((Fault.drop_after, Fault.reset_after))
    fault = make(probability=rng.uniform(0.03, 0.3))
    yield PlannedFault(label="dropped after acceptance", operation=_where(rng), fault=fault)


def _truncated(rng: random.Random) -> Iterator[PlannedFault]:
    fault = Fault.truncated(probability=rng.uniform(0.02, 0.2))
    yield PlannedFault(label="truncated body", operation=_where(rng), fault=fault)


def _slow_body(rng: random.Random) -> Iterator[PlannedFault]:
    fault = Fault.slow_body(rng.uniform(5, 45), probability=rng.uniform(0.01, 0.05))
    yield PlannedFault(label="slow body", operation=_where(rng), fault=fault)


def _late(rng: random.Random) -> Iterator[PlannedFault]:
    make = rng.choice((Fault.latency, Fault.latency_before))
    fault = make(rng.uniform(5, 45), probability=rng.uniform(0.01, 0.05))
    yield PlannedFault(label="late answer", operation=_where(rng), fault=fault)


def _server_errors(rng: random.Random) -> Iterator[PlannedFault]:
    for _ in range(rng.randint(1, 3)):
        yield PlannedFault(
            label="5xx burst",
            operation=_where(rng),
            fault=Fault.server_error(probability=rng.uniform(0.5, 1)),
            begins=rng.randint(1, 150),
            lasts=rng.uniform(1, 20),
        )


def _lag(rng: random.Random) -> Iterator[PlannedFault]:
    yield PlannedFault(label="lag", operation="DescribeJobs", fault=Fault.lag(rng.uniform(1, 30)))
    # Shorter than the time for which a submission is looked up: no look-up can find a job that is
    # listed later.
    yield PlannedFault(label="lag", operation="ListJobs", fault=Fault.lag(rng.uniform(0.5, 5)))


def _expired(rng: random.Random) -> Iterator[PlannedFault]:
    yield PlannedFault(
        label="expired credentials",
        operation="*",
        fault=Fault.error("ExpiredTokenException", "The security token has expired", status=403),
        begins=rng.randint(2, 150),
        lasts=rng.uniform(1, 30),
    )


def _where(rng: random.Random) -> str:
    return rng.choice(("SubmitJob", "SubmitJob", "*"))


_FAULTS: tuple[Callable[[random.Random], Iterator[PlannedFault]], ...] = (
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
