"""Names of attributes, and values with few different ones.

Where the semantic conventions of OpenTelemetry have an attribute, it is used:
https://opentelemetry.io/docs/specs/semconv/registry/attributes/. They have none for AWS Batch; its
attributes begin with ``aws.batch``.
"""

from datetime import datetime

from asyncbatch._values.additions import name_stem
from asyncbatch._values.results import Failure

ERROR_TYPE = "error.type"
METHOD = "rpc.method"
SYSTEM = "rpc.system.name"
PROVIDER = "cloud.provider"
REGION = "cloud.region"
LOG_STREAMS = "aws.log.stream.names"
EXIT_CODE = "process.exit.code"

JOB_ID = "aws.batch.job.id"
PREVIOUS_ID = "aws.batch.job.previous_id"
NAME = "aws.batch.job.name"
QUEUE = "aws.batch.job.queue"
DEFINITION = "aws.batch.job.definition"
ARRAY_SIZE = "aws.batch.job.array.size"
STATUS = "aws.batch.job.status"
REASON = "aws.batch.job.reason"
SUBMISSION = "aws.batch.job.submission"
SUBMISSIONS = "aws.batch.job.submissions"
ATTEMPT = "aws.batch.job.attempt"
ATTEMPTS = "aws.batch.job.attempts"
CREATED_AT = "aws.batch.job.created_at"
STARTED_AT = "aws.batch.job.started_at"
STOPPED_AT = "aws.batch.job.stopped_at"

OTHER = "_OTHER"
"""The value of the semantic conventions for what is not among a bounded set of values."""

_MOST_CODES = 50
_LONGEST_TEXT = 1024


class Codes:
    """Error codes as values of an attribute: the first 50 different ones, then ``_OTHER``."""

    def __init__(self) -> None:
        """Start with none."""
        self._known: set[str] = set()

    def bounded(self, code: str) -> str:
        """Return a code, or ``_OTHER``: proxies may respond with any text."""
        code = text(code)
        if code not in self._known:
            if len(self._known) >= _MOST_CODES:
                return OTHER
            self._known.add(code)
        return code


def text(value: str) -> str:
    """Return the first 1,024 characters of a text, as UTF-8 can encode them.

    JSON may have half of a surrogate pair, with which exporters leave out an attribute or a span.
    """
    return value[:_LONGEST_TEXT].encode(errors="replace").decode()


def queue_name(queue: str | None) -> str:
    """Return the name of a queue that is named by its name or ARN; empty for an unknown one."""
    return text((queue or "").rpartition("/")[2])


def span_name(job_definition: str | None) -> str:
    """Return the name of a job's span, which many jobs share."""
    return f"job {name_stem(job_definition)}" if job_definition else "job"


def error_type(failure: Failure) -> str:
    """Return the kind of a failure, in the style of ``error.type``."""
    return failure.kind.name.lower()


def nanoseconds(moment: datetime | float) -> int:
    """Return a time, or seconds since the epoch, as OpenTelemetry has it."""
    seconds = moment.timestamp() if isinstance(moment, datetime) else moment
    return int(seconds * 1e9)
