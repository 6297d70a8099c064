"""Retry strategies: `attempts` and `evaluateOnExit`.

After a failed attempt, AWS Batch runs the job again while attempts are left, unless a rule of
`evaluateOnExit` says EXIT. The rules are tried in order, and the first match decides. All patterns
of a rule have to match. An attempt that no rule matches is retried. So a strategy that retries Spot
losses only needs a last rule that matches everything (`onReason: "*"`), with the action EXIT.

Source: https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from asyncbatch.local._engine.errors import client_error
from asyncbatch.local._engine.limits import ATTEMPTS, EXIT_RULES

_PATTERN_CHARACTERS = 512


@dataclass(frozen=True, slots=True, kw_only=True)
class ExitRule:
    """One entry of `evaluateOnExit`; it applies if all its patterns match.

    Attributes:
        retry: True for the action RETRY, False for EXIT.
        on_status_reason: Pattern for the attempt's status reason.
        on_reason: Pattern for the container's reason.
        on_exit_code: Pattern for the exit code in decimal.
    """

    retry: bool
    on_status_reason: str | None = None
    on_reason: str | None = None
    on_exit_code: str | None = None

    def matches(
        self, *, exit_code: int | None, reason: str | None, status_reason: str | None
    ) -> bool:
        """Whether the rule applies to the end of an attempt."""
        code = None if exit_code is None else str(exit_code)
        return (
            _matches(self.on_status_reason, status_reason)
            and _matches(self.on_reason, reason)
            and _matches(self.on_exit_code, code)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryRules:
    """A job's retry strategy.

    Attributes:
        attempts: Maximum number of attempts, the first included.
        rules: Entries of `evaluateOnExit`; the first match decides, no match means a retry.
    """

    attempts: int = 1
    rules: tuple[ExitRule, ...] = ()

    def should_retry(
        self, attempt: int, *, exit_code: int | None, reason: str | None, status_reason: str | None
    ) -> bool:
        """Whether the job is retried after its attempt number `attempt` (from 1) failed."""
        if attempt >= self.attempts:
            return False
        for rule in self.rules:
            if rule.matches(exit_code=exit_code, reason=reason, status_reason=status_reason):
                return rule.retry
        return True


def parse_retry_strategy(strategy: Mapping[str, Any] | None) -> RetryRules:
    """Parse AWS's `retryStrategy`; without one, a job has one attempt.

    Raises:
        ServiceError: The strategy is invalid.
    """
    if not strategy:
        return RetryRules()
    attempts = strategy.get("attempts")
    entries = strategy.get("evaluateOnExit", [])
    if attempts is None:
        raise client_error("RetryAttempts must be provided with retry strategy")
    if attempts not in ATTEMPTS:
        raise client_error("Retry attempts must be between 1 and 10 (inclusive)")
    if len(entries) > EXIT_RULES:
        raise client_error(f"Evaluate on exit supports at most {EXIT_RULES} conditions")
    return RetryRules(attempts=attempts, rules=tuple(_parse_rule(entry) for entry in entries))


def _parse_rule(entry: Mapping[str, str]) -> ExitRule:
    action = entry["action"].upper()
    if action not in {"RETRY", "EXIT"}:
        raise client_error("Evaluate on exit action must be RETRY or EXIT")
    patterns = [entry.get(key) for key in ("onStatusReason", "onReason", "onExitCode")]
    if not any(patterns):
        raise client_error("Evaluate on exit needs onStatusReason, onReason or onExitCode")
    for pattern in patterns:
        if pattern is not None and (len(pattern) > _PATTERN_CHARACTERS or "*" in pattern[:-1]):
            raise client_error("Evaluate on exit condition contains restricted characters")
    return ExitRule(
        retry=action == "RETRY",
        on_status_reason=patterns[0],
        on_reason=patterns[1],
        on_exit_code=patterns[2],
    )


def _matches(pattern: str | None, text: str | None) -> bool:
    """Whether a pattern matches a text.

    The only wildcard is a `*` at the end. A single `*` also matches a missing text.
    """
    if pattern is None:
        return True
    if pattern.endswith("*"):
        return (text or "").startswith(pattern[:-1])
    return text == pattern
