"""Looking up a submission whose response was lost: it has a job, has none, or cannot be decided.

ListJobs with a JOB_NAME filter returns jobs of all states, the newest first, and compares names
regardless of case. It has no tags, so jobs of a name that is not unique are described. Both calls
lag behind SubmitJob by some seconds: a job counts as absent when a sequence of attempts, spread
over 15 seconds, has not seen it.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ListJobs.html
"""

from collections.abc import Callable, Collection, Sequence

import anyio

from asyncbatch._aws.api import API
from asyncbatch._submitting.marks import TAG, Submission, wall_clock
from asyncbatch._submitting.matching import Likeness, likeness
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import AsyncBatchError

# Seconds before each attempt.
AFTER_A_FAULT = (1.0, 2.0, 4.0, 8.0)
WHILE_CLOSING = (0.0, 1.0, 2.0, 4.0, 8.0)
AFTER_A_RESTART = (0.0, 5.0, 10.0)

# How far our clock and AWS's may differ: AWS refuses requests beyond that.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
_MOST_SKEW = 300.0
_USUAL_SKEW = 2.0


class Unsettled(Exception):
    """It cannot be decided whether there is a job."""


async def look_up(
    api: API,
    sought: Submission,
    *,
    delays: Sequence[float],
    within: float,
    taken: Collection[str],
) -> str | None:
    """Return the id of the job that a submission made; None if there is none.

    Args:
        api: Makes the calls.
        sought: The submission.
        delays: Seconds before each attempt.
        within: Seconds that all attempts may take together.
        taken: Ids of jobs that other submissions made.

    Raises:
        Unsettled: AWS does not respond or refuses, or its responses do not decide it.
    """
    search = _Search(api, sought, taken)
    try:
        with anyio.fail_after(within):
            for delay in delays:
                await anyio.sleep(delay)  # noqa: TID251 - ListJobs lags behind SubmitJob
                if job_id := await search.attempt():
                    return job_id
    except TimeoutError:
        raise Unsettled(f"AWS did not respond within {within:.0f} s") from None
    except AsyncBatchError as error:
        raise Unsettled(str(error)) from error
    search.require_decided()
    return None


class _Search:
    """A submission that is looked up, and what the attempts so far have shown."""

    def __init__(self, api: API, sought: Submission, taken: Collection[str]) -> None:
        self._api = api
        self._sought = sought
        self._taken = taken
        self._described: dict[str, JobDescription] = {}
        self._doubt: str | None = None

    async def attempt(self) -> str | None:
        """Make one attempt; return the job's id if it is certainly the submission's."""
        if self._sought.has_unique_name:
            return next(iter(await self._listed(lambda _job: True)), None)
        ids = await self._listed(self._is_young)
        await self._describe([job_id for job_id in ids if job_id not in self._described])
        if hidden := [job_id for job_id in ids if job_id not in self._described]:
            self._doubt = f"ListJobs has job {hidden[0]} and DescribeJobs does not"
            return None
        self._doubt = None
        jobs = [self._described[job_id] for job_id in ids]
        if self._sought.tag is not None:
            return next((job.job_id for job in jobs if job.tags.get(TAG) == self._sought.tag), None)
        return self._likely(jobs)

    def require_decided(self) -> None:
        """Raise if the last attempt left a doubt.

        Raises:
            Unsettled: It did.
        """
        if self._doubt is not None:
            raise Unsettled(self._doubt)

    async def _listed(self, wanted: Callable[[JobDescription], bool]) -> list[str]:
        """Return the ids of jobs of the name, newest first, up to the first one not wanted."""
        sought, found = self._sought, []
        async for job in self._api.list_jobs(queue=sought.queue, name=sought.name):
            if not wanted(job):
                break
            if job.name == sought.name:
                found.append(job.job_id)
        return found

    async def _describe(self, ids: Sequence[str]) -> None:
        for job in await self._api.describe_jobs(ids):
            self._described[job.job_id] = job

    def _is_young(self, job: JobDescription) -> bool:
        return _created(job) >= self._sought.since - _MOST_SKEW

    # -- without any mark -------------------------------------------------------------------------

    def _likely(self, jobs: Sequence[JobDescription]) -> str | None:
        """Return the only job that matches by time and content."""
        likely = [
            job
            for job in jobs
            if job.job_id not in self._taken and self._likeness(job) is not Likeness.NONE
        ]
        if len(likely) > 1:
            self._note_doubt(likely, "and several such jobs exist")
        elif likely and self._likeness(likely[0]) is Likeness.PARTIAL:
            self._note_doubt(likely, "but may be another submission's")
        elif likely and not self._is_in_time(likely[0]):
            self._note_doubt(likely, "or shortly before")
        return likely[0].job_id if likely and self._doubt is None else None

    def _note_doubt(self, likely: Sequence[JobDescription], why: str) -> None:
        ids = ", ".join(job.job_id for job in likely[:3])
        self._doubt = f"job {ids} has this name and was submitted at that time, {why}"

    def _likeness(self, job: JobDescription) -> Likeness:
        return likeness(self._sought, job)

    def _is_in_time(self, job: JobDescription) -> bool:
        soonest, latest = self._sought.since - _USUAL_SKEW, wall_clock() + _USUAL_SKEW
        return soonest <= _created(job) <= latest


def _created(job: JobDescription) -> float:
    return job.created_at.timestamp() if job.created_at else wall_clock()
