"""Classification of failures and of reasons to wait: real status reasons, row by row."""

import re
import string
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncbatch import Attempt, Container, FailureKind, JobDescription, JobStatus
from asyncbatch._values.additions import SUBMISSION_TAG
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


class Row(NamedTuple):
    """A line of the table of AWS's reasons."""

    kind: FailureKind
    transient: bool
    exit_code: int | None
    status_reason: str | None
    reason: str | None
    words: str


def _row(line: str) -> Row:
    kind, lasting, exit_code, status_reason, reason, words = line.split(" | ")
    assert lasting in {"transient", "permanent"}
    return Row(
        FailureKind(kind),
        lasting == "transient",
        None if exit_code == "-" else int(exit_code),
        None if status_reason == "-" else status_reason,
        None if reason == "-" else reason,
        words,
    )


_TABLE = (Path(__file__).parents[1] / "data" / "failures.txt").read_text("utf-8")
ROWS = [_row(line) for line in _TABLE.splitlines() if line and not line.startswith("#")]


def reasons_of(description: JobDescription) -> list[str]:
    reasons = [description.status_reason, description.reason]
    return [words.rstrip(".") for words in reasons if words]


@pytest.mark.parametrize("row", ROWS, ids=[f"{r.status_reason} {r.reason}"[:90] for r in ROWS])
def test_failure_of_a_reason_of_aws_has_kind_transience_and_advice(row: Row) -> None:
    jobs = [failed(row.status_reason, row.reason, row.exit_code)]
    if row.exit_code is None:
        jobs.append(never_started(row.status_reason, row.reason))
    for description in jobs:
        failure = failure_of(description)
        assert failure is not None
        assert (failure.kind, failure.transient) == (row.kind, row.transient)
        assert failure.attempt == (1 if description.attempts else None)
        for words in reasons_of(description):
            assert words in failure.message
        if row.exit_code is not None:
            assert f"exit code {row.exit_code}" in failure.message
        assert row.words in failure.message


@pytest.mark.parametrize("outer", [SPOT_HOST, SPOT_TASK, NOT_STARTED, "InternalError: unexpected"])
def test_permanent_cause_decides_before_a_transient_status_reason(outer: str) -> None:
    """The same request would meet it again."""
    causes = {row.reason for row in ROWS if row.reason and not row.transient}
    known = {cause for cause in causes if _kind(never_started(None, cause)) is not K.UNKNOWN}
    assert len(known) > 40
    assert [cause for cause in known if _is_transient(failed(outer, cause))] == []


# Hypothesis also tries names that it finds in the code, and changes their case.
OF_AWS = {
    word.lower()
    for row in ROWS
    for reason in (row.status_reason, row.reason)
    for word in re.findall(r"\w{4,}", reason or "")
}
words_of_tomorrow = st.text(string.printable, min_size=1).filter(
    lambda words: not any(known in words.lower() for known in OF_AWS)
)


@pytest.mark.parametrize("outer", [None, ESSENTIAL, NOT_STARTED, "a status of tomorrow"])
@given(words=words_of_tomorrow)
def test_reason_that_is_not_known_is_never_transient(outer: str | None, words: str) -> None:
    assert not _is_transient(failed(outer, words))


@pytest.mark.parametrize("prefix", ["", "TaskFailedToStart: ", f"{NOT_STARTED}: ", "Pod failed: "])
@given(words=words_of_tomorrow.filter(lambda words: words.strip(string.whitespace + ".")))
def test_status_reason_that_is_not_known_is_never_transient(prefix: str, words: str) -> None:
    assert not _is_transient(failed(f"{prefix}{words}", None))


def test_job_with_too_many_tags_names_the_one_of_asyncbatch() -> None:
    reason = "The combined tags from the job and the job definition are more than 50"
    job = never_started(reason)
    for tags, is_named in (({"team": "a"}, False), ({"team": "a", SUBMISSION_TAG: "m"}, True)):
        failure = failure_of(replace(job, tags=tags))
        assert failure is not None
        assert (failure.kind, failure.transient) == (K.DEFINITION, False)
        assert reason in failure.message
        assert ("propagate_tags=True" in failure.message) is is_named
    stopped = replace(job, tags={SUBMISSION_TAG: "m"}, is_terminated=True)
    assert _kind(stopped) is K.TERMINATED


@given(words=st.text(string.printable), exit_code=st.none() | st.integers(0, 255))
def test_words_of_a_person_never_change_the_kind(words: str, exit_code: int | None) -> None:
    for row in ROWS:
        if row.kind not in {K.TIMEOUT, K.QUEUE_POLICY}:
            said = f"{row.status_reason}{words}"
            ended = replace(failed(said, row.reason, exit_code), is_terminated=True)
            assert (_kind(ended), _is_transient(ended)) == (K.TERMINATED, False)


def _kind(description: JobDescription) -> FailureKind | None:
    failure = failure_of(description)
    return failure.kind if failure else None


def _is_transient(description: JobDescription) -> bool:
    failure = failure_of(description)
    return failure is not None and failure.transient


def test_every_kind_of_failure_has_a_row() -> None:
    of_waiting_jobs = {K.MISCONFIGURATION, K.BLOCKED}
    of_flags = {K.CANCELLED, K.NOT_STARTED}
    assert {row.kind for row in ROWS} == set(K) - of_waiting_jobs - of_flags


# --- several containers --------------------------------------------------------------------------


def of_several(*containers: Container, init: tuple[Container, ...] = ()) -> JobDescription:
    """Return a failed job with an attempt of several containers."""
    attempt = Attempt(
        number=1, containers=containers, init_containers=init, status_reason=ESSENTIAL
    )
    return replace(failed(ESSENTIAL), attempts=(attempt,))


SIDE_KILLED = Container(name="side", exit_code=137, essential=False)
SIDE_OUT_OF_MEMORY = replace(SIDE_KILLED, reason=OUT_OF_MEMORY)
MAIN_FAILED = Container(name="main", exit_code=3)
MAIN_STOPPED = Container(name="main", exit_code=143)
MAIN_OUT_OF_MEMORY = Container(name="main", exit_code=137, reason=OUT_OF_MEMORY)


@pytest.mark.parametrize(
    ("containers", "exit_code", "kind", "name"),
    [
        ((SIDE_KILLED, MAIN_FAILED), 3, K.EXIT_CODE, "main"),
        ((SIDE_OUT_OF_MEMORY, MAIN_FAILED), 3, K.EXIT_CODE, "main"),
        ((MAIN_STOPPED, Container(name="other", exit_code=2)), 2, K.EXIT_CODE, "other"),
        ((Container(name="other", exit_code=1), MAIN_OUT_OF_MEMORY), 137, K.OUT_OF_MEMORY, "main"),
        ((SIDE_KILLED, Container(name="main")), 137, K.KILLED, "side"),
        (
            (Container(name="main", exit_code=0, reason="Completed"), MAIN_OUT_OF_MEMORY),
            137,
            K.OUT_OF_MEMORY,
            "main",
        ),
    ],
)
def test_failure_of_several_containers_is_that_of_the_one_that_ended_the_job(
    containers: tuple[Container, ...], exit_code: int, kind: FailureKind, name: str
) -> None:
    description = of_several(*containers)
    failure = failure_of(description)
    assert failure is not None
    assert (description.exit_code, failure.kind) == (exit_code, kind)
    assert failure.message.startswith(f"container {name}: exit code {exit_code}; ")


def test_exit_code_of_a_job_that_succeeded_is_that_of_its_essential_container() -> None:
    description = of_several(SIDE_KILLED, Container(name="main", exit_code=0))
    assert description.exit_code == 0


def test_failure_of_a_pod_names_the_init_container_that_failed() -> None:
    fetch = Container(name="fetch", exit_code=3, reason="Error")
    description = of_several(Container(name="main", reason="PodInitializing"), init=(fetch,))
    failure = failure_of(description)
    assert failure is not None
    assert (description.exit_code, failure.kind) == (3, K.EXIT_CODE)
    assert failure.message.startswith("init container fetch: exit code 3; ")


# --- the last attempt ----------------------------------------------------------------------------


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
    "Dependent job failed in my pipeline, so stop",
    "Job attempt duration exceeded timeout, I think",
    "Array Child Job failed",
    "one more\nJob attempt duration exceeded timeout",
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
        assert words.replace("\n", "; ") in failure.message


def test_failure_of_a_job_cancelled_between_two_attempts_is_cancelled() -> None:
    """Its last attempt lost its host, which alone would be transient."""
    description = replace(failed(SPOT_HOST), status_reason="not needed", is_cancelled=True)
    failure = failure_of(description)
    assert failure is not None
    assert (failure.kind, failure.transient) == (K.CANCELLED, False)
    assert "not needed" in failure.message


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (TIMEOUT, K.TIMEOUT),
        (f"Canceled by JobStateTimeLimit action due to reason: {CAPACITY}", K.QUEUE_POLICY),
    ],
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
        ("MISCONFIGURATION:EC2_INSTANCE_CONFIGURATION_UNSUPPORTED - x", K.MISCONFIGURATION, False),
        ("MISCONFIGURATION:A_CAUSE_OF_TOMORROW - x", K.MISCONFIGURATION, False),
        (
            "ACTION_REQUIRED - CE(s) associated with the job queue are invalid",
            K.MISCONFIGURATION,
            False,
        ),
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
