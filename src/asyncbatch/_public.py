"""The public names of the package, by subject.

`asyncbatch/__init__.py` imports this module when the first of them is used.
"""

from asyncbatch._client import AsyncBatchClient as AsyncBatchClient
from asyncbatch._client import preload as preload
from asyncbatch._group import JobGroup as JobGroup
from asyncbatch._jobs.array_job import ArrayJob as ArrayJob
from asyncbatch._jobs.job import Job as Job
from asyncbatch._jobs.submission import Submission as Submission
from asyncbatch._log_output import print_logs as print_logs
from asyncbatch._log_output import save_logs as save_logs
from asyncbatch._results.job_results import JobResults as JobResults
from asyncbatch._results.report.prices import Price as Price
from asyncbatch._results.report.prices import PriceTable as PriceTable
from asyncbatch._run_sync import run_sync as run_sync
from asyncbatch._signals import stop_on_sigterm as stop_on_sigterm
from asyncbatch._submitting.coalesce import Coalesced as Coalesced
from asyncbatch._submitting.coalesce import coalesce as coalesce
from asyncbatch._values.defaults import JobDefaults as JobDefaults
from asyncbatch._values.descriptions import ArrayProperties as ArrayProperties
from asyncbatch._values.descriptions import Attempt as Attempt
from asyncbatch._values.descriptions import Container as Container
from asyncbatch._values.descriptions import JobDefinition as JobDefinition
from asyncbatch._values.descriptions import JobDescription as JobDescription
from asyncbatch._values.descriptions import JobQueue as JobQueue
from asyncbatch._values.descriptions import NodeProperties as NodeProperties
from asyncbatch._values.descriptions import NodeRange as NodeRange
from asyncbatch._values.descriptions import PodProperties as PodProperties
from asyncbatch._values.errors import AccessDenied as AccessDenied
from asyncbatch._values.errors import APIError as APIError
from asyncbatch._values.errors import AsyncBatchError as AsyncBatchError
from asyncbatch._values.errors import ClientClosed as ClientClosed
from asyncbatch._values.errors import ConfigurationError as ConfigurationError
from asyncbatch._values.errors import ConnectionFailed as ConnectionFailed
from asyncbatch._values.errors import CredentialsExpired as CredentialsExpired
from asyncbatch._values.errors import GroupClosed as GroupClosed
from asyncbatch._values.errors import InternalError as InternalError
from asyncbatch._values.errors import InvalidRequest as InvalidRequest
from asyncbatch._values.errors import JobDefinitionNotFound as JobDefinitionNotFound
from asyncbatch._values.errors import JobError as JobError
from asyncbatch._values.errors import JobFailed as JobFailed
from asyncbatch._values.errors import JobNotStarted as JobNotStarted
from asyncbatch._values.errors import JobQueueNotFound as JobQueueNotFound
from asyncbatch._values.errors import JobVanished as JobVanished
from asyncbatch._values.errors import JournalError as JournalError
from asyncbatch._values.errors import LogsUnavailable as LogsUnavailable
from asyncbatch._values.errors import NoCredentials as NoCredentials
from asyncbatch._values.errors import NoRegion as NoRegion
from asyncbatch._values.errors import ResourceNotFound as ResourceNotFound
from asyncbatch._values.errors import RunStopped as RunStopped
from asyncbatch._values.errors import ServiceFault as ServiceFault
from asyncbatch._values.errors import SubmitUncertain as SubmitUncertain
from asyncbatch._values.errors import Throttled as Throttled
from asyncbatch._values.errors import UnknownField as UnknownField
from asyncbatch._values.events import Event as Event
from asyncbatch._values.events import JobBlocked as JobBlocked
from asyncbatch._values.events import JobFinished as JobFinished
from asyncbatch._values.events import JobLost as JobLost
from asyncbatch._values.events import JobResubmitted as JobResubmitted
from asyncbatch._values.events import JobSubmitted as JobSubmitted
from asyncbatch._values.events import Observer as Observer
from asyncbatch._values.events import RequestCompleted as RequestCompleted
from asyncbatch._values.events import RequestRetried as RequestRetried
from asyncbatch._values.events import RequestThrottled as RequestThrottled
from asyncbatch._values.events import StatusChanged as StatusChanged
from asyncbatch._values.explanations import Explanation as Explanation
from asyncbatch._values.explanations import Finding as Finding
from asyncbatch._values.explanations import FindingKind as FindingKind
from asyncbatch._values.policies import FailureLimit as FailureLimit
from asyncbatch._values.policies import Journal as Journal
from asyncbatch._values.policies import LogPolicy as LogPolicy
from asyncbatch._values.policies import PollPolicy as PollPolicy
from asyncbatch._values.policies import RateLimits as RateLimits
from asyncbatch._values.recovery import RecoveryPolicy as RecoveryPolicy
from asyncbatch._values.recovery import RecoveryRule as RecoveryRule
from asyncbatch._values.requests import Dependency as Dependency
from asyncbatch._values.requests import DependencyType as DependencyType
from asyncbatch._values.requests import JobRequest as JobRequest
from asyncbatch._values.results import Failure as Failure
from asyncbatch._values.results import FailureKind as FailureKind
from asyncbatch._values.results import JobResult as JobResult
from asyncbatch._values.results import JobSubmission as JobSubmission
from asyncbatch._values.results import LogEvent as LogEvent
from asyncbatch._values.retries import EvaluateOnExit as EvaluateOnExit
from asyncbatch._values.retries import RetryAction as RetryAction
from asyncbatch._values.retries import RetryStrategy as RetryStrategy
from asyncbatch._values.status import JobStatus as JobStatus
from asyncbatch._values.text import fit_for_terminal as fit_for_terminal

_NAMES = sorted(name for name in globals() if not name.startswith("_"))

for _name in _NAMES:
    _public = globals()[_name]
    if isinstance(_public, type):
        # Tracebacks and reprs show the name that users import, not the module of the definition.
        _public.__module__ = "asyncbatch"
