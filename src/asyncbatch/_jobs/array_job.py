"""Handles of array jobs: the parent, followed by one id, and its children, on demand.

A child is described only when it is awaited. Waiting for one child after the other would cost a
call for each, so the next children that have a handle are described along with it: a call for one
id costs the same as a call for a hundred (`JobRecords.follow_siblings`).
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Unpack, overload
from weakref import ref

import anyio

from asyncbatch._jobs.job import Job
from asyncbatch._jobs.parts import LISTED_FOR_MESSAGE, index_of, summary_of, with_children
from asyncbatch._jobs.reruns import request_of_children, require_fields
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import InvalidRequest, JobFailed
from asyncbatch._values.requests import JobFields, JobRequest
from asyncbatch._values.results import JobResult
from asyncbatch._values.showing import repr_of, short_name
from asyncbatch._values.status import JobStatus

if TYPE_CHECKING:  # loaded when a client opens
    from asyncbatch._session.records import JobRecord
    from asyncbatch._session.session import Session

_LISTINGS = 5
_BETWEEN_LISTINGS = 3.0
"""Seconds; ListJobs may show a child as FAILED later than DescribeJobs counts it."""


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
        name = short_name(self.name) or "?"
        return repr_of(f"ArrayJob {name} {self.id} {self.status} of {self._size}")

    def _more_facts(self) -> Iterable[tuple[str, object]]:
        counts = ", ".join(f"{count:,} {state}" for state, count in self.counts.items() if count)
        return [("children", f"{self._size:,}{counts and ': '}{counts}")]

    def __len__(self) -> int:
        """Return the number of children."""
        return self._size

    @overload
    def __getitem__(self, index: int) -> Job: ...

    @overload
    def __getitem__(self, index: slice) -> list[Job]: ...

    def __getitem__(self, index: int | slice) -> Job | list[Job]:
        """Return the handle of a child, or of several; no call is made.

        Raises:
            IndexError: The array has no child with this index.
        """
        try:
            chosen = range(self._size)[index]
        except IndexError:
            raise IndexError(
                f"array job {self.id} has {self._size:,} children, with indexes from 0 to"
                f" {self._size - 1:,}, and none with index {index}"
            ) from None
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

    async def rerun_failed(self, **changes: Unpack[JobFields]) -> Job:
        """Submit the children that FAILED again, as a smaller array whose children are the same.

        Each child sees its original ``AWS_BATCH_JOB_ARRAY_INDEX`` and ``AWS_BATCH_JOB_ARRAY_SIZE``:
        a line of POSIX sh before the command sets them. So the command must be in the request or
        the job definition, the image needs ``sh``, and its ENTRYPOINT, if any, must run its
        arguments as a command, which AWS does not show. The array itself is not changed. Child
        ``n`` of the new array is the failed child with the n-th lowest index.

        Args:
            **changes: Fields of `JobRequest` that replace those of the array, such as `memory_mib`.
                The new job depends on nothing, unless `depends_on` is given.

        Returns:
            The handle of the smaller array, or of a plain job for a single failed child.

        Raises:
            InvalidRequest: The array has not ended, no child of it failed, AWS no longer lists all
                failed children, or they cannot keep their indexes; the rule says why.
            ClientClosed: The client is not open.
            APIError, SubmitUncertain, JournalError: As `AsyncBatchClient.submit`.

        Example:
            ```python
            command = ["sh", "-c", "test $AWS_BATCH_JOB_ARRAY_INDEX != 1"]
            array = await batch.submit_array("etl", size=3, command=command)
            await array.result(check=False)
            job = await array.rerun_failed(command=["true"])  # child 1
            await job
            ```
        """
        self._session.require_open()
        require_fields(changes)
        request = await self._request_of_failed(changes)
        return job_handle(self._session, await self._session.start(self._session.submit, request))

    async def _request_of_failed(self, changes: JobFields) -> JobRequest:
        """Return the request that runs the failed children again.

        Raises:
            InvalidRequest: As `rerun_failed`.
            APIError: AWS refused.
        """
        description = self._first_record.description
        if description is None or not (self.is_finished and description.status.is_terminal):
            raise InvalidRequest("array", self.id, "the array has not ended. Await it first.")
        failed = await self._all_failed()
        if not failed:
            raise InvalidRequest("array", self.id, "no child of it FAILED")
        return request_of_children(description, failed, map(index_of, failed), changes)

    async def _all_failed(self) -> list[JobDescription]:
        """Return summaries of all children that FAILED, once ListJobs has as many as were counted.

        Raises:
            InvalidRequest: It has fewer: AWS forgets jobs some days after their end.
        """
        # With a recovery policy, AWS also counts children that ran again.
        counted = 0 if self._record.logical else self.counts[JobStatus.FAILED]
        failed: list[JobDescription] = []
        for again in range(_LISTINGS):
            if again:
                await anyio.sleep(_BETWEEN_LISTINGS)  # noqa: TID251 - lists lag behind
            failed = await self._list_failed(math.inf)
            if len(failed) >= counted:
                return failed
        rule = f"{counted} children FAILED, and AWS lists {len(failed)} of them"
        raise InvalidRequest("array", self.id, rule)

    def _child(self, index: int) -> Job:
        record = self._record.child(index)
        # A handle that was made by id (`AsyncBatchClient.job`) is kept: one handle for each id.
        child = record.handle() if record.handle else None
        if child is None:
            child = ChildJob(self._session, record, self, index)
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

    __slots__ = ("_array", "_index")

    def __init__(
        self, session: "Session", record: "JobRecord", array: ArrayJob, index: int
    ) -> None:
        """Made by its array."""
        super().__init__(session, record)
        self._array = array
        self._index = index

    def _log_record(self, tail: int | None) -> "JobRecord":
        """Return the record whose log comes first: the child of the array itself."""
        if tail is not None:
            return self._record
        return self._session.records.record(f"{self._array._first_record.id}:{self._index}")


def job_handle(session: "Session", record: "JobRecord") -> Job:
    """Return the handle of a record, the one in use if there is one."""
    record = record.latest  # a job and its further submissions have one handle
    handle: Job | None = record.handle() if record.handle else None
    if handle is None:
        size = record.array_size
        handle = Job(session, record) if size is None else ArrayJob(session, record, size)
        record.handle = ref(handle)
    return handle


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
