"""What a person reads about an error, and which exit code it is."""

import ast
import shlex
from collections.abc import Mapping

from asyncbatch._cli import exit_codes
from asyncbatch._values.errors import (
    APIError,
    AsyncBatchError,
    ConfigurationError,
    ConnectionFailed,
    InternalError,
    InvalidRequest,
    JobDefinitionNotFound,
    JobError,
    JobQueueNotFound,
    JournalError,
    LogsUnavailable,
    NoCredentials,
    NoRegion,
    RunStopped,
    SubmitUncertain,
)
from asyncbatch._values.text import fit_for_terminal


class UsageError(Exception):
    """An argument is wrong, or what it names does not exist: the message ends with the next step.

    Unlike typer's BadParameter, it needs no context of a command line and may be raised anywhere.
    """


# The first class that an error is an instance of decides.
_EXIT_CODES: tuple[tuple[type[Exception], int], ...] = (
    (UsageError, exit_codes.USAGE),
    (InvalidRequest, exit_codes.USAGE),
    (JournalError, exit_codes.USAGE),
    (JobQueueNotFound, exit_codes.USAGE),
    (JobDefinitionNotFound, exit_codes.USAGE),
    (JobError, exit_codes.JOB_FAILED),
    (RunStopped, exit_codes.JOB_FAILED),
    (InternalError, exit_codes.INTERNAL),
    (ConfigurationError, exit_codes.AWS),
    (APIError, exit_codes.AWS),
    (LogsUnavailable, exit_codes.AWS),
    (SubmitUncertain, exit_codes.AWS),
)

# The options of the command that stand for arguments and fields of the library.
_OPTIONS = {
    "region_name": "--region",
    "profile_name": "--profile",
    "endpoint_url": "--endpoint-url",
    "queue": "--queue",
    "reason": "--reason",
}

# The next steps that differ at a terminal from those of the library's messages.
_NEXT_STEPS: Mapping[type[APIError], str] = {
    JobQueueNotFound: "List the queues with `asyncbatch queues`, or check --region.",
    JobDefinitionNotFound: "List them with `asyncbatch definitions`, or check --region.",
    ConnectionFailed: "Check the network, the proxy, --region and --endpoint-url.",
}


def exit_code_of(error: Exception) -> int:
    """Return the exit code of a command that ends with an error."""
    for kind, code in _EXIT_CODES:
        if isinstance(error, kind):
            return code
    return exit_codes.INTERNAL


def message_of(error: Exception) -> str:
    """Return one or two lines about an error, with the next step."""
    problem, next_step = problem_and_next_step(error)
    is_expected = isinstance(error, AsyncBatchError | UsageError)
    notes = [fit_for_terminal(note) for note in getattr(error, "__notes__", ())]
    return "\n".join([f"{problem}{' ' if is_expected else chr(10)}{next_step}".rstrip(), *notes])


def problem_and_next_step(error: Exception) -> tuple[str, str]:
    """Return what is wrong, and what to do about it; the latter is empty where nothing is known."""
    if isinstance(error, NoRegion):
        return (
            "no AWS Region is configured.",
            "Pass --region, set AWS_REGION, or add 'region' to your profile (aws configure).",
        )
    if isinstance(error, NoCredentials):
        return (
            f"no usable AWS credentials: {fit_for_terminal(error.detail).rstrip('. ')}.",
            "Log in (aws sso login, aws configure), set AWS_PROFILE, or pass --profile.",
        )
    for kind, step in _NEXT_STEPS.items():
        if isinstance(error, kind):
            return str(error).removesuffix(kind.next_step).rstrip(), step
    if isinstance(error, APIError):
        problem = str(error).removesuffix(error.next_step).rstrip()
        return fit_for_terminal(problem), error.next_step
    if isinstance(error, AsyncBatchError | UsageError):
        return fit_for_terminal(_with_options(error)), ""
    return (
        f"internal error: {type(error).__name__}: {fit_for_terminal(str(error))}.",
        "Set ASYNCBATCH_DEBUG=1 for the traceback, and report it with the command that you ran.",
    )


def _with_options(error: Exception) -> str:
    """Return the message of an error, with options of the command instead of arguments."""
    if isinstance(error, SubmitUncertain) and error.settle_by is not None:
        return _uncertain(error)
    if isinstance(error, InvalidRequest) and error.field in _OPTIONS:
        return str(error.renamed(_OPTIONS[error.field]))
    return str(error)


def _uncertain(error: Exception) -> str:
    """Return the message about an uncertain submission, with the command that settles it."""
    head, _, _ = str(error).partition(" Then record it in the journal:")
    # An argument of Python, such as `name='etl'`.
    settle_by = str(getattr(error, "settle_by", ""))
    name = shlex.quote(str(ast.literal_eval(settle_by.partition("=")[2])))
    return (
        f"{head} Then record it with `asyncbatch resume JOURNAL --settle {name}=JOB_ID`, or"
        f" `--settle {name}=` if there is no such job."
    )
