"""Every exception that this package raises on purpose.

    AsyncBatchError
    ├── InvalidRequest (ValueError)      the request cannot be right; nothing was sent
    ├── ClientClosed (RuntimeError)      the client was used before opening or after closing
    ├── GroupClosed (RuntimeError)       the job group was used after its end
    ├── ConfigurationError               this machine is not set up to talk to AWS
    │   ├── NoRegion
    │   └── NoCredentials                none found, or the login they come from has expired
    ├── APIError                         AWS refused a call, or could not be asked
    │   ├── Throttled                    too many requests
    │   ├── AccessDenied                 the identity may not do this
    │   ├── CredentialsExpired           the credentials were refused as out of date
    │   ├── ServiceFault                 AWS failed on its own side (HTTP 5xx)
    │   ├── ResourceNotFound             a log group or log stream does not exist
    │   ├── JobQueueNotFound             no such job queue, or it takes no jobs
    │   ├── JobDefinitionNotFound        no such job definition, or it is not ACTIVE
    │   └── ConnectionFailed             no answer: refused, dropped, timed out, no such host
    ├── SubmitUncertain                  an answer got lost, and looking the job up did not tell
    ├── JournalError                     the journal's file cannot be used
    ├── LogsUnavailable                  the job's logs are not in CloudWatch, or cannot be found
    └── JobError                         the job, not the client, is the matter
        ├── JobFailed                    it ended FAILED
        └── JobVanished                  AWS no longer answers for it

The type says who is to blame, the attributes carry the facts, the message ends with the next step.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from asyncbatch._values.text import fit_for_terminal, shortened

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from asyncbatch._values.results import Failure, JobResult, LogEvent


_LONGEST_LINE = 2_000
"""Characters of a log line that the words of an error show; `log_tail` has all of it."""


class AsyncBatchError(Exception):
    """Base of all errors that this package raises on purpose.

    Attributes:
        submitted: `Job` handles that the same call had submitted before the error: they run on.
    """

    # Any: the handles are defined layers above; a checked type would be an import cycle.
    submitted: tuple[Any, ...] = ()

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by words and facts; `submitted` stays behind: a handle belongs to its client."""
        facts = {name: fact for name, fact in self.__dict__.items() if name != "submitted"}
        return _rebuild, (type(self), self.args, facts)


class InvalidRequest(AsyncBatchError, ValueError):
    """A value breaks a rule of AWS Batch; nothing was sent.

    Attributes:
        field: Name of the offending field, as in `JobRequest`.
        value: The value that was given.
        rule: What is allowed, in words.
    """

    def __init__(self, field: str, value: object, rule: str) -> None:
        """Remember the three facts and word the message from them."""
        self.field = field
        self.value = value
        self.rule = rule
        super().__init__(f"{field}={_short(value)}: {rule}")


class ClientClosed(AsyncBatchError, RuntimeError):
    """The client was used before it was opened, or after it was closed."""


class GroupClosed(AsyncBatchError, RuntimeError):
    """A job group was used after its end, before its beginning, or while it ends after an error."""

    def __init__(self) -> None:
        """Say what to do."""
        super().__init__(
            "this job group is not open: submit inside of its `async with` block, before an error "
            "has ended it, and make a new group for each block"
        )


class ConfigurationError(AsyncBatchError):
    """This machine is not set up to talk to AWS."""


class NoRegion(ConfigurationError):
    """No AWS Region is configured."""

    def __init__(self) -> None:
        """Say where a Region can be given."""
        super().__init__(
            "no AWS Region is configured. Pass region_name=, set AWS_REGION or AWS_DEFAULT_REGION, "
            "or add 'region' to your profile (aws configure)."
        )


class NoCredentials(ConfigurationError):
    """No usable AWS credentials: none were found, or the login they come from has expired."""

    def __init__(self, detail: str) -> None:
        """Say what the SDK found, and what to do."""
        self.detail = detail
        super().__init__(
            f"no usable AWS credentials: {detail.rstrip('. ')}. "
            "Log in (aws sso login, aws configure), set AWS_PROFILE, or pass profile_name=."
        )


class APIError(AsyncBatchError):
    """AWS refused a call, or could not be asked.

    Attributes:
        operation: The API operation, such as ``"SubmitJob"``.
        code: AWS's error code, or the name of the network fault.
        message: AWS's own words.
        status: HTTP status code; None where there was no answer.
        request_id: AWS's request id, for a support case; None where there was no answer.
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
        """Remember the facts and word the message from them."""
        self.operation = operation
        self.code = code
        self.message = message
        self.status = status
        self.request_id = request_id
        words = f"{operation}: {code}: {message}".rstrip(". ") + "."
        super().__init__(f"{words} {self.next_step}".strip())


class Throttled(APIError):
    """Too many requests. The client slows down and sends it again, so no caller meets this."""

    next_step = (
        "Others use the same account's quota; lower RateLimits, or ask AWS for a higher quota."
    )


class AccessDenied(APIError):
    """The identity that signs the calls may not do this."""

    next_step = (
        "Ask for the permission in IAM, or use another profile; "
        "`aws sts get-caller-identity` says who you are."
    )


class CredentialsExpired(APIError):
    """The credentials were refused as out of date or unknown."""

    next_step = "Log in again (aws sso login) or renew the credentials."


class ServiceFault(APIError):
    """AWS failed on its own side (HTTP 5xx); whether the call took effect is not known."""

    next_step = "See https://health.aws.amazon.com, and try again later."


class ResourceNotFound(APIError):
    """A log group or log stream does not exist (yet)."""

    next_step = "A log stream appears with its first line; check the log group that the job names."


class JobQueueNotFound(APIError):
    """AWS does not know the job queue in this account and Region, or it takes no jobs."""

    next_step = "List the queues with `aws batch describe-job-queues`; check Region and account."


class JobDefinitionNotFound(APIError):
    """AWS does not know the job definition, or the revision is not ACTIVE."""

    next_step = (
        "List them with `aws batch describe-job-definitions --status ACTIVE`, "
        "or register one with register_job_definition()."
    )


class ConnectionFailed(APIError):
    """No answer came: refused, dropped, timed out, or there is no such host.

    Attributes:
        may_have_arrived: Whether AWS may have taken the request although its answer never came.
    """

    next_step = "Check the network, the proxy, the Region and endpoint_url."

    def __init__(self, operation: str, code: str, message: str, *, may_have_arrived: bool) -> None:
        """Remember the facts; there is no HTTP status without an answer."""
        self.may_have_arrived = may_have_arrived
        super().__init__(operation, code, message)


class SubmitUncertain(AsyncBatchError):
    """The answer to a SubmitJob got lost, and looking the job up did not tell.

    The job may or may not exist, so it was not sent again. The message says how to look by hand.

    Attributes:
        name: The job name that was sent.
        queue: The job queue that it was sent to.
        job_definition: The job definition, as the request named it.
        mark: What tells this submission from others: its name if that is unique, or its tag as
            ``key=value``; None where nothing does.
        since: When it was begun; the job was created after that, give or take both clocks' error.
        until: When looking it up was given up.
        doubt: What kept the look-up from telling.
        cause: The fault that hid the answer.
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
    ) -> None:
        """Remember the facts and word the message from them."""
        self.name = name
        self.queue = queue
        self.job_definition = job_definition
        self.mark = mark
        self.since = since
        self.until = until
        self.doubt = doubt
        self.cause = cause
        super().__init__(self._words())

    def _words(self) -> str:
        fault = f": {self.cause}" if self.cause else "."
        between = f"{self.since:%Y-%m-%d %H:%M:%S} and {self.until:%H:%M:%S} UTC"
        look = (
            f"aws batch list-jobs --job-queue {self.queue} --filters"
            f" name=JOB_NAME,values={self.name}"
        )
        if self.mark is None:
            which = f"a job that was created between {between} may be it"
        elif self.mark == self.name:
            which = "a job of this name is it"
        else:
            which = (
                f"of those created between {between}, the one that"
                f" `aws batch describe-jobs --jobs ID` shows with the tag {self.mark} is it"
            )
        return (
            f"job {self.name!r} may or may not have been accepted by queue {self.queue!r}{fault}"
            f" Looking it up did not tell: {self.doubt.rstrip('. ')}. It was not sent again."
            f" Look with: {look} - {which}."
        )


class JournalError(AsyncBatchError):
    """The journal's file cannot be used. What cannot be written there is not submitted.

    Attributes:
        path: The file.
        problem: What is wrong with it.
        next_step: What to do.
    """

    def __init__(self, path: str, problem: str, next_step: str) -> None:
        """Remember the facts and word the message from them."""
        self.path = path
        self.problem = problem
        self.next_step = next_step
        super().__init__(f"journal {path}: {problem.rstrip('. ')}. {next_step}")


class LogsUnavailable(AsyncBatchError):
    """The job's logs are not in CloudWatch Logs, or cannot be found there.

    Attributes:
        job_id: The job.
        reason: Why there are none to read.
        next_step: Where to look, or what to check.
    """

    def __init__(self, job_id: str, reason: str, next_step: str = "") -> None:
        """Say why, and where to look."""
        self.job_id = job_id
        self.reason = reason
        self.next_step = next_step
        super().__init__(f"no logs to read for job {job_id}: {reason}. {next_step}".strip())


class JobError(AsyncBatchError):
    """The job, not the client, is the matter.

    Attributes:
        job_id: The job.
    """

    job_id: str


class JobFailed(JobError):
    """A job ended FAILED.

    Attributes:
        result: How it ended: description, times, failure.
        failure: What went wrong, classified.
        log_tail: The last log events of the attempt that failed; empty where there are none.
    """

    def __init__(self, result: JobResult, log_tail: Sequence[LogEvent] = ()) -> None:
        """Word a message that reads well in a traceback and in a log."""
        self.result = result
        self.job_id = result.job_id
        self.log_tail = tuple(log_tail)
        super().__init__(self._words())

    @property
    def failure(self) -> Failure | None:
        """What went wrong, classified."""
        return self.result.failure

    @property
    def exit_code(self) -> int | None:
        """Exit code of the container; None where no container ended."""
        return self.result.exit_code

    def _words(self) -> str:
        why = self.failure.message if self.failure else "no reason was given"
        head = f"job {self.result.name!r} ({self.job_id}) failed: {why}"
        if not self.log_tail:
            return head
        lines = "\n".join(f"  | {line}" for event in self.log_tail for line in _told(event.message))
        return f"{head}\n  last {len(self.log_tail)} log lines:\n{lines}"


class JobVanished(JobError):
    """AWS does not answer for a job id, and the grace time is over.

    Attributes:
        ever_seen: Whether AWS answered for it before.
    """

    def __init__(self, job_id: str, *, ever_seen: bool, grace: float) -> None:
        """Say how long was waited (`grace`, seconds) and what that means."""
        self.job_id = job_id
        self.ever_seen = ever_seen
        self.grace = grace
        hint = (
            "AWS forgets jobs some days after their end."
            if ever_seen
            else "Check the id, the Region and the account."
        )
        super().__init__(f"DescribeJobs has not known job {job_id} for {grace:.0f} s. {hint}")


def _rebuild(
    kind: type[AsyncBatchError], args: tuple[object, ...], facts: dict[str, object]
) -> AsyncBatchError:
    """Unpickle an error without its constructor, which would word the message again."""
    error = kind.__new__(kind, *args)
    error.__dict__.update(facts)
    return error


def _told(message: str) -> list[str]:
    """Return what a job wrote as lines that any log or terminal bears."""
    return shortened(fit_for_terminal(message), _LONGEST_LINE).split("\n")


def _short(value: object, limit: int = 120) -> str:
    """Return the repr of a value, cut so that one field cannot fill the screen."""
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"
