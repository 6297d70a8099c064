"""Handles of array jobs: the parent, followed by one id, and its children, on demand.

A child is described only when it is awaited. Waiting for one child after the other would cost a
call for each, so the next children that have a handle are described along with it: a call for one
id costs the same as a call for a hundred (`JobRecords.follow_siblings`).
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, overload
from weakref import ref

from asyncbatch._jobs.job import Job
from asyncbatch._jobs.parts import LISTED_FOR_MESSAGE, index_of, summary_of, with_children
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import JobFailed
from asyncbatch._values.results import JobResult
from asyncbatch._values.status import JobStatus
from asyncbatch._values.text import one_line

if TYPE_CHECKING:  # loaded when a client opens
    from asyncbatch._session.records import JobRecord
    from asyncbatch._session.session import Session


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
            child = self._child(index_of(summary))
            if child.id == summary.job_id:  # else it ran again
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
        listing = self._session.api.list_jobs(array_job_id=self.id, status=JobStatus.FAILED)
        failed = sorted(await self._take(listing, at_most), key=index_of)
        logical = self._record.logical
        if logical is None:
            return failed
        again = {index_of(each): logical.part_of(index_of(each)) for each in failed}
        unknown = [
            each.latest.id for each in again.values() if each and not each.latest.is_finished
        ]
        for description in await self._session.api.describe_jobs(unknown):
            self._session.records.described(description)
        return [
            each
            for each in failed
            if (part := again[index_of(each)]) is None or _has_failed(part.latest)
        ]

    # -- why it failed ----------------------------------------------------------------------------

    async def _failure(self, result: JobResult) -> JobFailed:
        """Return the error: how many children failed, which, and why the first of them did."""

        def explained(listed: Sequence[JobDescription], first: JobFailed | None) -> JobResult:
            # Both numbers lag behind: the larger one is nearer to the truth. AWS also counts
            # children that ran again.
            counted = 0 if self._record.logical else self.counts[JobStatus.FAILED]
            known = max(len(listed), counted)
            names = ("child", "children")
            return with_children(
                result, summary_of(listed, first, known=known, size=self._size, names=names)
            )

        return await self._failure_of_parts(
            "children",
            lambda: self._list_failed(LISTED_FOR_MESSAGE),
            lambda summary: self._child(index_of(summary)),
            explained,
        )


def _has_failed(record: "JobRecord") -> bool:
    return record.result is not None and not record.result.succeeded


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
