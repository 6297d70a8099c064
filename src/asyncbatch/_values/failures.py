"""Classification of failures and of reasons to wait: one ordered table of AWS's reasons.

Rules are tried from top to bottom, and the first that matches decides. A rule checks the facts of
the last attempt. A job that was never placed has no attempt, and its own status reason is used. An
attempt without an exit code never ran, or lost its host.

Sources: https://docs.aws.amazon.com/batch/latest/userguide/job_retries.html,
https://docs.aws.amazon.com/batch/latest/userguide/batch-best-practices.html,
https://docs.aws.amazon.com/AmazonECS/latest/developerguide/stopped-task-error-codes.html,
https://docs.aws.amazon.com/batch/latest/userguide/job_stuck_in_runnable.html
"""

import re
import signal
from collections.abc import Callable
from dataclasses import dataclass

from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.results import Failure, FailureKind, JobResult
from asyncbatch._values.status import JobStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class _Facts:
    """The facts that the rules check."""

    status_reason: str
    reason: str = ""
    exit_code: int | None = None
    attempt: int | None = None
    is_cancelled: bool = False
    is_terminated: bool = False

    def contains(self, pattern: str) -> bool:
        """Whether the status reason or the container's reason contains a pattern, in any case."""
        reasons = f"{self.status_reason}\n{self.reason}"
        return bool(re.search(pattern, reasons, re.IGNORECASE | re.MULTILINE))


@dataclass(frozen=True, slots=True)
class _Rule:
    """A row of the table; `transient` and `meaning` become those of the `Failure`."""

    matches: Callable[[_Facts], bool]
    kind: FailureKind
    transient: bool
    meaning: str


def _contains(pattern: str) -> Callable[[_Facts], bool]:
    return lambda facts: facts.contains(pattern)


def _exits(*codes: int) -> Callable[[_Facts], bool]:
    return lambda facts: facts.exit_code in codes


_PULL = r"CannotPull(Container|Image)"
_PULL_REFUSED = (
    # Not "manifest" alone and not "no such host": network faults contain these as well.
    r"unauthorized|denied|forbidden|not found|no such (?!host)|manifest (unknown|invalid)|"
    r"no matching manifest|does not exist|invalid reference|no basic auth|repository name"
)
_KILLED_BY_SIGKILL = 128 + signal.SIGKILL
_KILLED_BY_SIGTERM = 128 + signal.SIGTERM

_K = FailureKind

# The third column: whether the same request can succeed when it is submitted again unchanged.
_TRANSIENT, _PERMANENT = True, False

# The order matters:
# 1. Reasons that AWS gives for the whole job.
# 2. Whether a caller ended it: the last attempt may have failed otherwise before, and the caller's
#    reason may contain any text.
# 3. Reasons of the last attempt.
# 4. Its exit code, since a Spot interruption and a timeout also end with 137 (SIGKILL).
_RULES: tuple[_Rule, ...] = (
    _Rule(
        _contains(r"^Dependent job failed"),
        _K.DEPENDENCY,
        _PERMANENT,
        "a job that it depends on failed",
    ),
    _Rule(
        _contains(r"^Array Child Job failed"),
        _K.ARRAY_CHILD,
        _PERMANENT,
        "see the failures of its children",
    ),
    _Rule(
        _contains(r"^Job attempt duration exceeded timeout"),
        _K.TIMEOUT,
        _PERMANENT,
        "the attempt exceeded its timeout; AWS Batch does not retry that",
    ),
    _Rule(
        _contains(r"^(Canceled|Cancelled|Terminated) by JobStateTimeLimit"),
        _K.QUEUE_POLICY,
        _PERMANENT,
        "the queue limits the time in a state and ended it; see what it waited for",
    ),
    _Rule(lambda f: f.is_cancelled, _K.CANCELLED, _PERMANENT, "it was cancelled"),
    _Rule(lambda f: f.is_terminated, _K.TERMINATED, _PERMANENT, "it was terminated"),
    _Rule(
        _contains(r"Your Spot Task was interrupted"),
        _K.SPOT_INTERRUPTION,
        _TRANSIENT,
        "Fargate Spot reclaimed the capacity; retry, or use on-demand capacity",
    ),
    _Rule(
        _contains(r"Host EC2"),
        _K.HOST_LOST,
        _TRANSIENT,
        "the instance was terminated, usually a Spot reclaim; retry, or use on-demand capacity",
    ),
    _Rule(
        _contains(r"Job definition invalid|combined tags"),
        _K.DEFINITION,
        _PERMANENT,
        "the job definition cannot be used as it is",
    ),
    _Rule(
        _contains(r"OutOfMemory|killed due to memory usage"),
        _K.OUT_OF_MEMORY,
        _PERMANENT,
        "the container exceeded its memory limit; raise memory_mib",
    ),
    _Rule(
        lambda f: f.contains(_PULL) and f.contains(_PULL_REFUSED),
        _K.IMAGE_PULL,
        _PERMANENT,
        "the image does not exist, or pulling it is not allowed",
    ),
    _Rule(_contains(_PULL), _K.IMAGE_PULL, _TRANSIENT, "the registry or the network failed; retry"),
    _Rule(
        _contains(r"CannotInspectContainerError"),
        _K.CONTAINER_RUNTIME,
        _TRANSIENT,
        "Docker did not respond; the work may be done, so check the output before a retry",
    ),
    _Rule(
        _contains(r"DockerTimeoutError|ContainerRuntimeTimeoutError"),
        _K.CONTAINER_RUNTIME,
        _TRANSIENT,
        "the host's Docker was too slow; retry",
    ),
    _Rule(
        _contains(r"CannotStartContainerError|CannotCreateContainerError|CannotCreateVolumeError"),
        _K.CONTAINER_START,
        _TRANSIENT,
        "the container could not be created; retry once, then check the job definition",
    ),
    _Rule(
        lambda f: (
            f.contains(r"ResourceInitializationError") and f.contains(r"log group does not exist")
        ),
        _K.RESOURCE_INITIALIZATION,
        _PERMANENT,
        "create the log group, or set awslogs-create-group",
    ),
    _Rule(
        _contains(r"ResourceInitializationError"),
        _K.RESOURCE_INITIALIZATION,
        _TRANSIENT,
        "secrets, registry or network were not ready; retry, then check roles and subnets",
    ),
    _Rule(
        _contains(r"network interface provisioning"),
        _K.RESOURCE_INITIALIZATION,
        _TRANSIENT,
        "the network interface took too long; retry",
    ),
    _Rule(
        _contains(r"Task failed to start"),
        _K.TASK_START,
        _TRANSIENT,
        "ECS could not start the task; retry",
    ),
    _Rule(
        _exits(_KILLED_BY_SIGKILL),
        _K.KILLED,
        _PERMANENT,
        "it was killed (SIGKILL): out of memory, or it ignored SIGTERM",
    ),
    _Rule(
        _exits(_KILLED_BY_SIGTERM),
        _K.KILLED,
        _PERMANENT,
        "it was stopped (SIGTERM)",
    ),
    _Rule(
        _exits(125, 126, 127, 128),
        _K.NOT_RUNNABLE,
        _PERMANENT,
        "the command does not exist in the image, or cannot be run",
    ),
    _Rule(
        _exits(128 + signal.SIGSEGV),
        _K.EXIT_CODE,
        _PERMANENT,
        "the program crashed (segmentation fault)",
    ),
    _Rule(_exits(128 + signal.SIGABRT), _K.EXIT_CODE, _PERMANENT, "the program aborted"),
    _Rule(
        lambda f: f.exit_code is not None,
        _K.EXIT_CODE,
        _PERMANENT,
        "see its log",
    ),
)

_WAITING_RULES: tuple[_Rule, ...] = (
    _Rule(
        _contains(r"^CAPACITY:"),
        _K.CAPACITY,
        _TRANSIENT,
        "AWS has no capacity now; wait, or allow more instance types and Availability Zones",
    ),
    _Rule(
        _contains(r"^MISCONFIGURATION:.*JOB_RESOURCE_REQUIREMENT"),
        _K.MISCONFIGURATION,
        _PERMANENT,
        "no compute environment of the queue is large enough; request less, or use another queue",
    ),
    _Rule(
        _contains(r"^MISCONFIGURATION:"),
        _K.MISCONFIGURATION,
        _PERMANENT,
        "it will not run until the compute environment is corrected",
    ),
    _Rule(
        _contains(r"^UNDETERMINED"),
        _K.BLOCKED,
        _TRANSIENT,
        "the head of the queue is blocked; check the compute environments and their service role",
    ),
)


def failure_of(description: JobDescription) -> Failure | None:
    """Return why a job failed; None unless it is FAILED."""
    if description.status is not JobStatus.FAILED:
        return None
    facts = _facts(description)
    return _classify(facts, _RULES) or Failure(
        kind=FailureKind.UNKNOWN,
        transient=False,
        message=_sentence(facts, "AWS gave no known reason"),
        attempt=facts.attempt,
    )


def wait_reason_of(description: JobDescription) -> Failure | None:
    """Return why a live job does not run; None where AWS gives no known reason."""
    if description.status.is_terminal or not description.status_reason:
        return None
    # Only the job's own reason: an earlier attempt's is not about the wait for the next one.
    return _classify(_Facts(status_reason=description.status_reason), _WAITING_RULES)


def result_of(description: JobDescription) -> JobResult:
    """Return the result of a job that has ended."""
    return JobResult(description=description, failure=failure_of(description))


def _classify(facts: _Facts, rules: tuple[_Rule, ...]) -> Failure | None:
    for rule in rules:
        if rule.matches(facts):
            return Failure(
                kind=rule.kind,
                transient=rule.transient,
                message=_sentence(facts, rule.meaning),
                attempt=facts.attempt,
            )
    return None


def _facts(description: JobDescription) -> _Facts:
    """Return the facts of the last attempt, and of the job where there is no attempt."""
    last = description.attempts[-1] if description.attempts else None
    reasons = (description.status_reason, last.status_reason if last else None)
    return _Facts(
        # Both, since a terminated job's own reason is the caller's text, its attempt's is ECS's.
        status_reason="\n".join(dict.fromkeys(r for r in reasons if r)),
        reason=description.reason or "",
        exit_code=description.exit_code,
        attempt=last.number if last else None,
        is_cancelled=description.is_cancelled,
        is_terminated=description.is_terminated,
    )


def _sentence(facts: _Facts, meaning: str) -> str:
    """Return one sentence: the exit code, AWS's reasons, and what they mean."""
    parts = [f"exit code {facts.exit_code}"] if facts.exit_code is not None else []
    parts += [line.strip().rstrip(".") for line in facts.status_reason.splitlines()]
    parts += [facts.reason.strip().rstrip(".")] if facts.reason else []
    head = "; ".join(dict.fromkeys(part for part in parts if part))
    return f"{head} ({meaning})" if head else meaning
