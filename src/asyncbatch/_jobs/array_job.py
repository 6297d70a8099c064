"""Handles of array jobs: the parent, which is followed by one id, and its children, on demand.

A child is described only when somebody waits for it. Whoever waits for one child after the other
would cost a call for each, so the next children that somebody holds a handle of are described along
with it: a call for one id costs the same as a call for a hundred.
"""

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping, MutableMapping, Sequence
from typing import overload

from asyncbatch._jobs.job import Job
from asyncbatch._jobs.services import Services
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import AsyncBatchError, JobFailed
from asyncbatch._values.failures import failure_of
from asyncbatch._values.results import Failure, FailureKind, JobResult
from asyncbatch._values.status import JobStatus

_DESCRIBED_TOGETHER = 100
# What one page of ListJobs holds. A failure's words need no more of the failed children.
_LISTED_FOR_WORDS = 1000
_NAMED_RANGES = 10


class ArrayJob(Job):
    """An array job: the parent, and a sequence of its children.

    Awaiting it waits for all children, and costs no more calls than a single job. Its children are
    jobs of their own::

        array = await batch.submit_array("etl", size=1000)
        await array[3]
        print(array.counts[JobStatus.RUNNING])
    """

    __slots__ = ("_handles", "_size")

    def __init__(
        self,
        services: Services,
        job_id: str,
        name: str = "",
        *,
        size: int,
        handles: MutableMapping[str, Job],
    ) -> None:
        """Made by the client: `submit_array`, `submit`, `attach`, `find`."""
        super().__init__(services, job_id, name)
        self._size = size
        self._handles = handles

    def __repr__(self) -> str:
        """Show name, id, state and size."""
        return f"<ArrayJob {self.name or '?'} {self.id} {self.status} of {self._size}>"

    def __len__(self) -> int:
        """Return the number of children."""
        return self._size

    @overload
    def __getitem__(self, index: int) -> Job: ...

    @overload
    def __getitem__(self, index: slice) -> list[Job]: ...

    def __getitem__(self, index: int | slice) -> Job | list[Job]:
        """Return the handle of a child, or of several; nothing is asked of AWS."""
        chosen = range(self._size)[index]
        if isinstance(chosen, range):
            return [self._child(place) for place in chosen]
        return self._child(chosen)

    def __iter__(self) -> Iterator[Job]:
        """Iterate over the children."""
        # All at once: a child that is waited for has the next ones described with it, if they are
        # held by somebody.
        return iter(self[:])

    @property
    def counts(self) -> Mapping[JobStatus, int]:
        """How many children are in which state, as AWS last summed up; it may lag behind them."""
        array = self.description.array if self.description else None
        return {**dict.fromkeys(JobStatus, 0), **(array.status_summary if array else {})}

    async def failed_children(self) -> list[Job]:
        """Return the children that FAILED so far, in the order of their indexes.

        Costs one ListJobs for 1,000 of them. Their descriptions know exit code and reason.

        Raises:
            ClientClosed: The client is not open.
            APIError: AWS refused.
        """
        self._services.require_open()
        children = []
        for summary in await self._list_failed(math.inf):
            child = self._child(_index(summary))
            child.update(summary)
            children.append(child)
        return children

    def log_parts(self) -> Sequence[Job]:
        """Return the children: the parent writes no log of its own."""
        return self[:]

    def follow_children(self, first: int) -> None:
        """Follow a child, and the next ones that somebody holds: one call describes them all."""
        for index in range(first, min(first + _DESCRIBED_TOGETHER, self._size)):
            child = self._handles.get(f"{self.id}:{index}")
            if child is not None and not child.is_finished:
                self._services.poller.follow(child)

    def _child(self, index: int) -> Job:
        child = self._handles.get(f"{self.id}:{index}")
        if child is None:
            child = ChildJob(self._services, self, index)
            self._handles[child.id] = child
        return child

    async def _list_failed(self, at_most: float) -> list[JobDescription]:
        """Return summaries of children that FAILED, in the order of their indexes."""
        found: list[JobDescription] = []
        async for summary in self._services.api.list_jobs(
            array_job_id=self.id, status=JobStatus.FAILED
        ):
            found.append(summary)
            if len(found) >= at_most:
                break
        return sorted(found, key=_index)

    # -- why it failed ----------------------------------------------------------------------------

    async def _failure(self, result: JobResult) -> JobFailed:
        """Return the error: how many children failed, which, and why the first of them did.

        Whatever goes wrong on the way becomes a note: it must not hide that the array failed.
        """
        notes: list[str] = []
        listed: list[JobDescription] = []
        first: JobFailed | None = None
        try:
            self._services.require_open()
            listed = await self._list_failed(_LISTED_FOR_WORDS)
            if listed and self._services.log_policy.failure_lines:
                first = await self._child_failure(self._child(_index(listed[0])))
        except AsyncBatchError as error:
            notes.append(f"Not all could be read of the failed children: {error}")
        failed = JobFailed(self._told(result, listed, first), first.log_tail if first else ())
        notes += getattr(first, "__notes__", ())
        if self.console_url and not first:
            notes.append(f"Console: {self.console_url}")
        for note in notes:
            failed.add_note(note)
        return failed

    async def _child_failure(self, child: Job) -> JobFailed | None:
        """Return the error of a failed child, with the last lines of its log."""
        if not child.is_finished:
            for description in await self._services.api.describe_jobs([child.id]):
                child.update(description)
        try:
            if child.is_finished:
                await child.result()
        except JobFailed as error:
            return error
        return None

    def _told(
        self, result: JobResult, listed: Sequence[JobDescription], first: JobFailed | None
    ) -> JobResult:
        """Return the result with the children's story told in its failure."""
        # Both lag: the larger number is nearer to the truth.
        known = max(len(listed), self.counts[JobStatus.FAILED])
        words = f"{known or 'some'} of {self._size} children failed"
        own = result.failure
        if listed:
            words += f" ({_ranges(map(_index, listed), more=len(listed) < known)})"
            why = first.failure if first else failure_of(listed[0])
            words += f"; child {_index(listed[0])}: {why.message if why else 'no reason was given'}"
        if own is None:
            own = Failure(kind=FailureKind.ARRAY_CHILD, transient=False, message="")
        elif own.kind is not FailureKind.ARRAY_CHILD:
            words = f"{own.message}; {words}"
        return dataclasses.replace(result, failure=dataclasses.replace(own, message=words))


class ChildJob(Job):
    """A child of an array job; see `ArrayJob.__getitem__`."""

    __slots__ = ("_array", "_index")

    def __init__(self, services: Services, array: ArrayJob, index: int) -> None:
        """Made by its array."""
        super().__init__(services, f"{array.id}:{index}", array.name)
        self._array = array
        self._index = index

    @property
    def array(self) -> ArrayJob:
        """Its parent."""
        return self._array

    async def _wait_for_change(self, *, details: bool = False) -> None:
        self._services.require_open()
        self._array.follow_children(self._index)
        await super()._wait_for_change(details=details)


async def all_children_ended(arrays: Iterable[ArrayJob]) -> None:
    """Wait until the children of arrays seem to have ended; it costs one id for each array.

    It is a hint, as the counts lag behind: ask the children.

    Raises:
        AsyncBatchError: Nothing more will be heard of an array.
    """
    for array in dict.fromkeys(arrays):
        while not (array.is_finished or _ended(array) >= len(array)):
            await array.next_change(math.inf)


def _ended(array: ArrayJob) -> int:
    return array.counts[JobStatus.SUCCEEDED] + array.counts[JobStatus.FAILED]


def _index(child: JobDescription) -> int:
    return int(child.job_id.rpartition(":")[2])


def _ranges(indexes: Iterable[int], *, more: bool) -> str:
    """Return indexes in few words, such as ``3, 7-9``; with dots where there are more of them."""
    ranges: list[list[int]] = []
    for index in indexes:
        if ranges and index == ranges[-1][-1] + 1:
            ranges[-1][1:] = [index]
        else:
            ranges.append([index])
    words = ["-".join(map(str, ends)) for ends in ranges[:_NAMED_RANGES]]
    if more or len(ranges) > _NAMED_RANGES:
        words.append("…")
    return ", ".join(words)
