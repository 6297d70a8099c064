"""Recovery: which failures are followed by another submission, and what it changes.

AWS's own retry strategy (`RetryStrategy`) comes first: it repeats attempts of one job, unchanged. A
`RecoveryPolicy` decides when AWS has given up, so the next submission is a new job, which may use
another queue or more memory.

A policy is a value. Its decisions depend on nothing but the failure and the submissions so far.
"""

import functools
import inspect
import math
import operator
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from typing import Any, Self

from asyncbatch._values import checks as check
from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.fargate import fargate_size
from asyncbatch._values.policies import Backoff
from asyncbatch._values.request_checks import CHECKS
from asyncbatch._values.results import Failure, FailureKind, JobResult, JobSubmission
from asyncbatch._values.unknown_fields import advice

# Ends that a person or a program wanted; no rule overrides them.
_NEVER = frozenset({FailureKind.TERMINATED, FailureKind.CANCELLED})

_NOT_ASYNC = "must not be async: it is called while jobs are polled, and nothing would await it"

_MAX_SUBMISSIONS = 100
_UNLIMITED = 2**31

_SPOT = frozenset({FailureKind.SPOT_INTERRUPTION, FailureKind.HOST_LOST})

# Fields of `JobRequest` that a rule may change. Its name, key, size and dependencies stay.
CHANGEABLE = frozenset(CHECKS)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryRule:
    """Which failures it is about, and how the job is submitted again.

    A rule matches a failure whose kind or exit code it names, or that `when` accepts. Without any
    change, the same request is submitted again; a rule with only `when` must have a change.

    Attributes:
        kinds: Kinds of failures.
        exit_codes: Exit codes of the last attempt's container, 0 to 255.
        when: Returns whether the rule matches a failure.
        times: How many submissions of a job this rule may add, 1 or more.
        delay: Seconds before the first of them, 0 or more; doubled for each further one, up to
            `max_delay`. The upper half of each delay varies at random.
        max_delay: Maximum delay in seconds.
        queues: Queues to use instead: the first one for the first submission that this rule adds,
            and so on; the last one for all further submissions. If AWS refuses a submission, as for
            a disabled queue, the next one is tried at once.
        memory_factor: Factor by which memory grows, above 1. On Fargate the next allowed size is
            taken, with more vCPUs where it needs them.
        max_memory_mib: Maximum memory in MiB; a job that has it already is not submitted again.
        fields: Fields of `JobRequest` to change, such as ``{"vcpus": 4}``.
        change: Returns further fields to change, from the result of the failed job.

    Raises:
        InvalidRequest: A value breaks a rule, or the rule matches nothing or changes nothing.
    """

    kinds: Iterable[FailureKind | str] = ()
    exit_codes: Iterable[int] = ()
    when: Callable[[Failure], bool] | None = None
    times: int = 1
    delay: float = 5.0
    max_delay: float = 300.0
    queues: Sequence[str] = ()
    memory_factor: float | None = None
    max_memory_mib: int | None = None
    fields: Mapping[str, Any] = field(default_factory=dict, hash=False)
    change: Callable[[JobResult], Mapping[str, Any]] | None = None

    def __post_init__(self) -> None:
        """Normalise the values and check them."""
        check.iterable("kinds", self.kinds, rule="must be a list of failure kinds")
        check.iterable("exit_codes", self.exit_codes, rule="must be a list of exit codes")
        kinds, codes = tuple(self.kinds), tuple(self.exit_codes)
        for kind in kinds:
            check.choice("kinds", kind, FailureKind)
        for code in codes:
            check.integer("exit_codes", code, 0, 255)
        values: dict[str, object] = {
            "kinds": frozenset(map(FailureKind, kinds)),
            "exit_codes": frozenset(codes),
            "queues": _queues("queues", self.queues),
            "fields": _changeable("fields", self.fields),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        self._check_numbers()
        self._check_scope()

    def _check_numbers(self) -> None:
        check.integer("times", self.times, 1, _MAX_SUBMISSIONS - 1)
        for name in ("delay", "max_delay"):
            value = getattr(self, name)
            if not check.is_number(value) or value < 0:
                raise InvalidRequest(name, value, "must be a number of 0 or more")
        check.optional_number("memory_factor", self.memory_factor, above=1)
        check.optional_integer("max_memory_mib", self.max_memory_mib, 4)
        if self.max_memory_mib is not None and self.memory_factor is None:
            raise InvalidRequest("max_memory_mib", self.max_memory_mib, "needs memory_factor")

    def _check_scope(self) -> None:
        for name in ("when", "change"):
            value = getattr(self, name)
            if value is not None and not callable(value):
                raise InvalidRequest(name, value, "must be a function or None")
            if check.is_async(value):
                raise InvalidRequest(name, value, _NOT_ASYNC)
        never = _NEVER & set(self.kinds)
        if never:
            rule = "jobs that were terminated or cancelled are never submitted again"
            raise InvalidRequest("kinds", sorted(never), rule)
        if not self.kinds and not self.exit_codes:
            if self.when is None:
                raise InvalidRequest("kinds", (), "give kinds, exit_codes or when")
            if not (self.queues or self.memory_factor or self.fields or self.change):
                rule = (
                    "a rule that names neither kinds nor exit codes must change something: an"
                    " unchanged job may fail in the same way again"
                )
                raise InvalidRequest("when", self.when, rule)

    def matches(self, result: JobResult) -> bool:
        """Return whether the rule is about a failure."""
        failure = result.failure
        if failure is None:
            return False
        return (
            failure.kind in self.kinds
            or (result.exit_code is not None and result.exit_code in self.exit_codes)
            or (self.when is not None and bool(_returned("when", self.when(failure))))
        )

    def changes(
        self, result: JobResult, submission: JobSubmission, nth: int
    ) -> Mapping[str, Any] | None:
        """Return the fields that the next submission changes; None if it cannot be made.

        Args:
            result: How the last submission failed.
            submission: The last submission.
            nth: How many submissions this rule has added before.
        """
        changed: dict[str, Any] = dict(self.fields)
        if self.queues:
            changed["queue"] = self.queues[min(nth, len(self.queues) - 1)]
        if self.memory_factor is not None:
            size = self._more_memory(self.memory_factor, submission)
            if size is None:
                return None
            changed.update(size)
        if self.change is not None:
            changed.update(_changeable("change", _returned("change", self.change(result))))
        return changed

    def _more_memory(self, factor: float, submission: JobSubmission) -> dict[str, Any] | None:
        """Return the fields of the next larger size; None if there is none."""
        current = submission.memory_mib
        at_most = self.max_memory_mib or _UNLIMITED
        if current is None or current >= at_most:
            return None
        wanted = math.ceil(min(current * factor, at_most))  # the product may be infinite
        if not submission.is_fargate:
            return {"memory_mib": wanted}
        size = fargate_size(submission.vcpus or 0, wanted, at_most=at_most)
        if size is None:  # the factor leads beyond the largest size; a smaller step may not
            size = fargate_size(submission.vcpus or 0, current + 1, at_most=at_most)
        if size is None:
            return None
        vcpus, memory = size
        return {"memory_mib": memory, **({} if vcpus == submission.vcpus else {"vcpus": vcpus})}


@dataclass(frozen=True, slots=True)
class Resubmission:
    """The decision to submit a job again.

    Attributes:
        changes: Fields of `JobRequest` that differ from the last submission.
        delay: Seconds to wait before.
        rule: Index of the rule that decided; None where a dependency was submitted again.
        other_queues: Job queues to try, in this order, if AWS refuses the submission.
    """

    changes: Mapping[str, Any]
    delay: float = 0.0
    rule: int | None = None
    other_queues: tuple[str, ...] = ()

    def on_queue(self, queue: str) -> Self:
        """Return the same decision for another job queue."""
        return replace(self, changes={**self.changes, "queue": queue})


@dataclass(frozen=True, slots=True)
class RecoveryPolicy:
    """Which failed jobs are submitted again, how often, and with which changes.

    Combine policies with ``|``: the first rule that matches, from the left, decides. The combined
    policy allows as many submissions as the one that allows more; each rule keeps its own limit.

    Jobs that were terminated or cancelled are never submitted again, nor those whose end is not
    known (`JobVanished`, `SubmitUncertain`).

    Attributes:
        rules: The rules, in the order in which they are tried. Without any, nothing is recovered.
        max_submissions: Maximum number of submissions of a job, with the first one, 1 to 100.
        max_resubmissions: Maximum number of further submissions of all jobs of one client together,
            0 or more, so that a fault which hits every job does not double the cost of a run; None
            for no limit. Children of an array that run again together are one submission. Jobs that
            failed with a job that they depend on do not count.
        start_within: Seconds that a job may be RUNNABLE before its first attempt, from when that
            was first seen; then it is cancelled (CancelJob), unless it has started meanwhile. Its
            failure has the kind NOT_STARTED, for which there may be a rule. None for no limit; not
            for array jobs.
        cancel_blocked: Whether a job is cancelled in the same way as soon as AWS names a reason
            that keeps it from starting, and that does not pass by itself.

    Raises:
        InvalidRequest: A value breaks a rule.

    Example:
        ```python
        on_demand = RecoveryPolicy.for_spot(fallback_queue="on-demand")
        policy = on_demand | RecoveryPolicy.more_memory(max_memory_mib=64_000)
        results = await batch.run([JobRequest("etl")], recovery=policy)
        ```
    """

    rules: Sequence[RecoveryRule] = ()
    max_submissions: int = 3
    max_resubmissions: int | None = None
    start_within: float | None = None
    cancel_blocked: bool = False

    def __post_init__(self) -> None:
        """Check the values."""
        check.iterable("rules", self.rules, rule="must be a list of RecoveryRule")
        object.__setattr__(self, "rules", tuple(self.rules))
        for rule in self.rules:
            if not isinstance(rule, RecoveryRule):
                raise InvalidRequest("rules", rule, "every item must be a RecoveryRule")
        check.integer("max_submissions", self.max_submissions, 1, _MAX_SUBMISSIONS)
        check.optional_integer("max_resubmissions", self.max_resubmissions, 0)
        check.optional_number("start_within", self.start_within, above=0)
        check.flag("cancel_blocked", self.cancel_blocked)

    def __or__(self, other: object) -> Self:
        """Return a policy with the rules of both; those of the left one decide first."""
        if not isinstance(other, RecoveryPolicy):
            return NotImplemented
        limits = (self.max_resubmissions, other.max_resubmissions)
        return type(self)(
            (*self.rules, *other.rules),
            max(self.max_submissions, other.max_submissions),
            min((limit for limit in limits if limit is not None), default=None),
            other.start_within if self.start_within is None else self.start_within,
            self.cancel_blocked or other.cancel_blocked,
        )

    @property
    def queues(self) -> tuple[str, ...]:
        """All queues to which its rules may submit a job, each once."""
        named = (queue for rule in self.rules for queue in (*rule.queues, rule.fields.get("queue")))
        return tuple(dict.fromkeys(queue for queue in named if queue is not None))

    @property
    def is_empty(self) -> bool:
        """Whether it does nothing."""
        return not self.rules and self.start_within is None and not self.cancel_blocked

    @classmethod
    def for_spot(
        cls,
        *,
        fallback_queue: str | Sequence[str] = (),
        max_submissions: int = 3,
        delay: float = 5.0,
    ) -> Self:
        """Return a policy for jobs whose Spot capacity was reclaimed or whose host was lost.

        Args:
            fallback_queue: Queue for the next submission, such as one with on-demand instances; or
                several, one after the other. Empty uses the same queue again.
            max_submissions: Maximum number of submissions, with the first one, 2 to 100.
            delay: Seconds before the second submission; doubled for each further one.

        Raises:
            InvalidRequest: A value breaks a rule.
        """
        check.integer("max_submissions", max_submissions, 2, _MAX_SUBMISSIONS)
        queues = _fallback(fallback_queue)
        rule = RecoveryRule(kinds=_SPOT, times=max_submissions - 1, delay=delay, queues=queues)
        return cls((rule,), max_submissions)

    @classmethod
    def more_memory(
        cls, *, factor: float = 2, max_memory_mib: int | None = None, max_submissions: int = 3
    ) -> Self:
        """Return a policy for jobs that ran out of memory.

        Args:
            factor: Factor by which memory grows with each submission, above 1.
            max_memory_mib: Maximum memory in MiB; None for no limit but `max_submissions`.
            max_submissions: Maximum number of submissions, with the first one, 2 to 100.

        Raises:
            InvalidRequest: A value breaks a rule.
        """
        check.integer("max_submissions", max_submissions, 2, _MAX_SUBMISSIONS)
        check.number("factor", factor, above=1)
        rule = RecoveryRule(
            kinds=(FailureKind.OUT_OF_MEMORY,),
            times=max_submissions - 1,
            delay=0.0,
            memory_factor=factor,
            max_memory_mib=max_memory_mib,
        )
        return cls((rule,), max_submissions)

    @classmethod
    def start_limit(
        cls,
        within: float | None = None,
        *,
        blocked: bool = True,
        fallback_queue: str | Sequence[str] = (),
    ) -> Self:
        """Return a policy for jobs that do not start: stuck in RUNNABLE.

        Args:
            within: Seconds that a job may be RUNNABLE before its first attempt; None for no limit.
            blocked: Whether to act at once where AWS names a reason that does not pass by itself.
            fallback_queue: Queue for the next submission, or several, one after the other. Empty
                ends the job with `JobNotStarted`.

        Raises:
            InvalidRequest: A value breaks a rule.
        """
        check.optional_number("within", within, above=0)
        if within is None and not blocked:
            raise InvalidRequest("within", None, "give a number of seconds, or blocked=True")
        queues = _fallback(fallback_queue)
        rules = [
            RecoveryRule(
                kinds=(FailureKind.NOT_STARTED,), times=len(queues), delay=0.0, queues=queues
            )
            for _ in queues[:1]
        ]
        return cls(rules, 1 + len(queues), start_within=within, cancel_blocked=blocked)

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the policy that a short form stands for.

        ``spot:3,fallback=on-demand`` is `for_spot` with 3 submissions; ``memory:x2,max=64000`` is
        `more_memory` with a factor of 2 and at most 64,000 MiB; ``start:600,fallback=on-demand`` is
        `start_limit` with 600 seconds. ``|`` combines several.

        Raises:
            InvalidRequest: The text is not a short form.
        """
        check.text("recovery", text, rule=_SHORT_FORM)
        try:
            policies = [cls._from_part(part.strip(), text) for part in text.split("|")]
        except InvalidRequest as error:
            if error.field == "recovery":
                raise
            raise InvalidRequest("recovery", text, str(error)) from None
        return functools.reduce(operator.or_, policies)

    @classmethod
    def _from_part(cls, part: str, text: str) -> Self:
        if spot := _SPOT_TEXT.fullmatch(part):
            queues = spot["queues"].split(",fallback=")[1:]
            return cls.for_spot(fallback_queue=queues, max_submissions=int(spot["count"]))
        if memory := _MEMORY_TEXT.fullmatch(part):
            return cls.more_memory(
                factor=float(memory["factor"]),
                max_memory_mib=None if memory["most"] is None else int(memory["most"]),
                max_submissions=int(memory["count"] or 3),
            )
        if start := _START_TEXT.fullmatch(part):
            queues = start["queues"].split(",fallback=")[1:]
            return cls.start_limit(int(start["seconds"]), fallback_queue=queues)
        raise InvalidRequest("recovery", text, _SHORT_FORM)

    def decide(
        self, result: JobResult, submissions: Sequence[JobSubmission], rng: random.Random
    ) -> Resubmission | None:
        """Return how a failed job is submitted again; None if it is not.

        Args:
            result: How the last submission failed.
            submissions: All submissions of the job so far; the last one failed.
            rng: Random number generator for the delay.

        Raises:
            Exception: What a function of a rule raises.
        """
        if result.failure is None or result.failure.kind in _NEVER:
            return None
        # A job that failed with a job that it depends on never ran.
        ran = [each for each in submissions if not _failed_with_dependency(each)]
        if len(ran) >= self.max_submissions:
            return None
        for index, rule in enumerate(self.rules):
            if rule.matches(result):
                nth = sum(each.rule == index for each in submissions)
                changes = None if nth >= rule.times else rule.changes(result, submissions[-1], nth)
                if changes is None:
                    return None
                delay = Backoff(first=rule.delay, most=rule.max_delay).delay(nth + 1, rng)
                others = rule.queues[nth + 1 :] if changes.get("queue") in rule.queues else ()
                return Resubmission(changes, delay, index, tuple(others))
        return None


def _failed_with_dependency(submission: JobSubmission) -> bool:
    return submission.failure is not None and submission.failure.kind is FailureKind.DEPENDENCY


def _queues(field: str, value: object) -> tuple[str, ...]:
    if isinstance(value, AbstractSet):
        raise InvalidRequest(field, value, "must be a list: a set has no order")
    check.iterable(field, value, rule="must be a list of job queues")
    queues: tuple[str, ...] = tuple(value)  # type: ignore[arg-type] # it was checked
    for queue in queues:
        check.text(field, queue, rule="every item must be a name or ARN of a job queue")
    return queues


def _fallback(value: object) -> tuple[str, ...]:
    return _queues("fallback_queue", (value,) if isinstance(value, str) else value)


def _returned(field: str, value: object) -> object:
    """Return what a function of a rule returned, unless nothing awaits it."""
    if inspect.iscoroutine(value):
        value.close()
        raise InvalidRequest(field, value, _NOT_ASYNC)
    return value


def _changeable(field: str, value: object) -> dict[str, Any]:
    changed = check.mapping(field, value)
    for name in changed:
        if name not in CHANGEABLE:
            rule = f"no field that a rule can change; {advice(name, CHANGEABLE)}"
            raise InvalidRequest(field, name, rule)
    for name, new in changed.items():
        checked = CHECKS[name](new)
        if checked is not None:
            changed[name] = checked
    return changed


_SHORT_FORM = (
    "must be a RecoveryPolicy, or a short form such as 'spot:3,fallback=on-demand' or"
    " 'memory:x2,max=64000'"
)
_SPOT_TEXT = re.compile(r"spot:(?P<count>\d{1,3})(?P<queues>(,fallback=[^,|=\s]+)*)")
_START_TEXT = re.compile(r"start:(?P<seconds>\d{1,7})(?P<queues>(,fallback=[^,|=\s]+)*)")
_MEMORY_TEXT = re.compile(
    r"memory:x(?P<factor>\d+(\.\d+)?)(,max=(?P<most>\d{1,9}))?(,(?P<count>\d{1,3}))?"
)


def optional_policy(value: object) -> RecoveryPolicy | None:
    """Return None, a policy, or the policy that a short form stands for.

    Raises:
        InvalidRequest: It is something else.
    """
    if value is None or isinstance(value, RecoveryPolicy):
        return value
    if isinstance(value, str):
        return RecoveryPolicy.from_text(value)
    raise InvalidRequest("recovery", value, _SHORT_FORM)
