"""Sending jobs: accepted, refused, or looked up. Nothing is sent again before that is known.

A caller that is cancelled changes nothing, as submissions run in the client's task group. When the
client itself closes, an answer that is on its way is waited for, and one that got lost is looked up
for a bounded time.
"""

import logging
from collections import defaultdict
from collections.abc import Collection
from datetime import UTC, datetime

import anyio

from asyncbatch._aws.api import API
from asyncbatch._aws.wire import requests
from asyncbatch._submitting.look_up import (
    AFTER_A_FAULT,
    AFTER_A_RESTART,
    WHILE_CLOSING,
    Unsettled,
    look_up,
)
from asyncbatch._submitting.marks import TAG, Record, Submission, nonce, wall_clock
from asyncbatch._values.errors import (
    AccessDenied,
    APIError,
    AsyncBatchError,
    ConnectionFailed,
    ServiceFault,
    SubmitUncertain,
)
from asyncbatch._values.requests import JobRequest

logger = logging.getLogger("asyncbatch")

_MOST_TAGS = 50
_RESENDING_SECONDS = 600.0
_LOOK_UP_SECONDS = 240.0
_CLOSING_SECONDS = 20.0


class Submitter:
    """Submits jobs for one client."""

    def __init__(self, api: API) -> None:
        """Submit through an open connection."""
        self._api = api
        self._may_tag = True
        self._unmarked = _Unmarked()

    async def submit(
        self, request: JobRequest, *, name: str, queue: str, record: Record | None = None
    ) -> str:
        """Submit a job once and return its id.

        Args:
            request: What to submit.
            name: Its job name; unique exactly if the request has none of its own.
            queue: Name or ARN of the job queue.
            record: What keeps a record of it.

        Raises:
            InvalidRequest: The request is larger than AWS takes.
            JournalError: There can be no record of it, so it was not sent.
            SubmitUncertain: It may or may not have been accepted, and looking it up did not tell.
            APIError: AWS refused it, or it certainly did not arrive.
        """
        submission = Submission(
            name=name,
            queue=queue,
            job_definition=str(request.job_definition),
            since=wall_clock(),
            has_unique_name=request.name is None,
            request=request,
            record=record,
        )
        if record is None:
            return await self._send_marked(submission, request)
        try:
            job_id = await self._send_marked(submission, request)
        except SubmitUncertain:
            raise
        except AsyncBatchError:
            record.refused()
            raise
        # Whatever else ends this decides nothing: the intent stays, for the next program to settle.
        record.accepted(job_id)
        return job_id

    async def _send_marked(self, submission: Submission, request: JobRequest) -> str:
        if submission.has_unique_name:
            return await self._send(submission)
        if self._may_tag and len({**request.tags, **request.extra.get("tags", {})}) < _MOST_TAGS:
            return await self._send_tagged(submission)
        return await self._send_unmarked(submission)

    async def _send_tagged(self, submission: Submission) -> str:
        """Submit with a tag, or without one where tagging is not allowed."""
        submission.tag = nonce()
        try:
            return await self._send(submission)
        except AccessDenied as refusal:
            submission.tag = None
            try:
                job_id = await self._send_unmarked(submission)
            except AccessDenied:
                raise refusal from None  # the tag was not what is not allowed
            self._stop_tagging(refusal)
            return job_id

    def _stop_tagging(self, refusal: AccessDenied) -> None:
        if self._may_tag:
            self._may_tag = False
            logger.warning(
                "Jobs with names of their own cannot be tagged, so one whose answer gets lost is"
                " recognised by its name, time and content only. Allow batch:TagResource. %s",
                refusal,
            )

    async def _send_unmarked(self, submission: Submission) -> str:
        """Submit what nothing marks: only one of a name at a time, or they would be mixed up."""
        async with self._unmarked.turn(submission.name):
            submission.since = wall_clock()
            job_id = await self._send(submission)
            self._unmarked.take(submission.name, job_id)
            return job_id

    async def _send(self, submission: Submission) -> str:
        arguments, is_checked = _arguments(submission)
        has_turn = False
        if submission.record is not None:
            # Only now that it is its turn: whoever dies leaves few intents to settle.
            await self._api.submit_turn()
            await submission.record.intend(submission)
            has_turn = True
        patient_until: float | None = None
        while True:
            try:
                return await self._api.submit_job(
                    arguments, is_checked=is_checked, has_turn=has_turn
                )
            except (ServiceFault, ConnectionFailed) as fault:
                if isinstance(fault, ConnectionFailed) and not fault.may_have_arrived:
                    raise
                has_turn = False
                now = anyio.current_time()
                patient_until = patient_until or now + _RESENDING_SECONDS
                if job_id := await self._settled(submission, fault):
                    return job_id
                if anyio.current_time() >= patient_until:
                    fault.add_note("The job was looked up: it does not exist.")
                    raise

    async def _settled(self, submission: Submission, fault: APIError) -> str | None:
        """Return the id of the job whose answer was lost; None if it was not accepted.

        Raises:
            SubmitUncertain: That cannot be told.
        """
        name = submission.name
        logger.warning("No answer to the submission of %s: looking it up. %s", name, fault)
        try:
            job_id = await self._look_up(submission)
        except Unsettled as doubt:
            raise _uncertain(submission, fault, doubt) from fault
        if job_id is None:
            logger.info("The submission of %s had not been accepted: sending it again.", name)
        else:
            logger.info("The submission of %s had been accepted as %s.", name, job_id)
        return job_id

    async def settle(self, submission: Submission, taken: Collection[str]) -> str | None:
        """Return the id of the job that a submission of an earlier program made; None if none.

        Args:
            submission: What that program was about to send.
            taken: Ids of jobs that other submissions made.

        Raises:
            SubmitUncertain: It cannot be told.
        """
        taken = {*taken, *self._unmarked.taken(submission.name)}
        try:
            return await look_up(
                self._api,
                submission,
                looks=AFTER_A_RESTART,
                within=_LOOK_UP_SECONDS,
                taken=taken,
            )
        except Unsettled as doubt:
            raise _uncertain(submission, None, doubt) from doubt

    async def _look_up(self, submission: Submission) -> str | None:
        """Return the id of the job that a submission made; None if there is none.

        When this is cancelled because the client closes, it goes on for a bounded time.

        Raises:
            Unsettled: It cannot be told.
        """
        taken = self._unmarked.taken(submission.name)
        try:
            return await look_up(
                self._api,
                submission,
                looks=AFTER_A_FAULT,
                within=_LOOK_UP_SECONDS,
                taken=taken,
            )
        except anyio.get_cancelled_exc_class():
            job_id = None
            with anyio.CancelScope(shield=True):
                job_id = await look_up(
                    self._api,
                    submission,
                    looks=WHILE_CLOSING,
                    within=_CLOSING_SECONDS,
                    taken=taken,
                )
            if job_id is None:
                raise
            return job_id


def _arguments(submission: Submission) -> tuple[dict[str, object], bool]:
    """Return the arguments of SubmitJob, and whether none of them are the user's own words."""
    request = submission.request
    assert request is not None  # noqa: S101 - what is sent was asked for just now
    marks = None if submission.tag is None else {TAG: submission.tag}
    arguments = requests.submit_job(
        request, name=submission.name, queue=submission.queue, marks=marks
    )
    return arguments, not request.extra


def _uncertain(submission: Submission, fault: APIError | None, doubt: Unsettled) -> SubmitUncertain:
    return SubmitUncertain(
        submission.name,
        submission.queue,
        submission.mark,
        fault,
        job_definition=submission.job_definition,
        since=datetime.fromtimestamp(submission.since, UTC),
        until=datetime.fromtimestamp(wall_clock(), UTC),
        doubt=str(doubt),
    )


class _Unmarked:
    """Submissions that nothing marks: whose turn it is, by name, and which jobs they made."""

    def __init__(self) -> None:
        self._turns: defaultdict[str, anyio.Lock] = defaultdict(anyio.Lock)
        self._taken: defaultdict[str, set[str]] = defaultdict(set)

    def turn(self, name: str) -> anyio.Lock:
        """Return the lock of a name."""
        return self._turns[name]

    def take(self, name: str, job_id: str) -> None:
        """Remember whose job it is."""
        self._taken[name].add(job_id)

    def taken(self, name: str) -> set[str]:
        """Return the ids of the jobs that submissions of a name made."""
        return self._taken.get(name, set())
