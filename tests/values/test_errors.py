"""The exceptions: their tree, their words, and how they travel between processes."""

import copy
import inspect
import pickle
import re
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from asyncbatch import (
    AccessDenied,
    APIError,
    AsyncBatchError,
    ClientClosed,
    ConfigurationError,
    ConnectionFailed,
    CredentialsExpired,
    Failure,
    FailureKind,
    GroupClosed,
    InternalError,
    InvalidRequest,
    JobDefinitionNotFound,
    JobDescription,
    JobError,
    JobFailed,
    JobNotStarted,
    JobQueueNotFound,
    JobResult,
    JobStatus,
    JobVanished,
    JournalError,
    LogEvent,
    LogsUnavailable,
    NoCredentials,
    NoRegion,
    ResourceNotFound,
    RunStopped,
    ServiceFault,
    SubmitUncertain,
    Throttled,
    UnknownField,
)
from asyncbatch._values import errors

RESULT = JobResult(
    description=JobDescription(job_id="j-1", name="etl", status=JobStatus.FAILED),
    failure=Failure(
        kind=FailureKind.OUT_OF_MEMORY, transient=False, message="exit code 137 (give it more)"
    ),
)
LINE = LogEvent(
    timestamp=datetime(2024, 1, 15, tzinfo=UTC),
    message="MemoryError",
    job_id="j-1",
    attempt=1,
    stream="etl/default/1",
)
DROPPED = ConnectionFailed("SubmitJob", "ReadTimeoutError", "no answer", may_have_arrived=True)


def refused(kind: type[APIError]) -> APIError:
    return kind("SubmitJob", "SomeCode", "AWS's own words.", status=400, request_id="r-1")


def uncertain(mark: str | None) -> SubmitUncertain:
    since = datetime(2024, 1, 15, 10, tzinfo=UTC)
    return SubmitUncertain(
        "etl-1",
        "default",
        mark,
        DROPPED,
        job_definition="etl",
        since=since,
        until=since + timedelta(seconds=45),
        doubt="AWS is silent.",
    )


# Each class with a part of its message: the next step, where it has one.
ERRORS: list[tuple[AsyncBatchError, str]] = [
    (AsyncBatchError("said where it is raised"), "said where it is raised"),
    (
        InvalidRequest("gpus", 0, "must be an integer of 1 or more"),
        "must be an integer of 1 or more",
    ),
    (
        UnknownField("env", "JobRequest has no such field; did you mean environment?"),
        "did you mean environment?",
    ),
    (ClientClosed("use `async with AsyncBatchClient()`"), "async with AsyncBatchClient()"),
    (GroupClosed(), "make a new group"),
    (ConfigurationError("said where it is raised"), "said where it is raised"),
    (NoRegion(), "region_name="),
    (NoCredentials("Unable to locate credentials."), "aws sso login"),
    (refused(APIError), "AWS's own words"),
    (refused(Throttled), "Lower RateLimits"),
    (refused(AccessDenied), "Add the permission in IAM"),
    (refused(CredentialsExpired), "Log in again"),
    (refused(ServiceFault), "try again later"),
    (refused(ResourceNotFound), "Check the log group"),
    (refused(JobQueueNotFound), "aws batch describe-job-queues"),
    (refused(JobDefinitionNotFound), "register_job_definition()"),
    (DROPPED, "Check the network"),
    (uncertain("etl-1"), "aws batch list-jobs"),
    (InternalError("j-1", ZeroDivisionError("a bug")), "Please report this"),
    (JournalError("run.db", "it is damaged", "Begin a new one."), "Begin a new one."),
    (LogsUnavailable("j-1", "it writes to splunk, look there"), "look there"),
    (JobError("said where it is raised"), "said where it is raised"),
    (JobFailed(RESULT, [LINE]), "give it more"),
    (JobNotStarted(RESULT, []), "give it more"),
    (RunStopped(cast("Failure", RESULT.failure), 9, 12), "give it more"),
    (JobVanished("j-1", ever_seen=False, grace=30.0), "Check the id, the Region and the account."),
    (JobVanished("j-1", ever_seen=True, grace=270.0), "AWS deletes jobs"),
]

each_error = pytest.mark.parametrize(
    ("error", "next_step"), ERRORS, ids=[type(error).__name__ for error, _ in ERRORS]
)


def classes() -> list[type[AsyncBatchError]]:
    return [
        member
        for _, member in inspect.getmembers(errors, inspect.isclass)
        if issubclass(member, AsyncBatchError)
    ]


def drawn_tree() -> dict[str, str]:
    """Return parents by child as drawn in the docstring; names in brackets are further parents."""
    path: list[str] = []
    parents: dict[str, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        if match := re.match(r"    ((?:[│ ]   )*)(?:[├└]── )?(\w+)(?: \((\w+)\))?(?:  |$)", line):
            depth = len(match[1]) // 4 + ("── " in line)
            path[depth:] = [match[2]]
            parents[match[2]] = ", ".join(filter(None, [*path[-2:-1], match[3]]))
    return parents


def test_error_tree_in_the_docstring_matches_the_classes() -> None:
    real = {c.__name__: ", ".join(base.__name__ for base in c.__bases__) for c in classes()}
    assert drawn_tree() == {**real, "AsyncBatchError": ""}


def test_every_error_class_is_in_the_table_of_these_tests() -> None:
    assert {type(error) for error, _ in ERRORS} == set(classes())


@each_error
def test_error_message_contains_the_next_step(error: AsyncBatchError, next_step: str) -> None:
    assert next_step in str(error)


@each_error
def test_error_is_equal_after_pickling_and_copying(error: AsyncBatchError, next_step: str) -> None:
    error = copy.copy(error)
    error.add_note("seen in the nightly run")
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):  # noqa: S301 - our own
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert facts_of(twin) == facts_of(error)


def facts_of(error: AsyncBatchError) -> dict[str, object]:
    """Return the attributes of an error; errors by their message, as exceptions are never equal."""
    return {
        name: str(fact) if isinstance(fact, Exception) else fact
        for name, fact in vars(error).items()
    }


def test_handles_are_not_pickled_with_an_error() -> None:
    """A handle belongs to a client, which lives in one process."""
    error = refused(AccessDenied)
    error.submitted = (lambda: None,)
    twin = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert twin.submitted == ()


def test_misuse_errors_are_builtin_errors_as_well() -> None:
    assert issubclass(InvalidRequest, ValueError)
    assert issubclass(ClientClosed, RuntimeError)


def test_invalid_request_message_shortens_a_long_value() -> None:
    error = InvalidRequest("tags", "x" * 5000, "too long")
    assert len(str(error)) < 200
    assert error.value == "x" * 5000


def test_api_error_has_operation_code_and_message() -> None:
    error = refused(AccessDenied)
    assert str(error).startswith("SubmitJob: SomeCode: AWS's own words. Add the permission ")
    assert (error.operation, error.code, error.message) == (
        "SubmitJob",
        "SomeCode",
        "AWS's own words.",
    )
    assert (error.status, error.request_id) == (400, "r-1")


def test_job_failed_message_contains_the_last_log_lines() -> None:
    error = JobFailed(RESULT, [LINE])
    assert str(error) == (
        "job 'etl' (j-1) failed: exit code 137 (give it more)\n  last log line:\n  | MemoryError"
    )
    assert (error.job_id, error.failure, error.exit_code) == ("j-1", RESULT.failure, None)


def test_job_failed_without_log_and_reason_names_the_job() -> None:
    error = JobFailed(JobResult(description=RESULT.description))
    assert str(error) == "job 'etl' (j-1) failed: AWS gave no reason"


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ("etl-1", "a job with this name is it"),
        ("asyncbatch-submission=ab12", "shows with the tag asyncbatch-submission=ab12"),
        (None, "created between 2024-01-15 10:00:00 and 10:00:45 UTC may be it"),
    ],
)
def test_submit_uncertain_message_contains_the_command_to_look_the_job_up(
    mark: str | None, said: str
) -> None:
    error = uncertain(mark)
    assert "--job-queue default --filters name=JOB_NAME,values=etl-1" in str(error)
    assert said in str(error)
    assert "had no clear result: AWS is silent. The job was not submitted again." in str(error)
    assert (error.name, error.queue, error.mark, error.cause) == (
        "etl-1",
        "default",
        mark,
        DROPPED,
    )
