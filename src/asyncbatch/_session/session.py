"""What an open client consists of: connection, calls, poller, log reader, and the handles in use.

It lives exactly as long as the client's background task. Submissions run in that task's group, not
in the caller's: a caller that is cancelled leaves no half-sent job behind.
"""

import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

import anyio

from asyncbatch._aws.api import API
from asyncbatch._aws.connection import Connection
from asyncbatch._jobs.array_job import ArrayJob
from asyncbatch._jobs.job import Job
from asyncbatch._jobs.services import Services
from asyncbatch._logs.reader import LogReader
from asyncbatch._polling.poller import Poller
from asyncbatch._session.remaining_jobs import Farewell
from asyncbatch._session.settings import Settings
from asyncbatch._submitting import definitions
from asyncbatch._submitting.marks import unique_name
from asyncbatch._submitting.submitter import Submitter
from asyncbatch._submitting.termination import Terminator, first_of
from asyncbatch._values.descriptions import Container, JobDefinition, JobDescription
from asyncbatch._values.errors import ClientClosed, InvalidRequest
from asyncbatch._values.events import Event, JobSubmitted
from asyncbatch._values.requests import JobRequest
from asyncbatch._values.results import LogEvent
from asyncbatch._values.status import JobStatus

if TYPE_CHECKING:  # at run time both would be loaded before anybody needs them
    import asyncio

    from anyio.abc import TaskGroup

    from asyncbatch._journal.journal import OpenJournal
    from asyncbatch._session.resumption import Resumption
    from asyncbatch._submitting.marks import Record

logger = logging.getLogger("asyncbatch")


Settled = Callable[[Job | None, Exception | None], None]
"""Hears once what became of a submission: its handle or the error; neither if the client closed."""


class Runtime:
    """An open client."""

    def __init__(
        self,
        settings: Settings,
        connection: Connection,
        group: "TaskGroup",
        continuing: "Callable[[Runtime], Resumption] | None" = None,
    ) -> None:
        """Put the parts together; made by `serve`."""
        self.api = API(connection, settings.limits, settings.rng, settings.notify)
        self.poller = Poller(self.api, settings.poll, settings.rng)
        self.terminator = Terminator(
            self.api,
            settings.rng,
            self.poller.hurry,
            calls_per_second=settings.limits.terminate_per_second,
        )
        self.farewell = Farewell(
            connection.region,
            can_resume=continuing is not None,
            is_needed=connection.jobs_outlive_program,
        )
        self.logs = LogReader(self.api, settings.logs, group.start_soon)
        self.region_name = connection.region
        self.submitter = Submitter(self.api)
        self._settings = settings
        self._group = group
        self._closed: ClientClosed | None = None
        self._left: list[Job] = []
        self._handles: WeakValueDictionary[str, Job] = WeakValueDictionary()
        self._default_queue: str | None = None
        self._finding_queue = anyio.Lock(fast_acquire=True)
        self._services = Services(
            api=self.api,
            poller=self.poller,
            logs=self.logs,
            log_policy=settings.logs,
            notify=self._told,
            require_open=self.require_open,
            console_url=connection.console_url,
            terminate=self.terminate,
            handle=self.handle,
        )
        self._resumption = None if continuing is None else continuing(self)

    def require_open(self) -> None:
        """Raise unless the client is open.

        Raises:
            ClientClosed: It was closed, or its background task crashed.
        """
        if self._closed is not None:
            raise self._closed

    def close(self, crash: ClientClosed | None) -> None:
        """Tell everybody who waits that nothing more will come, and why if it was a crash."""
        self._closed = crash or ClientClosed(
            "this client was closed: use `async with AsyncBatchClient()`, or open(); then attach()"
            " gives handles for jobs of before"
        )
        self._left = [self._handles[job_id] for job_id in self.poller.followed()]
        self.poller.fail_all(
            crash or ClientClosed("the client was closed while this was waited for")
        )

    def last_words(self) -> str | None:
        """Return what is to be said of jobs that run on although the client was closed."""
        return self.farewell.words(
            job for job in self._left if not self.terminator.has_ended(job.id)
        )

    def handle(self, job_id: str, name: str = "", array_size: int | None = None) -> Job:
        """Return the handle of a job, the one in use if there is one."""
        job = self._handles.get(job_id)
        if job is None:
            job = (
                Job(self._services, job_id, name)
                if array_size is None
                else ArrayJob(self._services, job_id, name, size=array_size, handles=self._handles)
            )
            self._handles[job_id] = job
        return job

    def follow(self, job: Job, queue: str) -> None:
        """Follow a job that was submitted some time ago."""
        self.poller.follow(job, queue=queue)

    def known(self, description: JobDescription) -> Job:
        """Return the handle of a described job."""
        array_size = description.array.size if description.array else None
        job = self.handle(description.job_id, array_size=array_size)
        job.update(description)
        return job

    async def default_queue(self) -> str:
        """Return the name of the only queue that takes jobs; looked up once.

        Raises:
            InvalidRequest: There is none, or more than one.
        """
        async with self._finding_queue:
            if self._default_queue is None:
                self._default_queue = await self._find_default_queue()
        return self._default_queue

    async def _find_default_queue(self) -> str:
        names = sorted(queue.name for queue in await self.api.job_queues() if queue.takes_jobs)
        if not names:
            raise InvalidRequest(
                "queue",
                None,
                "no job queue is ENABLED and VALID in this account and Region; create one",
            )
        if len(names) > 1:
            raise InvalidRequest("queue", None, f"name one of the job queues: {', '.join(names)}")
        return names[0]

    async def register_job_definition(
        self, definition: Mapping[str, Any] | str | PathLike[str], *, reuse: bool
    ) -> JobDefinition:
        """Register a job definition, or find the revision that has its content."""
        return await definitions.register(self.api, definition, reuse=reuse)

    async def terminate(self, ids: Sequence[str], reason: str) -> None:
        """Terminate jobs.

        Raises:
            APIError: AWS refused one; the others are terminated all the same.
        """
        failed = await self.terminator.terminate(ids, reason)
        if failed:
            raise first_of(failed, len(ids))

    async def tail_stream(self, stream: str, lines: int, *, group: str | None) -> list[LogEvent]:
        """Return the last events of a log stream that is no known job's."""
        options = {} if group is None else {"awslogs-group": group}
        container = Container(log_stream_name=stream, log_options=options)
        anybody = JobDescription(job_id="", status=JobStatus.SUCCEEDED, containers=(container,))
        return await self.logs.tail(anybody, 1, lines)

    def start(self, request: JobRequest, settled: Settled) -> None:
        """Begin to submit a job, which goes on whatever becomes of the caller.

        Raises:
            ClientClosed: The client is not open; `settled` is not called then.
        """
        self.require_open()
        self._group.start_soon(self._send, request, settled)

    def in_background(self, work: Callable[[], Coroutine[Any, Any, None]]) -> bool:
        """Begin what goes on whatever becomes of the caller; return False if it is too late."""
        if self._closed is not None:
            return False
        self._group.start_soon(work)
        return True

    def not_submitted(self) -> ClientClosed:
        """Return the error for a job that was not submitted because the client was closed."""
        return self._closed or ClientClosed("the client was closed before the job was submitted")

    async def _send(self, request: JobRequest, settled: Settled) -> None:
        job: Job | None = None
        problem: Exception | None = None
        try:
            job = await self._submitted(request)
        except Exception as error:  # noqa: BLE001 - its caller's business, not everybody's
            problem = error
        finally:
            settled(job, problem)

    async def _submitted(self, request: JobRequest) -> Job:
        """Submit a job, unless the journal has it already."""
        if self._resumption is not None:
            return await self._resumption.submit(request, self._submit)
        if request.key is not None:
            raise InvalidRequest("key", request.key, "is for a client with a journal=")
        return await self._submit(request)

    async def _submit(self, request: JobRequest, record: "Record | None" = None) -> Job:
        """Submit a job, tell of it, and follow it."""
        queue = request.queue or await self.default_queue()
        name = request.name or unique_name(str(request.job_definition))
        job_id = await self.submitter.submit(request, name=name, queue=queue, record=record)
        job = self.handle(job_id, name, request.array_size)
        logger.info("job %s submitted to %s as %s", name, queue, job_id)
        self._settings.notify(
            JobSubmitted(job_id=job_id, name=name, queue=queue, array_size=request.array_size)
        )
        self.poller.follow(job, is_new=True, queue=queue)
        return job

    def _told(self, event: Event) -> None:
        """Tell journal and observers."""
        if self._resumption is None or self._resumption.is_news(event):
            self._settings.notify(event)

    async def resume(self) -> list[Job]:
        """Return handles of all jobs of the journal, in their order.

        Raises:
            InvalidRequest: There is no journal.
            SubmitUncertain: A submission cannot be settled; the others are followed.
            JournalError: The journal cannot be read.
        """
        if self._resumption is None:
            raise InvalidRequest("journal", None, "resume() needs AsyncBatchClient(journal=...)")
        return await self._resumption.resume()


@contextlib.asynccontextmanager
async def _continuation(
    settings: Settings, connection: Connection
) -> "AsyncIterator[Callable[[Runtime], Resumption] | None]":
    """Open the journal, if there is to be one, and yield what makes a client continue it."""
    if settings.journal is None:
        yield None
        return
    import asyncio

    options = settings.journal
    kind, resumption = await asyncio.to_thread(_rooms_of_a_journal)
    async with kind.opened(Path(options.path), region=connection.region) as journal:
        yield lambda runtime: resumption(
            journal, runtime.submitter, runtime, reruns_failed=options.rerun_failed
        )


def _rooms_of_a_journal() -> "tuple[type[OpenJournal], type[Resumption]]":
    """Import SQLite and what needs it, in a thread."""
    from asyncbatch._journal.journal import OpenJournal
    from asyncbatch._session.resumption import Resumption

    return OpenJournal, Resumption


async def serve(
    settings: Settings, ready: Callable[[Runtime], None], stop: "asyncio.Event"
) -> None:
    """Run an open client until `stop` is set."""
    async with (
        Connection.connect(settings.target) as connection,
        _continuation(settings, connection) as continuing,
    ):
        reason: ClientClosed | None = None
        runtime: Runtime | None = None
        try:
            async with anyio.create_task_group() as group:
                runtime = Runtime(settings, connection, group, continuing)
                group.start_soon(runtime.poller.run)
                ready(runtime)
                await stop.wait()
                group.cancel_scope.cancel()
        except Exception as crash:
            # Nobody awaits this task, so its crash is told to everybody who waits for a job.
            logger.exception("the client's background task crashed; please report this")
            reason = ClientClosed(f"the client's background task crashed: {crash!r}")
            reason.__cause__ = crash
        finally:
            if runtime is not None:
                runtime.close(crash=reason)
