"""asyncbatch: an async-first AWS Batch client for Python. This file lists the public names."""

from asyncbatch._array_job import ArrayJob as ArrayJob
from asyncbatch._client import AsyncBatchClient as AsyncBatchClient
from asyncbatch._coalesce import Coalesced as Coalesced
from asyncbatch._coalesce import coalesce as coalesce
from asyncbatch._errors import AccessDenied as AccessDenied
from asyncbatch._errors import APIError as APIError
from asyncbatch._errors import AsyncBatchError as AsyncBatchError
from asyncbatch._errors import ClientClosed as ClientClosed
from asyncbatch._errors import ConfigurationError as ConfigurationError
from asyncbatch._errors import ConnectionFailed as ConnectionFailed
from asyncbatch._errors import CredentialsExpired as CredentialsExpired
from asyncbatch._errors import GroupClosed as GroupClosed
from asyncbatch._errors import InvalidRequest as InvalidRequest
from asyncbatch._errors import JobDefinitionNotFound as JobDefinitionNotFound
from asyncbatch._errors import JobError as JobError
from asyncbatch._errors import JobFailed as JobFailed
from asyncbatch._errors import JobQueueNotFound as JobQueueNotFound
from asyncbatch._errors import JobVanished as JobVanished
from asyncbatch._errors import JournalError as JournalError
from asyncbatch._errors import LogsUnavailable as LogsUnavailable
from asyncbatch._errors import NoCredentials as NoCredentials
from asyncbatch._errors import NoRegion as NoRegion
from asyncbatch._errors import ResourceNotFound as ResourceNotFound
from asyncbatch._errors import ServiceFault as ServiceFault
from asyncbatch._errors import SubmitUncertain as SubmitUncertain
from asyncbatch._errors import Throttled as Throttled
from asyncbatch._events import Event as Event
from asyncbatch._events import JobFinished as JobFinished
from asyncbatch._events import JobLost as JobLost
from asyncbatch._events import JobSubmitted as JobSubmitted
from asyncbatch._events import Observer as Observer
from asyncbatch._events import RequestRetried as RequestRetried
from asyncbatch._events import RequestThrottled as RequestThrottled
from asyncbatch._events import StatusChanged as StatusChanged
from asyncbatch._group import JobGroup as JobGroup
from asyncbatch._job import Job as Job
from asyncbatch._lifecycle import preload as preload
from asyncbatch._log_output import print_logs as print_logs
from asyncbatch._log_output import save_logs as save_logs
from asyncbatch._models import ArrayProperties as ArrayProperties
from asyncbatch._models import Attempt as Attempt
from asyncbatch._models import Container as Container
from asyncbatch._models import JobDefinition as JobDefinition
from asyncbatch._models import JobDescription as JobDescription
from asyncbatch._models import JobQueue as JobQueue
from asyncbatch._models import NodeProperties as NodeProperties
from asyncbatch._models import NodeRange as NodeRange
from asyncbatch._models import PodProperties as PodProperties
from asyncbatch._policy import Journal as Journal
from asyncbatch._policy import PollPolicy as PollPolicy
from asyncbatch._policy import RateLimits as RateLimits
from asyncbatch._request import Dependency as Dependency
from asyncbatch._request import DependencyType as DependencyType
from asyncbatch._request import EvaluateOnExit as EvaluateOnExit
from asyncbatch._request import JobRequest as JobRequest
from asyncbatch._request import RetryAction as RetryAction
from asyncbatch._request import RetryStrategy as RetryStrategy
from asyncbatch._results import Failure as Failure
from asyncbatch._results import FailureKind as FailureKind
from asyncbatch._results import JobResult as JobResult
from asyncbatch._results import LogEvent as LogEvent
from asyncbatch._signals import stop_on_sigterm as stop_on_sigterm
from asyncbatch._status import JobStatus as JobStatus

# pyright: reportUnsupportedDunderAll=false
__all__ = sorted(name for name in globals() if not name.startswith("_"))  # noqa: PLE0605

for _name in __all__:
    _public = globals()[_name]
    if isinstance(_public, type):
        # Tracebacks and reprs name what people import, not the room where it is written.
        _public.__module__ = __name__
