"""A submission in progress, which can be withdrawn until it is sent."""

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

from asyncbatch._jobs.handles import job_handle
from asyncbatch._jobs.job import Job

if TYPE_CHECKING:  # loaded when a client opens
    from asyncbatch._session.session import Session, SubmissionInProgress


class Submission:
    """A submission in progress; made by `AsyncBatchClient.start_submit`.

    Await it for the handle of its job, as often as needed. It raises what `AsyncBatchClient.submit`
    raises, and `asyncio.CancelledError` after it was withdrawn. Cancelling a task that awaits it
    cancels the wait only.

    Example:
        ```python
        submission = batch.start_submit("etl")
        try:
            async with asyncio.timeout(60):
                job = await submission
        except TimeoutError:
            job = await submission.withdraw()
        print("not submitted" if job is None else job.id)
        ```
    """

    def __init__(self, session: "Session", in_progress: "SubmissionInProgress") -> None:
        """Made by `AsyncBatchClient.start_submit`."""
        self._session = session
        self._in_progress = in_progress

    def __await__(self) -> Generator[Any, None, Job]:
        """Wait until AWS has accepted the job, and return its handle."""
        return self._wait().__await__()

    async def _wait(self) -> Job:
        return job_handle(self._session, await self._in_progress.wait())

    async def withdraw(self) -> Job | None:
        """Withdraw the request unless it was sent; return its job, or None if there is none.

        This returns at once if the request was not sent. Otherwise it waits for the response of
        AWS, and looks up a lost one for at most 20 seconds. A job that exists continues.

        Raises:
            AsyncBatchError: The submission failed, as `AsyncBatchClient.submit` raises it.
        """
        record = await self._in_progress.withdraw()
        return None if record is None else job_handle(self._session, record)
