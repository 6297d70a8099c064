"""Handles of array jobs: the parent, followed by one id, and its children, on demand.

A child is described only when it is awaited. Waiting for one child after the other would cost a
call for each, so the next children that have a handle are described along with it: a call for one
id costs the same as a call for a hundred (`JobRecords.follow_siblings`).
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, overload
from weakref import ref

from asyncbatch._jobs.job import Job
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import AsyncBatchError, JobFailed
from asyncbatch._values.failures import failure_of
from asyncbatch._values.results import Failure, FailureKind, JobResult
from asyncbatch._values.status import JobStatus
from asyncbatch._values.text import one_line

if TYPE_CHECKING:  # loaded when a client opens
    from asyncbatch._session.records import JobRecord
    from asyncbatch._session.session import Session

# One page of ListJobs: a failure's message needs no more of the failed children.
_LISTED_FOR_MESSAGE = 1000
_NAMED_RANGES = 10


class ArrayJob(Job):
    """An array job: the parent, and a sequence of its children.

    Awaiting it waits for all children, and costs no more calls than a single job. Its children are
    jobs of their own.

    Example:
        ```python
        array = await batch.submit_array("etl", size=3)
        await array[2]
        print(array.counts[JobStatus.RUNNING])
        ```
    """

    __slots__ = ("_size",)

    def __init__(self, session: "Session", record: "JobRecord", size: int) -> None:
        """Made by the client: `submit_array`, `submit`, `job`, `attach`, `find`."""
        super().__init__(session, record)
        self._size = size

    def __repr__(self) -> str:
        """Show name, id, state and size."""
        return one_line(f"<ArrayJob {self.name or '?'} {self.id} {self.status} of {self._size}>")

    def __len__(self) -> int:
        """Return the number of children."""
        return self._size

    @overload
    def __getitem__(self, index: int) -> Job: ...

    @overload
    def __getitem__(self, index: slice) -> list[Job]: ...

    def __getitem__(self, index: int | slice) -> Job | list[Job]:
        """Return the handle of a child, or of several; no call is made."""
        chosen = range(self._size)[index]
        if isinstance(chosen, range):
            return [self._child(place) for place in chosen]
        return self._child(chosen)

    def __iter__(self) -> Iterator[Job]:
        """Iterate over the children."""
        # All at once: a child that is awaited has the next ones described with it, if they have
        # handles.
        return iter(self[:])

    @property
    def counts(self) -> Mapping[JobStatus, int]:
        """How many children are in which state, as AWS last counted; it may lag behind them."""
        array = self.description.array if self.description else None
        return {**dict.fromkeys(JobStatus, 0), **(array.status_summary if array else {})}

    async def failed_children(self) -> list[Job]:
        """Return the children that FAILED so far, in the order of their indexes.

        Costs one ListJobs for 1,000 of them. Their descriptions have exit code and reason.

        Raises:
            ClientClosed: The client is not open.
            APIError: AWS refused.
        """
        self._session.require_open()
        children = []
        for summary in await self._list_failed(math.inf):
            child = self._child(_index(summary))
            child._record.update(summary)
            children.append(child)
        return children

    def _child(self, index: int) -> Job:
        record = self._record.child(index)
        # A handle that was made by id (`AsyncBatchClient.job`) is kept: one handle for each id.
        child = record.handle() if record.handle else None
        if child is None:
            child = ChildJob(self._session, record, self)
            record.handle = ref(child)
        return child

    async def _list_failed(self, at_most: float) -> list[JobDescription]:
        """Return summaries of children that FAILED, in the order of their indexes."""
        found: list[JobDescription] = []
        async for summary in self._session.api.list_jobs(
            array_job_id=self.id, status=JobStatus.FAILED
        ):
            found.append(summary)
            if len(found) >= at_most:
                break
        return sorted(found, key=_index)

    # -- why it failed ----------------------------------------------------------------------------

    async def _failure(self, result: JobResult) -> JobFailed:
        """Return the error: how many children failed, which, and why the first of them did.

        Any problem on the way becomes a note: it must not hide that the array failed.
        """
        notes: list[str] = []
        listed: list[JobDescription] = []
        first: JobFailed | None = None
        try:
            self._session.require_open()
            listed = await self._list_failed(_LISTED_FOR_MESSAGE)
            if listed and self._session.settings.logs.failure_lines:
                first = await self._child_failure(self._child(_index(listed[0])))
        except AsyncBatchError as error:
            notes.append(f"The failed children could not be read completely: {error}")
        failed = JobFailed(
            self._with_children(result, listed, first), first.log_tail if first else ()
        )
        notes += getattr(first, "__notes__", ())
        if self.console_url and not first:
            notes.append(f"Console: {self.console_url}")
        for note in notes:
            failed.add_note(note)
        return failed

    async def _child_failure(self, child: Job) -> JobFailed | None:
        """Return the error of a failed child, with the last lines of its log."""
        if not child.is_finished:
            for description in await self._session.api.describe_jobs([child.id]):
                self._session.records.described(description)
        try:
            if child.is_finished:
                await child.result()
        except JobFailed as error:
            return error
        return None

    def _with_children(
        self, result: JobResult, listed: Sequence[JobDescription], first: JobFailed | None
    ) -> JobResult:
        """Return the result with the failed children in the message of its failure."""
        # Both lag behind: the larger number is nearer to the truth.
        known = max(len(listed), self.counts[JobStatus.FAILED])
        message = f"{known or 'some'} of {self._size} children failed"
        own = result.failure
        if listed:
            message += f" ({_ranges(map(_index, listed), more=len(listed) < known)})"
            why = first.failure if first else failure_of(listed[0])
            reason = why.message if why else "no reason was given"
            message += f"; child {_index(listed[0])}: {reason}"
        if own is None:
            own = Failure(kind=FailureKind.ARRAY_CHILD, transient=False, message="")
        elif own.kind is not FailureKind.ARRAY_CHILD:
            message = f"{own.message}; {message}"
        return dataclasses.replace(result, failure=dataclasses.replace(own, message=message))


class ChildJob(Job):
    """A child of an array job, whose handle it keeps in use; see `ArrayJob.__getitem__`."""

    __slots__ = ("_array",)

    def __init__(self, session: "Session", record: "JobRecord", array: ArrayJob) -> None:
        """Made by its array."""
        super().__init__(session, record)
        self._array = array


def arrays_of(jobs: Iterable[Job]) -> list[ArrayJob]:
    """Return the arrays whose children are among some jobs, each once."""
    return list(dict.fromkeys(job._array for job in jobs if isinstance(job, ChildJob)))


async def all_children_ended(array: ArrayJob) -> None:
    """Wait until the children of an array seem to have ended; it costs one id a poll.

    It is a hint, as the counts lag behind: the children themselves decide.

    Raises:
        AsyncBatchError: The array is no longer followed.
    """
    while not (array.is_finished or _ended(array) >= len(array)):
        await array._record.wait_for_change(details=True)


def _ended(array: ArrayJob) -> int:
    return array.counts[JobStatus.SUCCEEDED] + array.counts[JobStatus.FAILED]


def _index(child: JobDescription) -> int:
    return int(child.job_id.rpartition(":")[2])


def _ranges(indexes: Iterable[int], *, more: bool) -> str:
    """Return indexes in short form, such as ``3, 7-9``; with an ellipsis where there are more."""
    ranges: list[list[int]] = []
    for index in indexes:
        if ranges and index == ranges[-1][-1] + 1:
            ranges[-1][1:] = [index]
        else:
            ranges.append([index])
    shown = ["-".join(map(str, ends)) for ends in ranges[:_NAMED_RANGES]]
    if more or len(ranges) > _NAMED_RANGES:
        shown.append("…")
    return ", ".join(shown)
