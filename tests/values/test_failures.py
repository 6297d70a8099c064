"""Classification of failures and of reasons to wait: real status reasons, row by row."""

from dataclasses import replace

import pytest

from asyncbatch import Attempt, Container, FailureKind, JobDescription, JobStatus
from asyncbatch._values.failures import failure_of, result_of, wait_reason_of

K = FailureKind
ESSENTIAL = "Essential container in task exited"
SPOT_HOST = "Host EC2 (instance i-0a1b2c3d4e5f67890) terminated."
SPOT_TASK = "Your Spot Task was interrupted."
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
TIMEOUT = "Job attempt duration exceeded timeout"
NOT_STARTED = "Task failed to start"
PULL = "CannotPullContainerError: "
FARGATE_PULL = PULL + "pull image manifest has been retried 5 time(s): failed to resolve ref "
INSPECT = (
    "CannotInspectContainerError: Could not transition to inspecting; timed out after waiting 30s"
)
INIT = "ResourceInitializationError: "
CAPACITY = (
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill the capacity requested for "
    "instance type [p4d.24xlarge]"
)


def failed(
    status_reason: str | None = None, reason: str | None = None, exit_code: int | None = None
) -> JobDescription:
    """Return a failed job with one attempt."""
    container = Container(reason=reason, exit_code=exit_code)
    attempt = Attempt(number=1, containers=(container,), status_reason=status_reason)
    return JobDescription(
        job_id="j-1", status=JobStatus.FAILED, status_reason=status_reason, attempts=(attempt,)
    )


def never_started(status_reason: str | None, reason: str | None = None) -> JobDescription:
    """Return a failed job without attempts; only the job itself has a reason."""
    return replace(
        failed(status_reason), attempts=(), containers=(Container(reason=reason),) if reason else ()
    )


# The job, the kind of its failure, and whether the failure is transient.
ATTEMPTS: list[tuple[JobDescription, FailureKind, bool]] = [
    (failed(SPOT_HOST), K.HOST_LOST, True),
    (failed(SPOT_TASK, exit_code=137), K.SPOT_INTERRUPTION, True),
    (failed(SPOT_TASK), K.SPOT_INTERRUPTION, True),
    (failed(ESSENTIAL, exit_code=1), K.EXIT_CODE, False),
    (failed(ESSENTIAL, exit_code=2), K.EXIT_CODE, False),
    (failed(ESSENTIAL, exit_code=0), K.EXIT_CODE, False),
    (failed(ESSENTIAL, exit_code=139), K.EXIT_CODE, False),
    (failed(ESSENTIAL, exit_code=134), K.EXIT_CODE, False),
    (failed(ESSENTIAL, OUT_OF_MEMORY, 137), K.OUT_OF_MEMORY, False),
    (failed(ESSENTIAL, OUT_OF_MEMORY, 1), K.OUT_OF_MEMORY, False),
    (failed(ESSENTIAL, exit_code=137), K.KILLED, False),
    (failed(ESSENTIAL, exit_code=143), K.KILLED, False),
    *((failed(ESSENTIAL, exit_code=code), K.NOT_RUNNABLE, False) for code in range(125, 129)),
    (failed(TIMEOUT, exit_code=137), K.TIMEOUT, False),
    (failed(TIMEOUT, exit_code=143), K.TIMEOUT, False),
    (failed(TIMEOUT), K.TIMEOUT, False),
    (failed(NOT_STARTED), K.TASK_START, True),
    (failed(NOT_STARTED, PULL + "context canceled"), K.IMAGE_PULL, True),
    (failed(NOT_STARTED, PULL + "write /layer: no space left on device"), K.IMAGE_PULL, True),
    (
        failed(NOT_STARTED, PULL + "received unexpected HTTP status: 503 Service Unavailable"),
        K.IMAGE_PULL,
        True,
    ),
    (
        failed(
            NOT_STARTED,
            PULL + "API error (500): Get https://registry-1.docker.io/v2/: net/http: request "
            "canceled while waiting for connection (Client.Timeout exceeded while awaiting "
            "headers)",
        ),
        K.IMAGE_PULL,
        True,
    ),
    (
        failed(
            NOT_STARTED,
            FARGATE_PULL + "quay.io/etl:latest: failed to do request: Head "
            '"https://quay.io/v2/etl/manifests/latest": dial tcp 3.2.1.0:443: i/o timeout',
        ),
        K.IMAGE_PULL,
        True,
    ),
    (
        failed(NOT_STARTED, PULL + "dial tcp: lookup quay.io on 10.0.0.2:53: no such host"),
        K.IMAGE_PULL,
        True,
    ),
    (
        failed(NOT_STARTED, PULL + "toomanyrequests: You have reached your pull rate limit."),
        K.IMAGE_PULL,
        True,
    ),
    (failed(NOT_STARTED, FARGATE_PULL + "etl:latest: not found"), K.IMAGE_PULL, False),
    (
        failed(
            NOT_STARTED,
            FARGATE_PULL + "etl:latest: unexpected status code [manifests latest]: 403 Forbidden",
        ),
        K.IMAGE_PULL,
        False,
    ),
    (
        failed(
            NOT_STARTED,
            PULL + "Error response from daemon: pull access denied for etl, repository does not "
            "exist or may require 'docker login'",
        ),
        K.IMAGE_PULL,
        False,
    ),
    (
        failed(NOT_STARTED, PULL + "unauthorized: authentication required"),
        K.IMAGE_PULL,
        False,
    ),
    (
        failed(NOT_STARTED, PULL + "manifest for etl:9 not found: manifest unknown"),
        K.IMAGE_PULL,
        False,
    ),
    (
        failed(
            NOT_STARTED,
            PULL + "no matching manifest for linux/arm64/v8 in the manifest list entries",
        ),
        K.IMAGE_PULL,
        False,
    ),
    (
        failed(NOT_STARTED, "CannotPullImageManifestError: Error response from daemon: EOF"),
        K.IMAGE_PULL,
        True,
    ),
    (
        failed(
            NOT_STARTED,
            "CannotStartContainerError: Error response from daemon: failed to create shim task: "
            'exec: "etl": executable file not found in $PATH',
            127,
        ),
        K.CONTAINER_START,
        True,
    ),
    (
        failed(NOT_STARTED, "CannotCreateContainerError: API error (500): devmapper: no space"),
        K.CONTAINER_START,
        True,
    ),
    (
        failed(NOT_STARTED, "CannotCreateVolumeError: mount.nfs4: Connection reset by peer"),
        K.CONTAINER_START,
        True,
    ),
    (failed(ESSENTIAL, INSPECT, 0), K.CONTAINER_RUNTIME, True),
    (failed(ESSENTIAL, INSPECT), K.CONTAINER_RUNTIME, True),
    (
        failed(
            NOT_STARTED,
            "DockerTimeoutError: Could not transition to created; timed out after waiting 4m0s",
        ),
        K.CONTAINER_RUNTIME,
        True,
    ),
    (
        failed(
            NOT_STARTED, "ContainerRuntimeTimeoutError: Could not transition to running; timed out"
        ),
        K.CONTAINER_RUNTIME,
        True,
    ),
    (
        failed(
            INIT + "unable to pull secrets or registry auth: execution resource retrieval failed"
        ),
        K.RESOURCE_INITIALIZATION,
        True,
    ),
    (
        failed(
            INIT + "failed to validate logger args: create stream has been retried 1 times: failed "
            "to create Cloudwatch log stream: ResourceNotFoundException: The specified log group "
            "does not exist."
        ),
        K.RESOURCE_INITIALIZATION,
        False,
    ),
    (
        failed("Timeout waiting for network interface provisioning to complete."),
        K.RESOURCE_INITIALIZATION,
        True,
    ),
]

NEVER_STARTED: list[tuple[JobDescription, FailureKind, bool]] = [
    (never_started("Dependent Job failed"), K.DEPENDENCY, False),
    (never_started("Array Child Job failed"), K.ARRAY_CHILD, False),
    (never_started("Job definition invalid"), K.DEFINITION, False),
    (
        never_started("The combined tags from the job and the job definition are more than 50"),
        K.DEFINITION,
        False,
    ),
    (
        never_started(f"Canceled by JobStateTimeLimit action due to reason: {CAPACITY}"),
        K.QUEUE_POLICY,
        False,
    ),
    (
        never_started("Terminated by JobStateTimeLimit action due to reason: RUNNING too long"),
        K.QUEUE_POLICY,
        False,
    ),
    (never_started(SPOT_HOST), K.HOST_LOST, True),
    (never_started(NOT_STARTED, PULL + "context canceled"), K.IMAGE_PULL, True),
    (never_started("A reason of tomorrow"), K.UNKNOWN, False),
    (never_started(None), K.UNKNOWN, False),
]

ROWS = [*ATTEMPTS, *NEVER_STARTED]


def reasons_of(description: JobDescription) -> list[str]:
    reasons = [description.status_reason, description.reason]
    return [words.rstrip(".") for words in reasons if words]


@pytest.mark.parametrize(
    ("description", "kind", "transient"),
    ROWS,
    ids=[" ".join(reasons_of(row[0]))[:80] for row in ROWS],
)
def test_failure_of_a_real_status_reason_has_kind_and_transience(
    description: JobDescription, kind: FailureKind, *, transient: bool
) -> None:
    failure = failure_of(description)
    assert failure is not None
    assert (failure.kind, failure.transient) == (kind, transient)
    assert failure.attempt == (1 if description.attempts else None)
    for words in reasons_of(description):
        assert words in failure.message
    if description.exit_code is not None:
        assert f"exit code {description.exit_code}" in failure.message


def test_failure_message_is_one_sentence_with_exit_code_first() -> None:
    failure = failure_of(failed(ESSENTIAL, OUT_OF_MEMORY, 137))
    assert failure is not None
    assert failure.message == (
        f"exit code 137; {ESSENTIAL}; {OUT_OF_MEMORY} "
        "(the container exceeded its memory limit; raise memory_mib)"
    )


def test_failure_is_that_of_the_last_attempt() -> None:
    spot, crash = failed(SPOT_HOST).attempts[0], failed(ESSENTIAL, exit_code=1).attempts[0]
    description = replace(failed(ESSENTIAL), attempts=(spot, replace(crash, number=2)))
    failure = failure_of(description)
    assert failure is not None
    assert (failure.kind, failure.transient, failure.attempt) == (K.EXIT_CODE, False, 2)
    assert "Host EC2" not in failure.message


@pytest.mark.parametrize("status", [s for s in JobStatus if s is not JobStatus.FAILED])
def test_failure_of_a_job_that_did_not_fail_is_none(status: JobStatus) -> None:
    description = replace(failed(ESSENTIAL, exit_code=1), status=status)
    assert failure_of(description) is None


def test_result_contains_description_and_failure() -> None:
    description = failed(ESSENTIAL, exit_code=1)
    result = result_of(description)
    assert (result.description, result.failure) == (description, failure_of(description))
    assert not result.succeeded
    done = result_of(replace(description, status=JobStatus.SUCCEEDED))
    assert (done.failure, done.succeeded) == (None, True)


# --- ended by a user -----------------------------------------------------------------------------

USER_REASONS = [
    "not needed any more",
    "Host EC2 is too expensive",
    "OutOfMemory again, and again",
    "please not the CannotPullContainerError loop",
]


@pytest.mark.parametrize("words", USER_REASONS)
@pytest.mark.parametrize(
    ("flag", "kind"), [("cancelled", K.CANCELLED), ("terminated", K.TERMINATED)]
)
def test_failure_of_a_job_that_a_user_ended_is_never_transient(
    words: str, flag: str, kind: FailureKind
) -> None:
    """Independent of the user's reason and of the container's."""
    flags = {"is_cancelled": flag == "cancelled", "is_terminated": flag == "terminated"}
    for description in (never_started(words), failed(words, exit_code=137)):
        failure = failure_of(replace(description, **flags))  # type: ignore[arg-type]
        assert failure is not None
        assert (failure.kind, failure.transient) == (kind, False)
        assert words in failure.message


def test_failure_of_a_job_cancelled_between_two_attempts_is_cancelled() -> None:
    """Its last attempt lost its host, which alone would be transient."""
    description = replace(failed(SPOT_HOST), status_reason="not needed", is_cancelled=True)
    failure = failure_of(description)
    assert failure is not None
    assert (failure.kind, failure.transient) == (K.CANCELLED, False)
    assert "not needed" in failure.message


@pytest.mark.parametrize(
    ("words", "kind"),
    [(TIMEOUT, K.TIMEOUT), ("Canceled by JobStateTimeLimit action due to x", K.QUEUE_POLICY)],
)
def test_failure_of_a_job_that_aws_ended_is_not_cancelled(words: str, kind: FailureKind) -> None:
    flagged = replace(never_started(words), is_cancelled=True, is_terminated=True)
    failure = failure_of(flagged)
    assert failure is not None
    assert failure.kind is kind


# --- waiting jobs --------------------------------------------------------------------------------


def waiting(status_reason: str | None) -> JobDescription:
    return JobDescription(job_id="j-1", status=JobStatus.RUNNABLE, status_reason=status_reason)


@pytest.mark.parametrize(
    ("words", "kind", "transient"),
    [
        (CAPACITY, K.CAPACITY, True),
        ("MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT - The job", K.MISCONFIGURATION, False),
        ("MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - No", K.MISCONFIGURATION, False),
        ("MISCONFIGURATION:SERVICE_ROLE_PERMISSIONS - Batch", K.MISCONFIGURATION, False),
        (
            "UNDETERMINED - Batch job is blocked, root cause is undetermined.",
            K.BLOCKED,
            True,
        ),
    ],
)
def test_wait_reason_of_a_runnable_job_has_kind_and_transience(
    words: str, kind: FailureKind, *, transient: bool
) -> None:
    reason = wait_reason_of(waiting(words))
    assert reason is not None
    assert (reason.kind, reason.transient, reason.attempt) == (kind, transient, None)
    assert words.rstrip(".") in reason.message


def test_wait_reason_ignores_earlier_attempts() -> None:
    retried = replace(waiting(CAPACITY), attempts=failed(SPOT_HOST, exit_code=137).attempts)
    assert wait_reason_of(retried) == wait_reason_of(waiting(CAPACITY))
    assert wait_reason_of(replace(retried, status_reason=None)) is None


@pytest.mark.parametrize("words", [None, "", "a reason of tomorrow"])
def test_wait_reason_without_a_known_status_reason_is_none(words: str | None) -> None:
    assert wait_reason_of(waiting(words)) is None


@pytest.mark.parametrize("status", [JobStatus.SUCCEEDED, JobStatus.FAILED])
def test_wait_reason_of_an_ended_job_is_none(status: JobStatus) -> None:
    assert wait_reason_of(replace(waiting(CAPACITY), status=status)) is None
