"""Why a job failed, or why it waits: one ordered table of what AWS really says.

Rules are tried from top to bottom and the first that matches decides. Each looks at the facts of
the last attempt; for jobs that were never placed there is no attempt, and the job's own reason is
used. An attempt without an exit code never ran, or lost its host.

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
    """What the rules look at."""

    status_reason: str
    reason: str = ""
    exit_code: int | None = None
    attempt: int | None = None
    is_cancelled: bool = False
    is_terminated: bool = False

    def says(self, pattern: str) -> bool:
        """Whether the status reason or the container's reason contains a pattern, in any case."""
        said = f"{self.status_reason}\n{self.reason}"
        return bool(re.search(pattern, said, re.IGNORECASE | re.MULTILINE))


@dataclass(frozen=True, slots=True)
class _Rule:
    """A row of the table: when it matches, what it is, whether it passes, what it means."""

    matches: Callable[[_Facts], bool]
    kind: FailureKind
    transient: bool
    meaning: str


def _says(pattern: str) -> Callable[[_Facts], bool]:
    return lambda facts: facts.says(pattern)


def _exits(*codes: int) -> Callable[[_Facts], bool]:
    return lambda facts: facts.exit_code in codes


_PULL = r"CannotPull(Container|Image)"
_PULL_FOR_GOOD = (
    # Not "manifest" alone and not "no such host": network faults say these as well.
    r"unauthorized|denied|forbidden|not found|no such (?!host)|manifest (unknown|invalid)|"
    r"no matching manifest|does not exist|invalid reference|no basic auth|repository name"
)
_KILLED_BY_SIGKILL = 128 + signal.SIGKILL
_KILLED_BY_SIGTERM = 128 + signal.SIGTERM

_K = FailureKind

# The third column: whether the same job may well succeed when it is simply run again.
_PASSES, _STAYS = True, False

# The order matters. First what AWS itself says of the whole job; then whether a person ended it, as
# the last attempt may have met something else before, and the person's words may be any; then what
# the attempt met; its exit code last, as a Spot interruption and a timeout also end with 137.
_RULES: tuple[_Rule, ...] = (
    _Rule(
        _says(r"^Dependent job failed"), _K.DEPENDENCY, _STAYS, "a job that it depends on failed"
    ),
    _Rule(_says(r"^Array Child Job failed"), _K.ARRAY_CHILD, _STAYS, "look at its failed children"),
    _Rule(
        _says(r"^Job attempt duration exceeded timeout"),
        _K.TIMEOUT,
        _STAYS,
        "the attempt took longer than its timeout allows; AWS Batch does not retry that",
    ),
    _Rule(
        _says(r"^(Canceled|Cancelled|Terminated) by JobStateTimeLimit"),
        _K.QUEUE_POLICY,
        _STAYS,
        "the queue's time limit for a state ended it; see what it waited for",
    ),
    _Rule(lambda f: f.is_cancelled, _K.CANCELLED, _STAYS, "it was cancelled"),
    _Rule(lambda f: f.is_terminated, _K.TERMINATED, _STAYS, "it was terminated"),
    _Rule(
        _says(r"Your Spot Task was interrupted"),
        _K.SPOT_INTERRUPTION,
        _PASSES,
        "Fargate Spot took the capacity back; retry, or use on-demand capacity",
    ),
    _Rule(
        _says(r"Host EC2"),
        _K.HOST_LOST,
        _PASSES,
        "the instance went away, usually a Spot reclaim; retry, or use on-demand capacity",
    ),
    _Rule(
        _says(r"Job definition invalid|combined tags"),
        _K.DEFINITION,
        _STAYS,
        "the job definition cannot be used as it is",
    ),
    _Rule(
        _says(r"OutOfMemory|killed due to memory usage"),
        _K.OUT_OF_MEMORY,
        _STAYS,
        "the container needed more memory than its limit; give it more memory_mib",
    ),
    _Rule(
        lambda f: f.says(_PULL) and f.says(_PULL_FOR_GOOD),
        _K.IMAGE_PULL,
        _STAYS,
        "the image does not exist, or may not be pulled",
    ),
    _Rule(_says(_PULL), _K.IMAGE_PULL, _PASSES, "the registry or the network failed; retry"),
    _Rule(
        _says(r"CannotInspectContainerError"),
        _K.CONTAINER_RUNTIME,
        _PASSES,
        "Docker did not answer about the container; the work may be done, so check its output",
    ),
    _Rule(
        _says(r"DockerTimeoutError|ContainerRuntimeTimeoutError"),
        _K.CONTAINER_RUNTIME,
        _PASSES,
        "the host's Docker was too slow; retry",
    ),
    _Rule(
        _says(r"CannotStartContainerError|CannotCreateContainerError|CannotCreateVolumeError"),
        _K.CONTAINER_START,
        _PASSES,
        "the container could not be made; retry once, then check the job definition",
    ),
    _Rule(
        lambda f: f.says(r"ResourceInitializationError") and f.says(r"log group does not exist"),
        _K.RESOURCE_INITIALIZATION,
        _STAYS,
        "create the log group, or set awslogs-create-group",
    ),
    _Rule(
        _says(r"ResourceInitializationError"),
        _K.RESOURCE_INITIALIZATION,
        _PASSES,
        "secrets, registry or network were not ready; retry, then check roles and subnets",
    ),
    _Rule(
        _says(r"network interface provisioning"),
        _K.RESOURCE_INITIALIZATION,
        _PASSES,
        "the network interface took too long; retry",
    ),
    _Rule(
        _says(r"Task failed to start"),
        _K.TASK_START,
        _PASSES,
        "ECS could not start the task; retry",
    ),
    _Rule(
        _exits(_KILLED_BY_SIGKILL),
        _K.KILLED,
        _STAYS,
        "it was killed (SIGKILL): a stop that it did not heed, or memory",
    ),
    _Rule(
        _exits(_KILLED_BY_SIGTERM),
        _K.KILLED,
        _STAYS,
        "it was asked to stop (SIGTERM)",
    ),
    _Rule(
        _exits(125, 126, 127, 128),
        _K.NOT_RUNNABLE,
        _STAYS,
        "the command does not exist in the image, or cannot be run",
    ),
    _Rule(
        _exits(128 + signal.SIGSEGV),
        _K.EXIT_CODE,
        _STAYS,
        "the program crashed (segmentation fault)",
    ),
    _Rule(_exits(128 + signal.SIGABRT), _K.EXIT_CODE, _STAYS, "the program aborted"),
    _Rule(
        lambda f: f.exit_code is not None,
        _K.EXIT_CODE,
        _STAYS,
        "see its log for the program's own words",
    ),
)

_WAITING_RULES: tuple[_Rule, ...] = (
    _Rule(
        _says(r"^CAPACITY:"),
        _K.CAPACITY,
        _PASSES,
        "AWS has no such capacity now; wait, or allow more instance types and zones",
    ),
    _Rule(
        _says(r"^MISCONFIGURATION:.*JOB_RESOURCE_REQUIREMENT"),
        _K.MISCONFIGURATION,
        _STAYS,
        "no compute environment of the queue can ever hold it; ask for less, or use another queue",
    ),
    _Rule(
        _says(r"^MISCONFIGURATION:"),
        _K.MISCONFIGURATION,
        _STAYS,
        "it will not run until the compute environment is mended",
    ),
    _Rule(
        _says(r"^UNDETERMINED"),
        _K.BLOCKED,
        _PASSES,
        "the head of the queue is blocked; look at the compute environments and their service role",
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
        message=_words(facts, "AWS gave no reason that is known here"),
        attempt=facts.attempt,
    )


def wait_reason_of(description: JobDescription) -> Failure | None:
    """Return what keeps a live job from running; None when nothing is known to."""
    if description.status.is_terminal or not description.status_reason:
        return None
    # Only the job's own words: an earlier attempt's say nothing about the wait for the next.
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
                message=_words(facts, rule.meaning),
                attempt=facts.attempt,
            )
    return None


def _facts(description: JobDescription) -> _Facts:
    """Gather what the last attempt says; the job's own reason stands in where there is none."""
    last = description.attempts[-1] if description.attempts else None
    reasons = (description.status_reason, last.status_reason if last else None)
    return _Facts(
        # Both: a terminated job's own reason is the user's text, its attempt's is ECS's.
        status_reason="\n".join(dict.fromkeys(r for r in reasons if r)),
        reason=description.reason or "",
        exit_code=description.exit_code,
        attempt=last.number if last else None,
        is_cancelled=description.is_cancelled,
        is_terminated=description.is_terminated,
    )


def _words(facts: _Facts, meaning: str) -> str:
    """Return one sentence: the exit code, AWS's words, and what they mean."""
    said = [f"exit code {facts.exit_code}"] if facts.exit_code is not None else []
    said += [line.strip().rstrip(".") for line in facts.status_reason.splitlines()]
    said += [facts.reason.strip().rstrip(".")] if facts.reason else []
    head = "; ".join(dict.fromkeys(part for part in said if part))
    return f"{head} ({meaning})" if head else meaning
