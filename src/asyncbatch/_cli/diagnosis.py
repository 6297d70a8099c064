"""The checks of `asyncbatch doctor`: read-only calls, each with a limit of time.

Permissions are checked by calling the operations that only read, for jobs and streams that do not
exist where that is enough: AWS checks the permission first. Of operations that change something,
only a real one can be checked; not even an invalid one is sent.
"""

import asyncio
import importlib.metadata
import os
import sys
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import anyio

from asyncbatch._cli import connecting, output
from asyncbatch._cli.connecting import Connection
from asyncbatch._cli.errors import problem_and_next_step
from asyncbatch._values.descriptions import JobQueue
from asyncbatch._values.errors import (
    AccessDenied,
    APIError,
    AsyncBatchError,
    ConnectionFailed,
    CredentialsExpired,
    InvalidRequest,
    NoCredentials,
    ResourceNotFound,
)

if TYPE_CHECKING:
    from asyncbatch import AsyncBatchClient

State = Literal["ok", "info", "unknown", "warning", "problem"]

LOG_GROUP = "/aws/batch/job"
"""Log group of AWS Batch, where a job definition names none."""

_LARGEST_SKEW = 300.0
"""Seconds by which clocks may differ: SigV4 allows five minutes."""

_NOTABLE_SKEW = 30.0

_EXTRAS = {"typer": "cli", "luigi": "luigi", "textual": "tui", "IPython": "notebook"}
_UNTRIED = (
    "batch:SubmitJob",
    "batch:TagResource",
    "batch:TerminateJob",
    "batch:CancelJob",
    "batch:RegisterJobDefinition",
)
"""Actions that change something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one check found.

    Attributes:
        name: What was checked.
        state: ``problem`` is in the way of jobs, ``warning`` of a feature; ``unknown`` could not be
            checked, ``info`` needs no check.
        text: What was found.
        fix: What to do about it; empty where there is nothing to do.
    """

    name: str
    state: State
    text: str
    fix: str = ""


async def diagnose(
    connection: Connection, report: Callable[[Check], None], *, limit: float
) -> None:
    """Make all checks, and report each as it is done.

    Args:
        connection: The options of the command.
        report: Called with each result.
        limit: Maximum time of each check in seconds.
    """
    # In a thread: reading the metadata of packages reads files.
    for check in (*await asyncio.to_thread(versions), *proxy()):
        report(check)
    batch = await _opened(connection, report, limit)
    if batch is None:
        return
    try:
        await _Diagnosis(batch, connection, report, limit).run()
    finally:
        await batch.aclose()


def versions() -> list[Check]:
    """Return the versions of Python and of packages, and which extras are installed."""
    names = ("asyncbatch", "aiobotocore", "botocore", "aiohttp")
    found = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in names)
    python = ".".join(map(str, sys.version_info[:3]))
    extras = [extra for module, extra in _EXTRAS.items() if find_spec(module)]
    missing = [extra for extra in _EXTRAS.values() if extra not in extras]
    text = f"{', '.join(extras) or 'none'}; not installed: {', '.join(missing) or 'none'}"
    return [
        Check(name="versions", state="info", text=f"Python {python}, {found}"),
        Check(name="extras", state="info", text=text),
    ]


def proxy() -> list[Check]:
    """Return the proxy that the environment names, without its password."""
    variables = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "NO_PROXY", "no_proxy")
    given = {name: os.environ[name] for name in variables if os.environ.get(name)}
    if not given:
        return []
    text = ", ".join(f"{name}={_without_password(value)}" for name, value in given.items())
    return [Check(name="proxy", state="info", text=text)]


def _without_password(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    host = rest.rpartition("@")[2]
    return f"{scheme}{separator}***@{host}" if "@" in rest else url


async def _opened(
    connection: Connection, report: Callable[[Check], None], limit: float
) -> "AsyncBatchClient | None":
    """Open a client; report Region and configuration, and return None where that fails."""
    batch = connecting.new_client(connection, {})
    try:
        with anyio.fail_after(limit):
            await batch.open()
    except TimeoutError:
        report(_timed_out("configuration", limit))
        return None
    except InvalidRequest:  # an option of the command itself
        raise
    except AsyncBatchError as error:
        report(_failed("configuration", error))
        return None
    report(Check(name="region", state="ok", text=batch.region_name))
    return batch


def _timed_out(name: str, limit: float) -> Check:
    return Check(
        name=name,
        state="problem",
        text=f"no result after {limit:g} s",
        fix="Check the network, the proxy, and processes that provide credentials.",
    )


class _Diagnosis:
    """The checks that need an open client."""

    def __init__(
        self,
        batch: "AsyncBatchClient",
        connection: Connection,
        report: Callable[[Check], None],
        limit: float,
    ) -> None:
        self._batch = batch
        self._options = connection
        session = batch._require_open()  # noqa: SLF001 - calls that the client does not make
        self._api = session.api
        self._connection = session.connection
        self._report = report
        self._limit = limit
        self._is_reachable = True
        self._identity_arn = "IDENTITY"

    async def run(self) -> None:
        """Make the checks; those that need AWS end with the first call that does not arrive."""
        await self._check("endpoint", self._endpoint)
        await self._check("credentials", self._credentials)
        await self._check("bulk calls", self._bulk_calls)
        queues = await self._permission("batch:DescribeJobQueues", self._queues) or []
        if not self._is_reachable:
            return
        await self._check("identity", self._identity)
        await self._permission("batch:DescribeComputeEnvironments", self._environments)
        await self._permission(
            "batch:DescribeJobDefinitions",
            lambda: self._call("batch", "DescribeJobDefinitions", {"maxResults": 1}),
        )
        await self._permission(
            "batch:DescribeJobs",
            lambda: self._call("batch", "DescribeJobs", {"jobs": [str(uuid.uuid4())]}),
        )
        if (queue := self._queue_to_ask(queues)) is not None:
            await self._permission(
                "batch:ListJobs",
                lambda: self._call("batch", "ListJobs", {"jobQueue": queue, "maxResults": 1}),
            )
            await self._permission(
                "batch:GetJobQueueSnapshot",
                lambda: self._call("batch", "GetJobQueueSnapshot", {"jobQueue": queue}),
            )
        await self._logs()
        self._report(_untried(self._identity_arn))

    # -- one check --------------------------------------------------------------------------------

    async def _check(self, name: str, check: Callable[[], Awaitable[None]]) -> None:
        """Make a check within the limit of time; its error is what it found."""
        try:
            with anyio.fail_after(self._limit):
                await check()
        except TimeoutError:
            self._report(_timed_out(name, self._limit))
        except AsyncBatchError as error:
            self._report(_failed(name, error))

    async def _permission(self, action: str, call: Callable[[], Awaitable[Any]]) -> Any:  # noqa: ANN401 - the call's own result
        """Make a call that needs a permission, and report whether there is one."""
        try:
            with anyio.fail_after(self._limit):
                result = await call()
        except TimeoutError:
            self._report(_timed_out(action, self._limit))
            return None
        except ResourceNotFound:  # AWS looks for it after it has checked the permission
            result = None
        except AsyncBatchError as error:
            self._is_reachable = not isinstance(
                error, ConnectionFailed | NoCredentials | CredentialsExpired
            )
            self._report(_failed(action, error))
            return None
        self._report(Check(name=action, state="ok", text="allowed"))
        return result

    async def _call(
        self, service: str, operation: str, arguments: Mapping[str, Any]
    ) -> dict[str, Any]:
        return await self._connection.call(service, operation, arguments)

    # -- connection -------------------------------------------------------------------------------

    async def _endpoint(self) -> None:
        url = await self._connection.endpoint_url("batch")
        self._report(Check(name="endpoint", state="ok", text=url))

    async def _credentials(self) -> None:
        source = await self._connection.credentials_source()
        if source is None:
            text = "no credentials were found"
            fix = "Log in (aws sso login, aws configure), set AWS_PROFILE, or pass --profile."
            self._report(Check(name="credentials", state="problem", text=text, fix=fix))
            return
        until = f", until {source.expires_at:%Y-%m-%d %H:%M:%S %Z}" if source.expires_at else ""
        text = f"access key {source.access_key_id} from {source.method}{until}"
        self._report(Check(name="credentials", state="ok", text=text))

    async def _bulk_calls(self) -> None:
        if await self._api.offers("TerminateJobs"):
            text = "the SDK has TerminateJobs and CancelJobs: 50 jobs with a call"
            self._report(Check(name="bulk calls", state="ok", text=text))
            return
        text = "the SDK has no TerminateJobs: jobs are ended one by one"
        fix = "Install aiobotocore 3.9.2 or later, and botocore 1.43.97 or later."
        self._report(Check(name="bulk calls", state="warning", text=text, fix=fix))

    async def _identity(self) -> None:
        """Ask STS, unless calls of AWS Batch go elsewhere and those of STS would go to AWS."""
        batch, sts = [await self._connection.endpoint_url(name) for name in ("batch", "sts")]
        if _is_of_aws(sts) and not _is_of_aws(batch):
            text = f"not checked: {batch} is not AWS's"
            self._report(Check(name="identity", state="unknown", text=text))
            return
        try:
            found = await self._call("sts", "GetCallerIdentity", {})
        except CredentialsExpired:
            raise
        except APIError as error:  # no job needs STS
            text = f"not checked: {error.code} at {sts}"
            self._report(Check(name="identity", state="unknown", text=text))
            return
        self._identity_arn = str(found.get("Arn"))
        self._report(Check(name="identity", state="ok", text=self._identity_arn))

    # -- resources --------------------------------------------------------------------------------

    async def _queues(self) -> list[JobQueue]:
        before = output.now()
        response = await self._call("batch", "DescribeJobQueues", {"maxResults": 1})
        headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        self._report(clock_check(headers.get("date"), before))
        queues = await self._api.job_queues()
        for queue in queues:
            self._report(_queue_check(queue))
        self._report(_default_queue_check(queues, self._options.queue))
        return queues

    def _queue_to_ask(self, queues: list[JobQueue]) -> str | None:
        if self._options.queue is not None:
            return self._options.queue
        usable = [queue.name for queue in queues if queue.takes_jobs]
        return usable[0] if usable else None

    async def _environments(self) -> None:
        for environment in await self._api.compute_environments():
            name = f"compute environment {environment.name}"
            limit = "" if environment.max_vcpus is None else f", {environment.max_vcpus} vCPUs"
            kind = environment.provider or environment.type or "unknown type"
            if environment.takes_jobs:
                self._report(Check(name=name, state="ok", text=f"{kind}{limit}"))
                continue
            why = f": {environment.status_reason}" if environment.status_reason else ""
            text = f"{environment.state}, {environment.status}{why}"
            fix = f"Correct or enable it: aws batch update-compute-environment --help ({kind})"
            self._report(Check(name=name, state="warning", text=text, fix=fix))

    async def _logs(self) -> None:
        for operation, arguments in (
            ("FilterLogEvents", {"logGroupName": LOG_GROUP, "limit": 1}),
            ("GetLogEvents", {"logGroupName": LOG_GROUP, "logStreamName": str(uuid.uuid4())}),
        ):
            await self._permission(
                f"logs:{operation}",
                lambda o=operation, a=arguments: self._call("logs", o, a),  # type: ignore[misc]
            )
        await self._check(f"log group {LOG_GROUP}", self._log_group)

    async def _log_group(self) -> None:
        name = f"log group {LOG_GROUP}"
        try:
            await self._call("logs", "FilterLogEvents", {"logGroupName": LOG_GROUP, "limit": 1})
        except ResourceNotFound:
            text = "does not exist; AWS Batch creates it with the first log line of a job"
            self._report(Check(name=name, state="info", text=text))
            return
        except AccessDenied:
            self._report(Check(name=name, state="unknown", text="needs logs:FilterLogEvents"))
            return
        self._report(Check(name=name, state="ok", text="exists"))


def _untried(identity: str) -> Check:
    return Check(
        name="permissions to change",
        state="unknown",
        text=f"not checked without a real call: {', '.join(_UNTRIED)}",
        fix="Ask IAM: aws iam simulate-principal-policy --policy-source-arn"
        f" {identity} --action-names {' '.join(_UNTRIED)}",
    )


def _failed(name: str, error: AsyncBatchError) -> Check:
    if isinstance(error, AccessDenied):
        fix = f"Add {name} to the policy of the identity, or use another --profile."
        text = f"denied: {error.message}"
        state: State = "problem" if name in _REQUIRED else "warning"
        return Check(name=name, state=state, text=text, fix=fix)
    problem, next_step = problem_and_next_step(error)
    if isinstance(error, APIError) and not isinstance(error, ConnectionFailed | CredentialsExpired):
        text = f"not checked: {error.code}: {error.message}"
        return Check(name=name, state="unknown", text=text, fix=next_step)
    return Check(name=name, state="problem", text=problem, fix=next_step)


_REQUIRED = frozenset({"batch:DescribeJobs", "batch:ListJobs"})
"""Permissions without which jobs cannot be followed, or looked up after a lost response."""


def clock_check(date: str | None, now: datetime) -> Check:
    """Compare the clock of this machine with the Date header of a response."""
    try:
        theirs = parsedate_to_datetime(date or "")
    except ValueError:
        return Check(name="clock", state="unknown", text="the endpoint sends no date")
    skew = round((now - theirs).total_seconds())
    text = f"this machine differs by {skew} s from the endpoint"
    if abs(skew) < _NOTABLE_SKEW:
        return Check(name="clock", state="ok", text=text)
    state: State = "warning" if abs(skew) < _LARGEST_SKEW else "problem"
    fix = "Set the clock of this machine: AWS allows a difference of five minutes."
    return Check(name="clock", state=state, text=text, fix=fix)


def _is_of_aws(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))


def _queue_check(queue: JobQueue) -> Check:
    name = f"job queue {queue.name}"
    if queue.takes_jobs:
        return Check(name=name, state="ok", text=f"ENABLED, VALID, priority {queue.priority}")
    why = f": {queue.status_reason}" if queue.status_reason else ""
    text = f"takes no jobs: {queue.state}, {queue.status}{why}"
    fix = f"aws batch update-job-queue --job-queue {queue.name} --state ENABLED"
    if queue.state == "ENABLED":
        fix = "Read its status reason, and correct its compute environments."
    return Check(name=name, state="warning", text=text, fix=fix)


def _default_queue_check(queues: list[JobQueue], given: str | None) -> Check:
    name = "default job queue"
    if given is not None:
        found = [queue for queue in queues if given in {queue.name, queue.arn}]
        if found and found[0].takes_jobs:
            return Check(name=name, state="ok", text=given)
        text = f"{given} " + ("takes no jobs" if found else "does not exist")
        fix = "Choose another one with --queue or ASYNCBATCH_QUEUE; `asyncbatch queues` lists them."
        return Check(name=name, state="problem", text=text, fix=fix)
    usable = [queue.name for queue in queues if queue.takes_jobs]
    if len(usable) == 1:
        return Check(name=name, state="ok", text=f"{usable[0]}, the only one that takes jobs")
    if usable:
        text = f"none: {len(usable)} job queues take jobs"
        return Check(
            name=name, state="info", text=text, fix="Pass --queue, or set ASYNCBATCH_QUEUE."
        )
    fix = "Create a job queue with a compute environment, or check --region and --profile."
    return Check(name=name, state="problem", text="no job queue takes jobs", fix=fix)
