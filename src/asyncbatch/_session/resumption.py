"""Continuing instead of starting over: what a client with a journal does with a request.

A request that the journal knows is not submitted again, unless it failed. Its job is followed if it
runs, has its result if it ended, and is looked up if the last program died while submitting it.
"""

import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Protocol
from weakref import WeakValueDictionary

import anyio

from asyncbatch._jobs.job import Job
from asyncbatch._journal.entries import ENDED, Entry, EntryState, identity_of
from asyncbatch._journal.journal import OpenJournal
from asyncbatch._submitting.marks import Submission
from asyncbatch._submitting.submitter import Submitter
from asyncbatch._values.errors import SubmitUncertain
from asyncbatch._values.events import Event, JobFinished, JobLost, StatusChanged
from asyncbatch._values.requests import JobRequest

logger = logging.getLogger("asyncbatch")

_AT_ONCE = 200  # handles that are made until others have their turn: some milliseconds

_Submit = Callable[[JobRequest, "Record"], Awaitable[Job]]


class Handles(Protocol):
    """What makes handles and has them followed: an open client."""

    def handle(self, job_id: str, name: str = "", array_size: int | None = None) -> Job:
        """Return the handle of a job."""
        ...

    def follow(self, job: Job, queue: str) -> None:
        """Follow a job that was submitted some time ago."""
        ...


class Record:
    """What the journal is told of one submission."""

    def __init__(self, journal: OpenJournal, request: JobRequest, identity: str, n: int) -> None:
        """Nothing is told yet."""
        self._journal = journal
        self._request = request
        self._identity = identity
        self._ordinal = n
        self._entry: Entry | None = None

    async def intend(self, submission: Submission) -> None:
        """Tell that it is about to be sent, and wait until that is on disk.

        Raises:
            JournalError: It could not be written: do not send it.
        """
        entry = Entry(
            number=self._entry.number if self._entry else self._journal.next_number(),
            identity=self._identity,
            ordinal=self._ordinal,
            state=EntryState.INTENT,
            name=submission.name,
            queue=submission.queue,
            job_definition=submission.job_definition,
            has_unique_name=submission.has_unique_name,
            tag=submission.tag,
            array_size=self._request.array_size,
            since=submission.since,
        )
        self._entry = entry
        await self._journal.intend(entry)

    def accepted(self, job_id: str) -> None:
        """Tell that there is a job."""
        if self._entry is not None:
            self._journal.accepted(self._entry, job_id)

    def refused(self) -> None:
        """Tell that there is none."""
        if self._entry is not None:
            self._journal.withdrawn(self._entry)


class Resumption:
    """Knows which requests have a job already."""

    def __init__(
        self,
        journal: OpenJournal,
        submitter: Submitter,
        handles: Handles,
        *,
        reruns_failed: bool,
    ) -> None:
        """Continue what a journal tells of."""
        self._journal = journal
        self._submitter = submitter
        self._handles = handles
        self._reruns_failed = reruns_failed
        self._asked: Counter[str] = Counter()
        self._turns: WeakValueDictionary[tuple[str, int], anyio.Lock] = WeakValueDictionary()

    def is_news(self, event: Event) -> bool:
        """Note the ends that the client hears of; return whether observers have not heard of it.

        A job that has ended may get a second handle, which then learns of its end as well.
        """
        if not isinstance(event, StatusChanged | JobFinished | JobLost):
            return True
        entry = self._journal.of_job(event.job_id)
        if entry is None or entry.is_end_told:
            return entry is None
        if isinstance(event, JobFinished):
            entry.is_end_told = True
            self._journal.ended(entry, event.result.description)
        elif isinstance(event, JobLost):
            self._journal.lost(entry)
        return True

    async def submit(self, request: JobRequest, submit: _Submit) -> Job:
        """Return the job that a request has already, or submit it.

        Raises:
            JournalError: The journal cannot be written, so nothing was submitted.
            SubmitUncertain: The last program died while submitting it, and that cannot be settled.
        """
        identity = identity_of(request)
        ordinal = 0
        if request.key is None:
            ordinal = self._asked[identity]
            self._asked[identity] += 1
        async with self._turn(identity, ordinal):
            entry = self._journal.find(identity, ordinal)
            if entry is not None and entry.state is EntryState.INTENT:
                await self._settle(entry, request)
                entry = self._journal.find(identity, ordinal)
            if entry is None or self._runs_again(entry):
                return await submit(request, Record(self._journal, request, identity, ordinal))
            return await self._met(entry)

    async def resume(self) -> list[Job]:
        """Return handles of all jobs of the journal, in their order.

        Raises:
            SubmitUncertain: A submission cannot be settled; the others are followed.
            JournalError: The journal cannot be read.
        """
        errors: list[SubmitUncertain] = []
        held: list[Job] = []  # or the first handles would be gone before the last are made
        async with anyio.create_task_group() as group:
            for entry in self._journal:
                if entry.state is EntryState.INTENT:
                    group.start_soon(self._try_to_settle, entry, errors)
            # Those that live come first: what AWS says of them is news.
            held += [
                await self._met(entry) async for entry in self._known() if entry.state not in ENDED
            ]
        jobs = [await self._met(entry) async for entry in self._known()]
        if errors:
            errors[0].submitted = tuple(jobs)
            errors[0].add_note(f"{len(errors)} submissions cannot be settled. Jobs: {len(jobs)}.")
            raise errors[0]
        return jobs

    async def _known(self) -> AsyncIterator[Entry]:
        """Yield the submissions that have a job, and give others their turn now and then."""
        for number, entry in enumerate(self._journal):
            if number % _AT_ONCE == 0:
                await anyio.lowlevel.checkpoint()
            if entry.job_id is not None:
                yield entry

    async def _try_to_settle(self, entry: Entry, errors: list[SubmitUncertain]) -> None:
        async with self._turn(entry.identity, entry.ordinal):
            try:
                # Somebody may have settled it while this waited for its turn.
                if entry.state is EntryState.INTENT and self._is_known(entry):
                    await self._settle(entry, None)
            except SubmitUncertain as error:
                errors.append(error)

    def _is_known(self, entry: Entry) -> bool:
        return self._journal.find(entry.identity, entry.ordinal) is entry

    async def _settle(self, entry: Entry, request: JobRequest | None) -> None:
        """Find out what became of a submission during which the last program died.

        Raises:
            SubmitUncertain: That cannot be told.
        """
        submission = Submission(
            name=entry.name,
            queue=entry.queue,
            job_definition=entry.job_definition,
            since=entry.since,
            has_unique_name=entry.has_unique_name,
            tag=entry.tag,
            request=request,
        )
        taken = self._journal.job_ids(entry.name) if submission.mark is None else ()
        job_id = await self._submitter.settle(submission, taken)
        if job_id is None:
            logger.info("The journal's submission of %s had not been accepted.", entry.name)
            self._journal.withdrawn(entry)
        else:
            logger.info("The journal's submission of %s became job %s.", entry.name, job_id)
            self._journal.accepted(entry, job_id)

    async def _met(self, entry: Entry) -> Job:
        """Return the handle of a job that the journal knows."""
        assert entry.job_id is not None  # noqa: S101 - else it is an intent, which was settled
        job = self._handles.handle(entry.job_id, entry.name, entry.array_size)
        if job.is_finished:
            return job
        if entry.state in ENDED:
            job.update(await self._journal.description(entry))
        else:
            self._handles.follow(job, entry.queue)
        return job

    def _runs_again(self, entry: Entry) -> bool:
        return self._reruns_failed and entry.state in (EntryState.FAILED, EntryState.LOST)

    def _turn(self, identity: str, ordinal: int) -> anyio.Lock:
        """Return the lock of a request, so that one and the same is not submitted twice at once."""
        lock = self._turns.get((identity, ordinal))
        if lock is None:
            lock = self._turns[identity, ordinal] = anyio.Lock(fast_acquire=True)
        return lock
