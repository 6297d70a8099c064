"""Sending jobs: accepted, refused, or looked up. Nothing is sent again before that is known.

Theory of operation
-------------------
SubmitJob has no idempotency token. When its response is lost, the job may exist or not, and sending
the request again could run it twice. So each submission carries an identification (`marks`), and
after a lost response it is looked up (`look_up`): a job that is found is the result, and only a
submission whose job is certainly absent is sent again.

A submission is cancelled when it is withdrawn or the client closes. If its request was not sent
yet, it ends there, also in the journal. Otherwise a response that is on its way is waited for, and
a lost one is looked up for a bounded time.
"""

import contextlib
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

import anyio

from asyncbatch._aws.api import API
from asyncbatch._aws.retrying import Arguments
from asyncbatch._aws.wire import requests
from asyncbatch._submitting.added_variables import AddedVariables
from asyncbatch._submitting.known_jobs import KnownJobs
from asyncbatch._submitting.look_up import (
    AFTER_A_FAULT,
    AFTER_A_RESTART,
    WHILE_CLOSING,
    LookUps,
    Unsettled,
)
from asyncbatch._submitting.marks import TAG, Submission, SubmissionLog, nonce, wall_clock
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

_MAX_TAGS = 50
_RETRY_SECONDS = 600.0
"""How long a submission that was certainly not accepted is sent again."""

_NO_VARIABLES: Mapping[str, str] = MappingProxyType({})
_LOOK_UP_SECONDS = 240.0
_CLOSING_SECONDS = 20.0


class Submitter:
    """Submits the jobs of one client.

    Attributes:
        known: The jobs that belong to its submissions.
    """

    def __init__(self, api: API) -> None:
        """Submit through an open connection."""
        self._api = api
        self._may_tag = True
        self.known = KnownJobs()
        self._look_ups = LookUps(api, self.known)
        self._variables = AddedVariables()

    async def submit(
        self,
        request: JobRequest,
        *,
        name: str,
        queue: str,
        log: SubmissionLog | None = None,
        variables: Mapping[str, str] = _NO_VARIABLES,
    ) -> str:
        """Submit a job once and return its id.

        Args:
            request: What to submit.
            name: Its job name; unique exactly if the request has none of its own.
            queue: Name or ARN of the job queue.
            log: Keeps the submission across a crash of the program.
            variables: Environment variables that are added to the call, if they can be. They are no
                part of the request, by which look-ups find its job.

        Raises:
            InvalidRequest: The request is larger than AWS accepts.
            JournalError: It could not be journalled, so it was not sent.
            SubmitUncertain: It may or may not have been accepted, and the look-up did not decide.
            APIError: AWS refused it, or it certainly did not arrive.
        """
        submission = Submission(
            name=name,
            queue=queue,
            job_definition=str(request.job_definition),
            since=wall_clock(),
            has_unique_name=request.name is None,
            request=request,
            log=log,
            settle_by=None if log is None else log.settle_by(name),
            variables=variables,
        )
        try:
            if submission.has_unique_name:
                job_id = await self._send(submission, request)
            elif self._may_tag and _has_room_for_tag(request):
                job_id = await self._send_tagged(submission, request)
            else:
                job_id = await self._send(submission, request)
        except SubmitUncertain:
            raise  # the intent stays in the journal for the next program to settle
        except AsyncBatchError:
            if log is not None:
                log.refused()
            raise
        # Any other end, such as a cancelled look-up, decides nothing either: the intent stays.
        if log is not None:
            log.accepted(job_id)
        return job_id

    async def settle(self, submission: Submission) -> str | None:
        """Return the id of the job that a submission of an earlier program made; None if none.

        Raises:
            SubmitUncertain: It cannot be decided.
        """
        try:
            return await self._look_ups.find(
                submission, attempts=AFTER_A_RESTART, within=_LOOK_UP_SECONDS
            )
        except Unsettled as doubt:
            raise _uncertain(submission, None, doubt) from doubt

    # -- sending ----------------------------------------------------------------------------------

    async def _send_tagged(self, submission: Submission, request: JobRequest) -> str:
        """Submit with a tag, or without one where tagging is not allowed."""
        submission.tag = nonce()
        try:
            return await self._send(submission, request)
        except AccessDenied as refusal:
            submission.tag = None
            try:
                job_id = await self._send(submission, request)
            except AccessDenied:
                raise refusal from None  # the tag is not what was refused
            self._stop_tagging(refusal)
            return job_id

    def _stop_tagging(self, refusal: AccessDenied) -> None:
        if self._may_tag:
            self._may_tag = False
            logger.warning(
                "batch:TagResource denied; after a lost response, jobs with custom names are"
                " matched by name, time and content. Allow batch:TagResource to match them by tag."
                " %s",
                refusal,
            )

    async def _send(self, submission: Submission, request: JobRequest) -> str:
        marks = None if submission.tag is None else {TAG: submission.tag}
        arguments = requests.submit_job(
            request, name=submission.name, queue=submission.queue, marks=marks
        )
        extended = self._variables.added_to(arguments, submission)
        try:
            return await self._send_arguments(submission, request, extended)
        except APIError as refusal:
            if not self._variables.may_be_refused(refusal, arguments, extended):
                raise
            job_id = await self._send_arguments(submission, request, arguments)
            self._variables.note_refused(submission, refusal)
            return job_id

    async def _send_arguments(
        self, submission: Submission, request: JobRequest, arguments: Arguments
    ) -> str:
        is_logged = submission.log is None

        async def build() -> Arguments:
            nonlocal is_logged
            submission.note_sending(wall_clock())
            # Written only when the call may be sent: a killed program leaves few intents to settle.
            if submission.log is not None and not is_logged:
                with anyio.CancelScope(shield=True):  # else it might be written after `refused`
                    await submission.log.intend(submission)
                is_logged = True
            call.enter_context(self.known.sending(submission))
            return arguments

        give_up_at: float | None = None
        while True:
            try:
                # All other arguments are our own and need no check by the SDK's model.
                with contextlib.ExitStack() as call:
                    job_id = await self._api.submit_job(
                        build, validate=requests.needs_model(request)
                    )
                    self.known.accept(submission, job_id, answered_at=anyio.current_time())
                    return job_id
            except anyio.get_cancelled_exc_class():
                # Not sent, or certainly not accepted: a request on its way is not cancelled.
                if submission.log is not None:
                    submission.log.refused()
                raise
            except (ServiceFault, ConnectionFailed) as fault:
                if isinstance(fault, ConnectionFailed) and not fault.may_have_arrived:
                    raise
                give_up_at = give_up_at or anyio.current_time() + _RETRY_SECONDS
                found = await self._look_up_lost(submission, fault)
                if found is not None:
                    return found
                if anyio.current_time() >= give_up_at:
                    fault.add_note("The job was looked up: it does not exist.")
                    raise

    # -- lost responses ---------------------------------------------------------------------------

    async def _look_up_lost(self, submission: Submission, fault: APIError) -> str | None:
        """Return the id of the job whose response was lost; None if it was not accepted.

        Raises:
            SubmitUncertain: That cannot be decided.
        """
        name = submission.name
        logger.warning("SubmitJob response lost; looking up %s: %s", name, fault)
        try:
            job_id = await self._look_up(submission)
        except Unsettled as doubt:
            raise _uncertain(submission, fault, doubt) from fault
        if job_id is None:
            logger.info("SubmitJob was not accepted; retrying %s", name)
        else:
            logger.info("SubmitJob was accepted: %s is job %s", name, job_id)
        return job_id

    async def _look_up(self, submission: Submission) -> str | None:
        """Return the id of the job that a submission made; None if there is none.

        When this is cancelled, it continues for a bounded time.

        Raises:
            Unsettled: It cannot be decided.
        """
        try:
            return await self._look_ups.find(
                submission, attempts=AFTER_A_FAULT, within=_LOOK_UP_SECONDS
            )
        except anyio.get_cancelled_exc_class():
            job_id = None
            with anyio.CancelScope(shield=True):
                job_id = await self._look_ups.find(
                    submission, attempts=WHILE_CLOSING, within=_CLOSING_SECONDS
                )
            if job_id is None:
                raise
            return job_id


def _has_room_for_tag(request: JobRequest) -> bool:
    """Return whether a tag of ours cannot make a legal request illegal.

    AWS fails a job whose tags and those of its definition are more than 50 together, if it
    propagates them. How many the definition has is unknown here, and finding out would cost a call
    and a permission. Where only the definition asks for propagation, that is unknown as well: the
    error of the failed job then names our tag (`_values/failures.py`).
    """
    return (
        not request.propagate_tags
        and len({**request.tags, **request.extra.get("tags", {})}) < _MAX_TAGS
    )


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
        settle_by=submission.settle_by,
    )
