"""What identifies one submission, so that it can be looked up when its response is lost.

A generated job name contains a nonce. Where the caller chose the name, the nonce is the value of a
tag. Where tagging is not allowed either, only time and content identify a submission.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import anyio

from asyncbatch._values.additions import NONCE_BYTES, SUBMISSION_TAG, name_stem
from asyncbatch._values.requests import JobRequest

TAG = SUBMISSION_TAG

MAX_SKEW = 300.0
"""Seconds by which our clock and AWS's may differ: AWS refuses requests beyond that.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""


class SubmissionLog(Protocol):
    """Keeps one submission across a crash of the program: a journal."""

    async def intend(self, submission: "Submission", /) -> None:
        """Write that it is about to be sent; it is sent when this returns."""
        ...

    def settle_by(self, name: str, /) -> str:
        """Return the argument of `resolve_submission` that names it."""
        ...

    def accepted(self, job_id: str, /) -> None:
        """Write the id of its job."""
        ...

    def refused(self) -> None:
        """Write that it made no job."""
        ...


@dataclass(slots=True, kw_only=True)
class Submission:
    """One SubmitJob, and everything by which its job can be found.

    Attributes:
        name: Its job name.
        queue: Name or ARN of its job queue.
        job_definition: Its job definition, as the request names it.
        since: When it was first sent, or was made if it is not sent yet; seconds since the epoch.
        began_at: When it was first sent, by this process's monotonic clock; None before, and if an
            earlier process sent it.
        last_sent_at: When it was last sent, as far as is known, in seconds since the epoch.
        has_unique_name: Whether no other submission uses the name.
        tag: Value of its tag, where the name is not unique; None where it has none.
        request: What is submitted; None where only the journal knows of it.
        log: The journal's part of it; None without a journal.
        twins: Returns how many undecided submissions of earlier programs may be equal to it.
        settle_by: Argument of `resolve_submission` that names it; None without a journal.
        variables: Environment variables to add to the call; no part of its content.
    """

    name: str
    queue: str
    job_definition: str
    since: float
    has_unique_name: bool
    tag: str | None = None
    request: JobRequest | None = None
    log: SubmissionLog | None = None
    began_at: float | None = None
    twins: Callable[[], int] = lambda: 0
    settle_by: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)
    last_sent_at: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin as not sent by this process."""
        self.last_sent_at = self.since

    def note_sending(self, now: float) -> None:
        """Note that it is about to be sent; `now` is in seconds since the epoch."""
        self.last_sent_at = now
        if self.began_at is None:
            self.since, self.began_at = now, anyio.current_time()

    @property
    def mark(self) -> str | None:
        """What identifies it: the name, or ``tag=value``; None where nothing does."""
        if self.has_unique_name:
            return self.name
        return None if self.tag is None else f"{TAG}={self.tag}"


def unique_name(job_definition: str) -> str:
    """Return a job name that shows what runs and that no other submission uses.

    Args:
        job_definition: Name, name:revision, or ARN of the job definition.
    """
    return f"{name_stem(job_definition)}-{nonce()}"


def nonce() -> str:
    """Return a random text that no other submission has."""
    return os.urandom(NONCE_BYTES).hex()


def wall_clock() -> float:
    """Return seconds since the epoch; on a loop of virtual time, those of its own epoch."""
    loop = asyncio.get_running_loop()
    epoch: float | None = getattr(loop, "epoch", None)
    return time.time() if epoch is None else epoch + loop.time()
