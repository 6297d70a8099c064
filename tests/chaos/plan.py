"""The plan of a run, drawn from its seed: jobs, faults, kills. Pure.

Every third seed, the jobs fail in ways that a recovery policy covers or does not cover, and the
clients have one.
"""

import enum
import random
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from asyncbatch.local import Fault

# Seconds after the start of a driver within which its wall clock jumps.
_EARLY = 20.0
# AWS refuses signed requests when the clock is wrong by more than 300 s.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
_MOST_SKEW = 290.0
# The client waits for a response for 30 s, which are 1.5 real seconds. An engine that is paused for
# longer accepts requests that the client has given up, which no look-up can know.
_MOST_PAUSE = {"engine": 1.5, "driver": 2.0}
# Statements of SQLite, and calls that open a file, until the schema of a new journal is complete,
# and until its first transactions are done.
SCHEMA_STEPS = 26
JOURNAL_STEPS = 34
# Three kinds of faults are certain in a run: so any six seeds in a row have all of them.
_CERTAIN = 3
_A_DAY = 86_400.0

# What the recovery policy of a run allows: the first submission is one of them.
MAX_SUBMISSIONS = 3
BASE_MEMORY_MIB = 128
# Every third run has a recovery policy: two of the six of chaos_short.
_RECOVERS_EVERY = 3


class Ending(enum.StrEnum):
    """How a submission of a job ends."""

    SUCCEEDED = "succeeded"
    HOST_LOST = "host lost"
    OUT_OF_MEMORY = "out of memory"
    EXIT_CODE = "exit code"
    TERMINATED = "terminated"


COVERED = frozenset({Ending.HOST_LOST, Ending.OUT_OF_MEMORY})
"""Endings after which the policy submits a job again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """What happens to the submissions of a job, or of one child of an array.

    Attributes:
        hosts_lost: How many submissions lose their host, from the first one on.
        needs_mib: Memory without which it runs out of memory.
        is_terminated: Whether an operator terminates it, instead of an end of its own.
        exit_code: Exit code of a submission that nothing else ends.
    """

    hosts_lost: int = 0
    needs_mib: int = 0
    is_terminated: bool = False
    exit_code: int = 0

    def ending(self, earlier: int, memory_mib: int) -> Ending:
        """Return how a submission ends.

        Args:
            earlier: Number of submissions before.
            memory_mib: Its memory.
        """
        if earlier < self.hosts_lost:
            return Ending.HOST_LOST
        if memory_mib < self.needs_mib:
            return Ending.OUT_OF_MEMORY
        if self.is_terminated:
            return Ending.TERMINATED
        return Ending.EXIT_CODE if self.exit_code else Ending.SUCCEEDED

    def endings(self) -> list[Ending]:
        """Return how all its submissions end: as many as the policy makes."""
        found: list[Ending] = []
        memory = BASE_MEMORY_MIB
        while len(found) < MAX_SUBMISSIONS:
            found.append(self.ending(len(found), memory))
            if found[-1] not in COVERED:
                break
            memory *= 2 if found[-1] is Ending.OUT_OF_MEMORY else 1
        return found

    @property
    def succeeds(self) -> bool:
        """Whether its last submission succeeds."""
        return self.endings()[-1] is Ending.SUCCEEDED


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A request of the run.

    Attributes:
        number: Its position.
        content: Position of the first request with the same content and name; also in the
            environment of its job, so that the ledger identifies it.
        name: Custom job name, perhaps of several requests; None for a generated one.
        seconds: Duration of the job.
        exit_code: Exit code of the job.
        array_size: Number of children; None for a job that is no array.
        key: Key of the request in the journal; None for none.
        courses: In a run with recovery, what happens to its submissions; of an array, to those of
            each child. They include the exit code. Empty in other runs.
    """

    number: int
    content: int
    name: str | None
    seconds: float
    exit_code: int
    array_size: int | None
    key: str | None = None
    courses: tuple[Course, ...] = ()

    @property
    def succeeds(self) -> bool:
        """Whether the job ends SUCCEEDED."""
        if self.courses:
            return all(course.succeeds for course in self.courses)
        return self.exit_code == 0


class PolicyPlace(enum.StrEnum):
    """Where a program sets its recovery policy."""

    CLIENT = "client"
    CALL = "call"
    REQUEST = "request"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRecovery:
    """The recovery policy of the clients of a run.

    Attributes:
        place: Where it is set.
        delay: Seconds before the second submission of a job that lost its host.
        reruns_failed: Whether each further driver submits the jobs again that ended FAILED.
    """

    place: PolicyPlace
    delay: float
    reruns_failed: bool


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
class RefusedTags:
    """A time in which AWS refuses each SubmitJob with tags: batch:TagResource is denied.

    Attributes:
        begins: Number of the request, from 1, with which it begins.
        lasts: Number of requests; None until the end of the run.
    """

    begins: int
    lasts: int | None

    def affects(self, request: int) -> bool:
        """Whether the request of a number is refused if it has tags."""
        return self.begins <= request and (self.lasts is None or request < self.begins + self.lasts)


@dataclass(frozen=True, slots=True, kw_only=True)
class FullDisk:
    """A time in which the disk of the journal is full.

    Attributes:
        begins: Number of the journal's transaction, from 1, with which it begins.
        lasts: Duration in seconds.
    """

    begins: int
    lasts: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """How one driver process is ended.

    Attributes:
        at_request: Number of its request, from 1, at which it is killed; None for another time.
        after: Whether that request is carried out first; its response is lost either way.
        at_journal_step: Number of the statement or call, from 1, of opening the journal at which it
            is killed; None for another time.
        at_time: Real seconds after its start; with `at_journal_step`, after that step began.
        number: SIGKILL; or SIGTERM, on which it closes its client.
    """

    at_request: int | None = None
    after: bool = False
    at_journal_step: int | None = None
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
        refused_tags: When AWS refuses tags; None for never.
        full_disks: When the disk is full.
        kills: How each driver but the last is ended.
        pauses: The pauses of each driver.
        clock_jumps: Seconds after the start of a driver, and the error of its wall clock in seconds
            from then on.
        resumes: Whether a driver that is started again calls `resume` first.
        uses_run: Whether drivers call `run`; otherwise they submit each request by itself, and
            report which ones are uncertain.
        recovery: The recovery policy; None for none.
    """

    seed: int
    work: tuple[Work, ...]
    faults: tuple[PlannedFault, ...]
    refused_tags: RefusedTags | None
    full_disks: tuple[FullDisk, ...]
    kills: tuple[Kill, ...]
    pauses: tuple[tuple[Pause, ...], ...]
    clock_jumps: tuple[tuple[float, float], ...]
    resumes: bool
    uses_run: bool
    recovery: PlannedRecovery | None = None


def draw(seed: int, *, jobs: int, most_kills: int, recovers: bool = False) -> Plan:
    """Return the plan of a run; the same one for the same arguments.

    Args:
        seed: What it is drawn from.
        jobs: Number of requests.
        most_kills: Maximum number of drivers that are ended.
        recovers: Whether the run has a recovery policy, whatever its seed.
    """
    plan = _draw(seed, jobs=jobs, most_kills=most_kills)
    if recovers or seed % _RECOVERS_EVERY == 0:
        return _with_recovery(plan, random.Random(f"recovery {seed}"), jobs)
    return plan


def _draw(seed: int, *, jobs: int, most_kills: int) -> Plan:
    rng = random.Random(f"chaos {seed}")
    kinds = _kinds(rng, seed)
    faults = [fault for kind in _FAULTS if kind in kinds for fault in _FAULTS[kind](rng)]
    kills = [_kill(rng, jobs) for _ in range(rng.randint(min(1, most_kills), most_kills))]
    if JOURNAL_KILL in kinds and most_kills:
        kills[:0] = [_journal_kill(rng) for _ in range(rng.randint(1, 3))]
    refused_tags = _refused_tags(rng, jobs) if REFUSED_TAGS in kinds else None
    # After a change of the clock, a job without a mark may have been created before its request, as
    # far as a look-up can know: a person has to decide.
    most_jumps = 0 if refused_tags else rng.choice((0, 0, 1, 3))
    return Plan(
        seed=seed,
        work=tuple(_works(rng, jobs)),
        faults=tuple(faults),
        refused_tags=refused_tags,
        full_disks=tuple(_full_disks(rng, jobs)) if FULL_DISK in kinds else (),
        kills=tuple(kills),
        pauses=tuple(tuple(_pauses(rng)) for _ in range(len(kills) + 1)),
        clock_jumps=tuple(
            (rng.uniform(0, _EARLY), rng.uniform(-_MOST_SKEW, _MOST_SKEW))
            for _ in range(most_jumps)
        ),
        resumes=rng.random() < 0.5,
        uses_run=rng.random() < 0.5,
    )


def _kinds(rng: random.Random, seed: int) -> set[str]:
    """Return the kinds of faults of a run: some by turns, some at random."""
    certain = [ALL_KINDS[(_CERTAIN * seed + n) % len(ALL_KINDS)] for n in range(_CERTAIN)]
    return {*certain, *rng.sample(ALL_KINDS, k=rng.randint(0, 3))}


def _works(rng: random.Random, jobs: int) -> Iterator[Work]:
    made: list[Work] = []
    for number in range(jobs):
        if made and rng.random() < 0.15:
            work = replace(rng.choice(made), number=number)
        else:
            work = _work(rng, number)
        made.append(work)
        yield work


def _work(rng: random.Random, number: int) -> Work:
    names = (None, None, None, f"own-{number}", f"shared-{rng.randint(1, 3)}")
    return Work(
        number=number,
        content=number,
        name=rng.choice(names),
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


def _journal_kill(rng: random.Random) -> Kill:
    """Return a kill while the journal is being made: at a step or shortly afterwards."""
    at_time = rng.choice((0.0, rng.uniform(0, 0.005)))
    return Kill(at_journal_step=rng.randint(1, JOURNAL_STEPS), at_time=at_time)


def _pauses(rng: random.Random) -> Iterator[Pause]:
    if rng.random() < 0.2:
        who = rng.choice(("engine", "driver"))
        seconds = rng.uniform(0.1, _MOST_PAUSE[who])
        yield Pause(who=who, at_time=rng.uniform(0.05, 1.0), seconds=seconds)


def _refused_tags(rng: random.Random, jobs: int) -> RefusedTags:
    begins = rng.choice((1, rng.randint(1, jobs)))
    return RefusedTags(begins=begins, lasts=rng.choice((None, rng.randint(1, jobs))))


def _full_disks(rng: random.Random, jobs: int) -> Iterator[FullDisk]:
    for _ in range(rng.randint(1, 2)):
        # From the first transactions, which make the journal, to those that record the last ends.
        begins = rng.choice((rng.randint(1, 4), rng.randint(1, jobs)))
        yield FullDisk(begins=begins, lasts=rng.uniform(1, 40))


# -- recovery --------------------------------------------------------------------------------------


def _with_recovery(plan: Plan, rng: random.Random, jobs: int) -> Plan:
    """Return the plan with a policy, and with jobs that fail."""
    recovery = PlannedRecovery(
        place=rng.choice(list(PolicyPlace)),
        delay=rng.uniform(0, 20),
        reruns_failed=rng.random() < 0.4,
    )
    # Recovery takes longer than what it is about: some of the drivers are killed later.
    kills = [
        replace(kill, at_request=rng.randint(kill.at_request, jobs * 3))
        if kill.at_request is not None and rng.random() < 0.5
        else kill
        for kill in plan.kills
    ]
    return replace(
        plan, work=tuple(_recovered_works(rng, jobs)), recovery=recovery, kills=tuple(kills)
    )


def _recovered_works(rng: random.Random, jobs: int) -> Iterator[Work]:
    repeatable: list[Work] = []
    for number in range(jobs):
        if repeatable and rng.random() < 0.1:
            yield replace(rng.choice(repeatable), number=number)
            continue
        work = _recovered_work(rng, number)
        # Of equal requests, a script cannot tell the submissions of one from those of another.
        if work.key is None and work.array_size is None and not work.courses[0].hosts_lost:
            repeatable.append(work)
        yield work


def _recovered_work(rng: random.Random, number: int) -> Work:
    size = rng.randint(2, 6) if rng.random() < 0.08 else None
    if size is None:
        courses = [_course(rng)]
    else:
        courses = [_course(rng) if rng.random() < 0.5 else Course() for _ in range(size)]
        # An array that is terminated as a whole is another matter.
        courses = [replace(course, is_terminated=False) for course in courses]
    return replace(
        _work(rng, number),
        exit_code=0,
        array_size=size,
        key=f"key-{number}" if rng.random() < 0.15 else None,
        courses=tuple(courses),
    )


def _course(rng: random.Random) -> Course:
    """Return a course: 30 % fail in a way that the policy covers, 8 % in another way."""
    draw = rng.random()
    if draw < 0.16:
        return Course(hosts_lost=rng.choice((1, 1, 2, MAX_SUBMISSIONS)))
    if draw < 0.26:
        return Course(needs_mib=BASE_MEMORY_MIB * rng.choice((2, 2, 4, 8)))
    if draw < 0.30:
        return Course(hosts_lost=1, needs_mib=BASE_MEMORY_MIB * 2, exit_code=rng.choice((0, 3)))
    if draw < 0.34:
        return Course(exit_code=3)
    if draw < 0.38:
        return Course(is_terminated=True)
    return Course()


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
    for number in range(rng.randint(1, 3)):
        yield PlannedFault(
            label="5xx burst",
            operation=_where(rng),
            fault=Fault.server_error(probability=rng.uniform(0.5, 1)),
            begins=rng.randint(1, 150 if number else 20),
            lasts=rng.uniform(1, 20),
        )


def _lag(rng: random.Random) -> Iterator[PlannedFault]:
    yield PlannedFault(label="lag", operation="DescribeJobs", fault=Fault.lag(rng.uniform(1, 30)))
    yield PlannedFault(label="lag", operation="ListJobs", fault=Fault.lag(rng.uniform(0.5, 5)))


def _list_lag(rng: random.Random) -> Iterator[PlannedFault]:
    # Shorter than the time for which a submission is looked up: no look-up can find a job that is
    # listed later. With a probability, a job is visible in one response and not in the next.
    seconds = rng.uniform(4, 12)
    probability = rng.choice((1.0, 0.5))
    for operation, more in (("ListJobs", 0.0), ("DescribeJobs", rng.uniform(0, 2))):
        fault = Fault.lag(seconds + more, probability=probability)
        yield PlannedFault(label="list lag", operation=operation, fault=fault)


def _hanging(rng: random.Random) -> Iterator[PlannedFault]:
    """Yield an endpoint that accepts a request and never responds: the client's timeout ends it."""
    make = rng.choice((Fault.latency, Fault.latency_before))
    fault = make(_A_DAY, probability=rng.uniform(0.02, 0.06))
    yield PlannedFault(label="hanging call", operation=_where(rng), fault=fault)


def _expired(rng: random.Random) -> Iterator[PlannedFault]:
    yield PlannedFault(
        label="expired credentials",
        operation="*",
        fault=Fault.error("ExpiredTokenException", "The security token has expired", status=403),
        begins=rng.randint(2, rng.choice((20, 150))),
        lasts=rng.uniform(1, 30),
    )


def _where(rng: random.Random) -> str:
    return rng.choice(("SubmitJob", "SubmitJob", "*"))


_FAULTS: dict[str, Callable[[random.Random], Iterator[PlannedFault]]] = {
    "list lag": _list_lag,  # where there is another lag as well, the first one applies
    "throttling": _throttling,
    "dropped before": _dropped_before,
    "lag": _lag,
    "truncated": _truncated,
    "dropped after": _dropped_after,
    "hanging": _hanging,
    "server errors": _server_errors,
    "late": _late,
    "expired": _expired,
    "slow body": _slow_body,
}
REFUSED_TAGS, FULL_DISK, JOURNAL_KILL = "refused tags", "full disk", "journal kill"
# Kinds that lose responses and others alternate: neighbours are certain in the same run.
ALL_KINDS: Sequence[str] = (
    *("throttling", "dropped before", "lag", "truncated", "list lag", "dropped after"),
    *(REFUSED_TAGS, "hanging", FULL_DISK, "server errors", JOURNAL_KILL, "late"),
    *("expired", "slow body"),
)
