"""One round: jobs that must not be harmed and odd ones, in one client, with mutated responses.

Everything is drawn from the seed, on a virtual clock, so a round repeats exactly.
"""

import json
import logging
import os
import random
import traceback
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from unittest import mock

import anyio

from asyncbatch import (
    AsyncBatchClient,
    AsyncBatchError,
    InternalError,
    Job,
    JobRequest,
    JobStatus,
    LogEvent,
    LogPolicy,
    SubmitUncertain,
)
from asyncbatch._polling import queues
from asyncbatch.local import Launch, LocalBatch, Script, ScriptedExecutor, run_in_virtual_time
from asyncbatch.local._service.messages import Request, Response
from tests.fixtures.bench import DEFINITION
from tests.fixtures.rewriting import rewrite_responses
from tests.mutations.mutations import ODD, Mutator

OPERATIONS = ("DescribeJobs", "ListJobs", "SubmitJob", "GetLogEvents", "FilterLogEvents")
_SOUND = 12
_ODD = 4
_LATE = 18
_HUNG_SECONDS = 3_600.0
# An endpoint that never sends a readable response is no endpoint: every fourth is left readable.
_MAX_IN_A_ROW = 3


@dataclass(slots=True)
class Outcome:
    """What a round found.

    Attributes:
        answers: Responses by operation.
        mutated: Mutated responses by operation.
        crashed: Why the client crashed, did not close, or called one of its own errors a bug.
        harmed: Sound jobs with a wrong end, and lines that came not at all or twice.
        doubled: Submissions with more than one job, or with one that was reported as refused.
        foreign: Exceptions that are no AsyncBatchError.
        hung: What had not ended an hour after the last mutation.
    """

    answers: Counter[str] = field(default_factory=Counter)
    mutated: Counter[str] = field(default_factory=Counter)
    crashed: list[str] = field(default_factory=list)
    harmed: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """All problems, each with its kind."""
        kinds = ("crashed", "harmed", "doubled", "foreign", "hung")
        return [f"{kind}: {each}" for kind in kinds for each in getattr(self, kind)]


def play(seed: int, *, seconds: float = 240.0) -> Outcome:
    """Play the round of a seed.

    Args:
        seed: Its seed.
        seconds: For how long responses are mutated.
    """
    outcome = Outcome()
    with (
        _logged_bugs(outcome),
        _listing(random.Random(seed).random() < 0.5),
        # The client's nonces.
        mock.patch.object(os, "urandom", random.Random(seed).randbytes),
    ):
        run_in_virtual_time(lambda: _Round(seed, outcome, seconds).play())
    return outcome


@contextmanager
def _listing(is_used: bool) -> Iterator[None]:  # noqa: FBT001 - the only argument
    """Poll by listing the queue from a few jobs on, or only by describing jobs."""
    enough, too_few = (6, 3) if is_used else (10_000, 9_000)
    with (
        mock.patch.object(queues, "_ENOUGH_JOBS", enough),
        mock.patch.object(queues, "_TOO_FEW_JOBS", too_few),
        mock.patch.object(queues, "_WORTH", 100.0),
    ):
        yield


@contextmanager
def _logged_bugs(outcome: Outcome) -> Iterator[None]:
    """Count errors that the client calls bugs of its own."""

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            error = record.exc_info[1] if record.exc_info else None
            where = [] if error is None else traceback.format_exception(error)[-4:]
            outcome.crashed.append(f"{record.getMessage()}: {' '.join(''.join(where).split())}")

    logger = logging.getLogger("asyncbatch")
    handler, propagate = Handler(logging.ERROR), logger.propagate
    logger.addHandler(handler)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate


class _Round:
    def __init__(self, seed: int, outcome: Outcome, seconds: float) -> None:
        self._seed = seed
        self._seconds = seconds
        self._rng = random.Random(seed)
        self._outcome = outcome
        self._mutator = Mutator(self._rng)
        self._whole_share = self._rng.choice([0.0, 0.2, 0.5])
        self._is_over = False
        self._in_a_row: Counter[str] = Counter()
        self._submitted: Counter[str] = Counter()
        self._refused: set[str] = set()
        self._tokens: defaultdict[str, list[str]] = defaultdict(list)
        self._lines: dict[str, list[str]] = {}

    async def play(self) -> None:
        executor = ScriptedExecutor(_script)
        async with LocalBatch(executor=executor, vcpus=1_000, seed=self._seed) as local:
            rewrite_responses(local, self._answer)
            client = AsyncBatchClient(session=local.session, logs=LogPolicy(interval=1.5))
            client._settings = replace(client._settings, rng=random.Random(self._seed))
            try:
                async with client as batch:
                    await batch.register_job_definition(DEFINITION)
                    await self._use(batch)
                    if not batch.is_open:
                        self._outcome.crashed.append("the client closed by itself")
            except Exception as error:  # noqa: BLE001 - counted
                self._outcome.crashed.append(f"the client did not close: {error!r}")
            made = Counter(job.name for job in local.ledger.submissions)
            for name, count in made.items():
                if count > max(1, self._submitted[name]):
                    self._outcome.doubled.append(f"{name}: {count} jobs")
                if name in self._refused:
                    self._outcome.doubled.append(f"{name} was reported as refused")

    # -- responses --------------------------------------------------------------------------------

    def _answer(self, operation: str, request: Request, response: Response) -> Response:
        self._outcome.answers[operation] += 1
        if self._is_over:
            return response
        mutated = self._mutated(operation, request, response)
        if mutated != response:
            self._outcome.mutated[operation] += 1
        return mutated

    def _mutated(self, operation: str, request: Request, response: Response) -> Response:
        if operation == "SubmitJob":
            is_sound = json.loads(request.body)["jobName"].startswith("sound-")
            is_left = is_sound or self._rng.random() < 0.3
            return response if is_left else self._mutator.submitted(response)
        earlier = self._tokens_before(request)
        is_next = self._in_a_row[operation] < _MAX_IN_A_ROW
        if is_next and self._rng.random() < self._whole_share:
            self._in_a_row[operation] += 1
            return self._mutator.whole(operation, response, earlier)
        self._in_a_row[operation] = 0
        is_look_up = operation == "ListJobs" and "filters" in json.loads(request.body)
        return self._mutator.items(operation, response, is_look_up=is_look_up)

    def _tokens_before(self, request: Request) -> list[str]:
        """Return the tokens that led to a page; those of another log stream, AWS would refuse."""
        sent: dict[str, Any] = json.loads(request.body)
        token = sent.pop("nextToken", None)
        tokens = self._tokens[repr(sent)]
        if token is None:
            tokens.clear()
        elif token not in tokens:
            tokens.append(token)
        return tokens

    # -- use of the client ------------------------------------------------------------------------

    async def _use(self, batch: AsyncBatchClient) -> None:
        names = [f"sound-{n}" for n in range(_SOUND)] + [f"{ODD}{n}" for n in range(_ODD)]
        self._rng.shuffle(names)
        submitted = [(name, await self._submit(batch, name)) for name in names]
        jobs = {name: job for name, job in submitted if job is not None}
        sound = [name for name in jobs if name.startswith("sound-")]
        followed = [*self._rng.sample(sound, 2), *(name for name in jobs if name == f"{ODD}0")]
        with anyio.move_on_after(self._seconds + _HUNG_SECONDS):
            async with anyio.create_task_group() as group:
                for name, job in jobs.items():
                    group.start_soon(self._watch, name, self._await(name, job))
                others = [job for name, job in jobs.items() if name not in followed]
                group.start_soon(self._watch, "all", self._follow("all", batch.logs(others)))
                for name in followed:
                    group.start_soon(self._watch, name, self._follow(name, jobs[name].logs()))
                for number in range(_LATE):
                    late = self._submit_late(batch, number)
                    group.start_soon(self._watch, f"{ODD}late-{number}", late)
                await anyio.sleep(self._seconds)
                self._is_over = True
                group.start_soon(self._watch, "sound-last", self._submit_last(batch))
        self._check_lines(sound)

    async def _watch(self, name: str, work: Awaitable[None]) -> None:
        """Wait for some work, and count what it raises."""
        try:
            await work
        except InternalError as bug:
            self._outcome.crashed.append(f"{name}: {bug}")
        except AsyncBatchError as error:
            # Of several logs, an odd one raises its error when the others have ended.
            if name.startswith("sound-"):
                self._outcome.harmed.append(f"{name}: {error!r}")
        except anyio.get_cancelled_exc_class():
            self._outcome.hung.append(name)
            raise
        except Exception as error:  # noqa: BLE001 - counted
            self._outcome.foreign.append(f"{name}: {error!r}")

    async def _submit(
        self, batch: AsyncBatchClient, name: str, own: str | None = None
    ) -> Job | None:
        """Submit a job; None where that ended with an error, which only odd jobs may."""
        self._submitted[own or name] += 1
        try:
            return await batch.submit("hello", queue="default", name=own or name)
        except SubmitUncertain:
            pass
        except AsyncBatchError as error:
            self._refused.add(own or name)
            if not name.startswith(ODD):
                self._outcome.harmed.append(f"{name}: {error!r}")
        return None

    async def _submit_late(self, batch: AsyncBatchClient, number: int) -> None:
        """Submit an odd job with a custom name, with a generated one, or with one of several."""
        await anyio.sleep(self._rng.uniform(1, self._seconds / 2))
        kind = number % 3
        if kind == 0:
            job = await self._submit(batch, f"{ODD}late-{number}")
        elif kind == 1:
            job = await self._submit(batch, f"{ODD}late-{number}", own=f"{ODD}same")
        else:
            request = JobRequest("hello", queue="default", environment={"NUMBER": number})
            try:
                job = await batch.submit(request)
            except SubmitUncertain:
                return
        if job is not None:
            await job.result(check=False)

    async def _submit_last(self, batch: AsyncBatchClient) -> None:
        job = await batch.submit("hello", queue="default", name="sound-last")
        await self._await("sound-last", job)

    async def _await(self, name: str, job: Job) -> None:
        result = await job.result(check=False)
        if not name.startswith("sound-"):
            return
        number = int(name.rpartition("-")[2]) if name[-1].isdigit() else 0
        status = JobStatus.FAILED if number % 3 == 1 else JobStatus.SUCCEEDED
        expected = (status, 3 if number % 3 == 1 else 0)
        if (result.status, result.exit_code) != expected:
            self._outcome.harmed.append(f"{name}: {result.status}, {result.exit_code}")

    async def _follow(self, name: str, lines: AsyncIterator[LogEvent]) -> None:
        found = self._lines[name] = []
        async for event in lines:
            found.append(event.message)  # noqa: PERF401 - keeps the lines before an error

    def _check_lines(self, sound: Sequence[str]) -> None:
        for follower, found in self._lines.items():
            alone = self._lines.keys() & sound
            names = (
                [name for name in sound if name not in alone]
                if follower == "all"
                else alone & {follower}
            )
            for name in names:
                mine = [line for line in found if line.startswith(f"{name} ")]
                expected = [line for line in _lines_of(name) if not line.startswith(ODD)]
                if mine != expected:
                    missing = [line for line in expected if line not in mine]
                    self._outcome.harmed.append(
                        f"log of {name}, followed by {follower}: missing {missing[:5]}, "
                        f"{len(mine)} lines instead of {len(expected)}: {mine}"
                    )


def _lines_of(name: str) -> list[str]:
    """Return the lines of a job; those of an odd job, and every fifth one, are odd."""
    is_odd = name.startswith(ODD) or not name.startswith("sound-")
    return [
        f"{ODD}line of {name} {n}" if is_odd or n % 5 == 2 else f"{name} {n}" for n in range(30)
    ]


def _script(launch: Launch) -> Script:
    name = launch.name
    fails = name.startswith("sound-") and name[-1].isdigit() and int(name[6:]) % 3 == 1
    lines = [(2.0 * n, text) for n, text in enumerate(_lines_of(name))]
    duration = launch.random.uniform(60, 120)
    return Script(startup=2, duration=duration, exit_code=3 if fails else 0, lines=lines)
