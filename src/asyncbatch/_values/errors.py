"""All exceptions of this package.

    AsyncBatchError
    ├── InvalidRequest (ValueError)      a value breaks a rule; nothing was sent
    │   └── UnknownField (TypeError)     there is no such field
    ├── ClientClosed (RuntimeError)      the client is not open
    ├── GroupClosed (RuntimeError)       the job group is not open
    ├── ConfigurationError               this machine is not set up for AWS
    │   ├── NoRegion                     no Region is configured
    │   └── NoCredentials                none found, or their login has expired
    ├── APIError                         AWS refused a call or did not respond
    │   ├── Throttled                    too many requests
    │   ├── AccessDenied                 the identity lacks a permission
    │   ├── CredentialsExpired           the credentials are expired or unknown
    │   ├── ServiceFault                 a fault of AWS (HTTP 5xx)
    │   ├── ResourceNotFound             a log group or log stream does not exist
    │   ├── JobQueueNotFound             the job queue does not exist or accepts no jobs
    │   ├── JobDefinitionNotFound        the job definition does not exist or is not ACTIVE
    │   └── ConnectionFailed             no response: refused, dropped, timed out, no such host
    ├── SubmitUncertain                  a response was lost, and the look-up did not decide
    ├── JournalError                     the journal's file cannot be used
    ├── LogsUnavailable                  the job's logs are not in CloudWatch Logs, or not found
    ├── InternalError                    a bug in asyncbatch; the job itself is not affected
    ├── RunStopped                       too many jobs failed for one reason
    └── JobError                         the job itself failed or disappeared
        ├── JobFailed                    it ended FAILED
        │   └── JobNotStarted            it was cancelled, since it did not start in time
        └── JobVanished                  DescribeJobs no longer returns it

The type says who can fix it, the attributes carry the facts, the message ends with the next step.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, TypeVar

from asyncbatch._values.masking import masked
from asyncbatch._values.text import fit_for_terminal, one_line, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from asyncbatch._values.results import Failure, JobResult, LogEvent


_LONGEST_LINE = 2_000
"""Characters of a log line that an error's message shows; `log_tail` has the whole line."""


class AsyncBatchError(Exception):
    """Base class of all exceptions of this package.

    Attributes:
        submitted: `Job` handles that the same call had submitted before the error. Their jobs
            continue.
        results: Of errors that `AsyncBatchClient.run` raises, the `JobResults` of the jobs that had
            ended, in the order of the requests; else empty.
    """

    # Any, as `Job` and `JobResults` are defined in layers above: importing them would be a cycle.
    submitted: tuple[Any, ...] = ()
    results: Any = ()

    def __init__(self, *args: object) -> None:
        """Keep the message, safe for terminals and logs: it may contain text of jobs and of AWS."""
        super().__init__(*(fit_for_terminal(a) if isinstance(a, str) else a for a in args))

    def add_note(self, note: str, /) -> None:
        """Add a note, made safe for terminals and logs."""
        super().add_note(fit_for_terminal(note))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle message and attributes except `submitted`: handles belong to a client."""
        facts = {name: fact for name, fact in self.__dict__.items() if name != "submitted"}
        return _rebuild, (type(self), self.args, facts)


E = TypeVar("E", bound=AsyncBatchError)


class InvalidRequest(AsyncBatchError, ValueError):
    """A value breaks a rule of AWS Batch; nothing was sent.

    Attributes:
        field: Name of the offending field, as in `JobRequest`.
        value: The invalid value.
        rule: What is allowed, in words, and the next step where there is one.
    """

    def __init__(self, field: str, value: object, rule: str, *, shown: object = None) -> None:
        """Make the message ``field=value: rule``.

        Args:
            field: Name of the field.
            value: The invalid value.
            rule: What is allowed.
            shown: What the message shows instead of a value that may be a secret.
        """
        self.field = field
        self.value = value
        self.rule = rule
        self._shown = shown
        text = _short(masked(value) if shown is None else shown)
        super().__init__(f"{one_line(field)}={text}: {rule}")

    def renamed(self, field: str) -> InvalidRequest:
        """Return the same error about a field that has another name for the user."""
        return InvalidRequest(field, self.value, self.rule, shown=self._shown)


class UnknownField(InvalidRequest, TypeError):
    """A request or a client's defaults have no field of this name; the rule says which was meant.

    Its `value` is the name, since the value of a field that is not known may be a secret.
    """

    def __init__(self, field: str, rule: str) -> None:
        """Make the message ``field: rule``.

        Args:
            field: The name that was given.
            rule: What is wrong with it, and which fields there are.
        """
        super().__init__(field, field, rule)
        self.args = (f"{one_line(field)}: {rule}",)


class ClientClosed(AsyncBatchError, RuntimeError):
    """The client is not open: it was not opened yet, or it is closed."""


class GroupClosed(AsyncBatchError, RuntimeError):
    """A job group is not open: not entered yet, ended, or ending after an error."""

    def __init__(self) -> None:
        """Make the message with the next step."""
        super().__init__(
            "this job group is not open. Submit inside of its `async with` block, before an error "
            "ends it, and make a new group for each block."
        )


class ConfigurationError(AsyncBatchError):
    """This machine is not set up for AWS: Region or credentials are missing."""


class NoRegion(ConfigurationError):
    """No AWS Region is configured."""

    def __init__(self) -> None:
        """Make the message with the places where a Region can be set."""
        super().__init__(
            "no AWS Region is configured. Pass region_name=, set AWS_REGION or AWS_DEFAULT_REGION, "
            "or add 'region' to your profile (aws configure)."
        )


class NoCredentials(ConfigurationError):
    """No usable AWS credentials: none were found, or the login that provides them has expired.

    Attributes:
        detail: Message of the SDK.
    """

    def __init__(self, detail: str) -> None:
        """Make the message from the SDK's and the next step."""
        self.detail = detail
        super().__init__(
            f"no usable AWS credentials: {one_line(detail).rstrip('. ')}. "
            "Log in (aws sso login, aws configure), set AWS_PROFILE, or pass profile_name=."
        )


class APIError(AsyncBatchError):
    """AWS refused a call, or did not respond.

    Attributes:
        operation: The API operation, such as ``"SubmitJob"``.
        code: AWS's error code, or the name of the network fault.
        message: AWS's error message.
        status: HTTP status code; None without a response.
        request_id: AWS's request id, for a support case; None without a response.
    """

    next_step = ""

    def __init__(
        self,
        operation: str,
        code: str,
        message: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        """Make the message ``operation: code: message`` with the next step of the class."""
        self.operation = operation
        self.code = code
        self.message = message
        self.status = status
        self.request_id = request_id
        text = one_line(f"{operation}: {code}: {message}").rstrip(". ") + "."
        super().__init__(f"{text} {self.next_step}".strip())


class Throttled(APIError):
    """Too many requests. The client sends the call again more slowly; callers do not get this."""

    next_step = (
        "Other programs use the quota of the same account. Lower RateLimits, or request a higher "
        "quota."
    )


class AccessDenied(APIError):
    """The identity that signs the calls lacks a permission."""

    next_step = (
        "Add the permission in IAM, or use another profile; "
        "`aws sts get-caller-identity` shows the identity."
    )


class CredentialsExpired(APIError):
    """AWS does not accept the credentials: expired, unknown, or signed with a wrong key or clock.

    Attributes:
        next_step: What to do; it depends on the error code.
    """

    next_step = "Log in again (aws sso login) or renew the credentials."

    def __init__(
        self,
        operation: str,
        code: str,
        message: str,
        *,
        next_step: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        """Make the message with the next step for the error code."""
        if next_step is not None:
            self.next_step = next_step
        super().__init__(operation, code, message, status=status, request_id=request_id)


class ServiceFault(APIError):
    """A fault of AWS (HTTP 5xx); the call may have taken effect."""

    next_step = "See https://health.aws.amazon.com and try again later."


class ResourceNotFound(APIError):
    """A log group or log stream does not exist (yet)."""

    next_step = (
        "A log stream is created with its first line. Check the log group of the job definition."
    )


class JobQueueNotFound(APIError):
    """The job queue does not exist in this account and Region, or accepts no jobs."""

    next_step = "List queues with `aws batch describe-job-queues`. Check Region and account."


class JobDefinitionNotFound(APIError):
    """The job definition does not exist in this account and Region, or is not ACTIVE."""

    next_step = (
        "List job definitions with `aws batch describe-job-definitions --status ACTIVE`, "
        "or register one with register_job_definition()."
    )


class ConnectionFailed(APIError):
    """No response: the connection was refused, dropped or timed out, or the host is unknown.

    Attributes:
        may_have_arrived: Whether AWS may have accepted the request and only the response was lost.
    """

    next_step = "Check the network, the proxy, the Region and endpoint_url."

    def __init__(self, operation: str, code: str, message: str, *, may_have_arrived: bool) -> None:
        """Make the message; there is no HTTP status without a response."""
        self.may_have_arrived = may_have_arrived
        super().__init__(operation, code, message)


class SubmitUncertain(AsyncBatchError):
    """The response to a SubmitJob was lost, and it is unknown whether there is a job.

    The job was looked up without a clear result. It was not submitted again, as it could run twice.
    The message contains the command to look it up by hand.

    Attributes:
        name: The job name that was sent.
        queue: The job queue that it was sent to.
        job_definition: The job definition, as named in the request.
        mark: What identifies this submission: its name if that is unique, or its tag as
            ``key=value``; None where nothing does.
        since: When the submission began. The job was created after that, except for the
            difference between the clocks.
        until: When the look-up ended.
        doubt: Why the look-up had no clear result.
        settle_by: With a journal, the argument of `AsyncBatchClient.resolve_submission` that names
            this submission, such as ``name='etl'``; None without a journal.
        cause: The fault that lost the response; None if it happened in an earlier run.
    """

    def __init__(
        self,
        name: str,
        queue: str,
        mark: str | None,
        cause: APIError | None,
        *,
        job_definition: str,
        since: datetime,
        until: datetime,
        doubt: str,
        settle_by: str | None = None,
    ) -> None:
        """Make the message from the facts."""
        self.name = name
        self.queue = queue
        self.job_definition = job_definition
        self.mark = mark
        self.since = since
        self.until = until
        self.doubt = doubt
        self.settle_by = settle_by
        self.cause = cause
        super().__init__(self._text())

    def _text(self) -> str:
        fault = f": {self.cause}" if self.cause else "."
        between = f"{self.since:%Y-%m-%d %H:%M:%S} and {self.until:%H:%M:%S} UTC"
        look = (
            f"aws batch list-jobs --job-queue {self.queue} --filters"
            f" name=JOB_NAME,values={self.name}"
        )
        if self.mark is None:
            which = f"a job created between {between} may be it"
        elif self.mark == self.name:
            which = "a job with this name is it"
        else:
            which = (
                f"among jobs created between {between}, it is the one that"
                f" `aws batch describe-jobs --jobs ID` shows with the tag {self.mark}"
            )
        then = ""
        if self.settle_by is not None:
            then = (
                f" Then record it in the journal: resolve_submission({self.settle_by}, job_id=...),"
                " with job_id=None if there is no such job."
            )
        return (
            f"job {self.name!r} may or may not have been accepted by queue {self.queue!r}{fault}"
            f" The look-up had no clear result: {self.doubt.rstrip('. ')}. The job was not"
            f" submitted again. Look it up with: {look} - {which}.{then}"
        )


class JournalError(AsyncBatchError):
    """The journal's file cannot be used. A request that cannot be recorded is not submitted.

    Attributes:
        path: Path of the file.
        problem: What is wrong with it.
        next_step: What to do.
    """

    def __init__(self, path: str, problem: str, next_step: str) -> None:
        """Make the message from the facts."""
        self.path = path
        self.problem = problem
        self.next_step = next_step
        super().__init__(f"journal {path}: {problem.rstrip('. ')}. {next_step}")


class LogsUnavailable(AsyncBatchError):
    """The job's logs are not in CloudWatch Logs, or are not found there.

    Attributes:
        job_id: Job id.
        reason: Why there are no logs to read.
        next_step: What to check.
    """

    def __init__(self, job_id: str, reason: str, next_step: str = "") -> None:
        """Make the message from the facts."""
        self.job_id = job_id
        self.reason = reason
        self.next_step = next_step
        why = one_line(f"{job_id}: {reason}")
        super().__init__(f"no logs to read for job {why}. {next_step}".strip())


class InternalError(AsyncBatchError):
    """A bug in asyncbatch, met while it handled one job; the job itself is not affected.

    It says nothing about how the job ends, so nothing is submitted again because of it.

    Attributes:
        job_id: The job.
        error: The exception that was raised.
    """

    def __init__(self, job_id: str, error: Exception) -> None:
        """Keep the facts and word the message from them."""
        self.job_id = job_id
        self.error = error
        super().__init__(
            f"a bug in asyncbatch: {error!r:.200} was raised while it handled job {job_id}. The job"
            " itself goes on; attach() follows it again. Please report this with the traceback in"
            " the log."
        )


class JobError(AsyncBatchError):
    """The job itself failed or disappeared.

    Attributes:
        job_id: Job id.
    """

    job_id: str


class JobFailed(JobError):
    """A job ended FAILED.

    Attributes:
        result: Description, times and failure.
        failure: Why it failed, classified.
        log_tail: The last log events of the failed attempt; empty where there are none. Their
            number is `LogPolicy.failure_lines`.
    """

    def __init__(self, result: JobResult, log_tail: Sequence[LogEvent] = ()) -> None:
        """Make the message with the reason and the last log lines."""
        self.result = result
        self.job_id = result.job_id
        self.log_tail = tuple(log_tail)
        super().__init__(self._text())

    @property
    def failure(self) -> Failure | None:
        """Why it failed, classified."""
        return self.result.failure

    @property
    def exit_code(self) -> int | None:
        """Exit code of the container; None where no container ended."""
        return self.result.exit_code

    def _text(self) -> str:
        why = self.failure.message if self.failure else "AWS gave no reason"
        head = one_line(f"job {self.result.name!r} ({self.job_id}) failed: {why}")
        if not self.log_tail:
            return head
        lines = "\n".join(
            f"  | {line}" for event in self.log_tail for line in _lines_of(event.message)
        )
        number = len(self.log_tail)
        title = "last log line" if number == 1 else f"last {number} log lines"
        return f"{head}\n  {title}:\n{lines}"


class JobNotStarted(JobFailed):
    """A job was cancelled since it did not start in the time that its `RecoveryPolicy` allows."""


class RunStopped(AsyncBatchError):
    """A run stopped submitting, since too many of its jobs failed for one reason (`FailureLimit`).

    Its `submitted` has the handles of all jobs that were submitted.

    Attributes:
        failure: Why the last of them failed, classified.
        failed: Number of jobs that failed for this reason.
        ended: Number of jobs that had ended.
    """

    def __init__(self, failure: Failure, failed: int, ended: int) -> None:
        """Make the message with the reason and the numbers."""
        self.failure = failure
        self.failed = failed
        self.ended = ended
        super().__init__(
            f"{failed} of {ended} jobs failed ({failure.kind}), so no further job was submitted."
            f" The last one: {failure.message}"
        )


class JobVanished(JobError):
    """DescribeJobs has not returned a job for the grace time of `PollPolicy`.

    Attributes:
        ever_seen: Whether the job was described before.
        grace: The grace time in seconds; 0 where the job was described once.
    """

    def __init__(self, job_id: str, *, ever_seen: bool, grace: float) -> None:
        """Make the message from the facts."""
        self.job_id = job_id
        self.ever_seen = ever_seen
        self.grace = grace
        hint = (
            "AWS deletes jobs some days after their end."
            if ever_seen
            else "Check the id, the Region and the account."
        )
        what = one_line(f"job {job_id}")
        problem = (
            f"DescribeJobs has not returned {what} for {grace:.0f} s."
            if grace
            else f"DescribeJobs does not return {what}."
        )
        super().__init__(f"{problem} {hint}")


def copy_of(error: E) -> E:
    """Return an error of its own for one of several waiters.

    Each `raise` adds to the traceback of an error, and callers add notes and set `submitted`.
    """
    copied = copy.copy(error)
    if notes := getattr(error, "__notes__", None):
        copied.__notes__ = list(notes)
    copied.__cause__ = error.__cause__
    copied.__context__ = error.__context__
    return copied


def _rebuild(
    kind: type[AsyncBatchError], args: tuple[object, ...], facts: dict[str, object]
) -> AsyncBatchError:
    """Unpickle an error without its constructor, which would make the message again."""
    # The message is in `args`; the constructors take other arguments.
    error = kind.__new__(kind, *args)
    error.__dict__.update(facts)
    return error


def _lines_of(message: str) -> list[str]:
    """Return a job's output as lines that are safe for any log or terminal."""
    return shortened(fit_for_terminal(message), _LONGEST_LINE).split("\n")


def _short(value: object, limit: int = 120) -> str:
    """Return the repr of a value, cut so that one field cannot fill the screen."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"
