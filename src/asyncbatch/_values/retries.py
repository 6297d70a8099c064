"""AWS's own retries: attempts of one job. Further jobs are submitted by a policy: see `recovery`.

The reprs of the values here are part of the identity of a Luigi task: they must never change.
"""

import enum
from dataclasses import dataclass
from typing import Self

from asyncbatch._values import checks as check
from asyncbatch._values.errors import InvalidRequest

# https://docs.aws.amazon.com/batch/latest/APIReference/API_RetryStrategy.html
_MAX_RULES = 5
_SPOT = "spot:"
_MAX_DIGITS = 9  # Python refuses to convert thousands of digits


class RetryAction(enum.StrEnum):
    """Action of an `EvaluateOnExit` rule, in lower case; AWS ignores the case."""

    #: Start another attempt, up to the number of attempts of the strategy.
    RETRY = "retry"
    #: Do not retry: the job fails with this attempt.
    EXIT = "exit"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateOnExit:
    """A rule that decides whether a failed attempt is followed by another.

    The rule matches when all of its patterns match. A pattern may end with ``*``; no other
    character is special.

    Attributes:
        action: Retry or exit when the rule matches; text in any case is accepted.
        on_status_reason: Pattern for the attempt's status reason, such as ``Host EC2*``.
        on_reason: Pattern for the container's reason.
        on_exit_code: Pattern for the exit code in decimal.

    Raises:
        InvalidRequest: No pattern is given, or one is longer than 512 characters.
    """

    action: RetryAction
    on_status_reason: str | None = None
    on_reason: str | None = None
    on_exit_code: str | None = None

    def __post_init__(self) -> None:
        """Check the patterns."""
        object.__setattr__(self, "action", _action(self.action))
        check.choice("retry.evaluate_on_exit.action", self.action, RetryAction)
        patterns = (self.on_status_reason, self.on_reason, self.on_exit_code)
        if all(pattern is None for pattern in patterns):
            raise InvalidRequest(
                "retry.evaluate_on_exit",
                self,
                "a rule needs at least one of on_status_reason, on_reason and on_exit_code",
            )
        for pattern in patterns:
            check.optional_text("retry.evaluate_on_exit", pattern, at_most=512)


def _action(value: object) -> object:
    """Return the action for text in another case; AWS's own documentation has upper case.

    Any other value is left as it is: its repr is part of the identity of a Luigi task.
    """
    if not isinstance(value, str) or value in list(RetryAction):
        return value
    return next((action for action in RetryAction if action == value.lower()), value)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryStrategy:
    """How often AWS Batch attempts a job, and after which failures.

    Where no rule matches, a failed attempt is retried. AWS never retries a job that was cancelled
    or terminated, or that reached its time limit.

    Source: https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html

    Attributes:
        attempts: Number of attempts, 1 to 10, with the first one.
        evaluate_on_exit: At most 5 rules; the first one that matches decides.

    Raises:
        InvalidRequest: `attempts` is out of range, or there are too many rules.
    """

    attempts: int
    evaluate_on_exit: tuple[EvaluateOnExit, ...] = ()

    def __post_init__(self) -> None:
        """Check the numbers."""
        check.integer("retry.attempts", self.attempts, 1, 10)
        # A list would be shared with the caller, and would not be hashable.
        rule = "must be a list of EvaluateOnExit rules"
        check.iterable("retry.evaluate_on_exit", self.evaluate_on_exit, rule=rule)
        object.__setattr__(self, "evaluate_on_exit", tuple(self.evaluate_on_exit))
        for each in self.evaluate_on_exit:
            if not isinstance(each, EvaluateOnExit):
                raise InvalidRequest(
                    "retry.evaluate_on_exit", each, "every rule must be an EvaluateOnExit"
                )
        if len(self.evaluate_on_exit) > _MAX_RULES:
            most = f"at most {_MAX_RULES} rules are allowed"
            raise InvalidRequest("retry.evaluate_on_exit", self.evaluate_on_exit, most)

    @classmethod
    def for_spot(cls, attempts: int) -> Self:
        """Return a strategy that retries after failures of Spot and hosts, not of the job itself.

        It retries when the host was terminated or its Spot capacity was reclaimed, when the task
        failed to start, and when Docker did not respond. Any other failure ends the job.

        Args:
            attempts: Number of attempts, 1 to 10, with the first one.

        Raises:
            InvalidRequest: `attempts` is out of range.
        """
        # The reasons are those of https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html
        # and Fargate Spot's. Where no rule matches, AWS retries, so the last one must match all.
        retry, leave = RetryAction.RETRY, RetryAction.EXIT
        return cls(
            attempts=attempts,
            evaluate_on_exit=(
                EvaluateOnExit(action=retry, on_status_reason="Host EC2*"),
                EvaluateOnExit(action=retry, on_status_reason="Your Spot Task was interrupted*"),
                EvaluateOnExit(action=retry, on_status_reason="Task failed to start*"),
                EvaluateOnExit(action=retry, on_reason="DockerTimeoutError*"),
                EvaluateOnExit(action=leave, on_reason="*"),
            ),
        )


def retry_strategy(value: RetryStrategy | int | str | None) -> RetryStrategy | None:
    """Return the strategy that a short form stands for."""
    if value is None or isinstance(value, RetryStrategy):
        return value
    if not isinstance(value, str):
        return RetryStrategy(attempts=value)
    attempts = value.removeprefix(_SPOT)
    if not attempts.isdecimal() or len(attempts) > _MAX_DIGITS:
        rule = "must be a RetryStrategy, a number of attempts, or a string such as 'spot:3'"
        raise InvalidRequest("retry", value, rule)
    if value.startswith(_SPOT):
        return RetryStrategy.for_spot(int(attempts))
    return RetryStrategy(attempts=int(attempts))
