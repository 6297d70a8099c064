"""What the journal knows of one submission, and which submissions are the same."""

import enum
import hashlib
import json
from dataclasses import dataclass
from typing import Any

from asyncbatch._aws.wire import requests
from asyncbatch._values.requests import JobRequest


class EntryState(enum.StrEnum):
    """How far a submission has come, as far as the journal was told."""

    INTENT = "INTENT"
    """SubmitJob may have been sent; whether AWS accepted it is not known."""
    SUBMITTED = "SUBMITTED"
    """AWS accepted it; its end is not known."""
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    LOST = "LOST"
    """AWS did not answer for it any more."""


ENDED = frozenset({EntryState.SUCCEEDED, EntryState.FAILED})


@dataclass(slots=True, kw_only=True)
class Entry:
    """One submission.

    Attributes:
        number: Its place in the journal, from 1 on.
        identity: What makes a request the same as another: its key, or a hash of its content.
        ordinal: Which one of several equal requests of one run it is, from 0 on.
        state: How far it has come.
        name: Job name.
        queue: Job queue, as it was named.
        job_definition: Job definition, as it was named.
        has_unique_name: Whether nobody else uses the name.
        tag: Value of the tag that marks it; None where it has none.
        array_size: Number of children; None for a job that is no array.
        since: When it was begun, in seconds since the epoch.
        job_id: Job id; None until AWS has given one.
        is_end_told: Whether observers of this program have heard of its end.
    """

    number: int
    identity: str
    ordinal: int
    state: EntryState
    name: str
    queue: str
    job_definition: str
    has_unique_name: bool
    tag: str | None
    array_size: int | None
    since: float
    job_id: str | None = None
    is_end_told: bool = False


def identity_of(request: JobRequest) -> str:
    """Return what makes a request the same as another one: its key, or a hash of its content.

    It says the same in every run and on every machine, as long as the request says the same.

    Raises:
        InvalidRequest: The request is larger than AWS takes.
    """
    if request.key is not None:
        return f"key:{request.key}"
    content: dict[str, Any] = requests.submit_job(
        request, name=request.name or "", queue=request.queue or ""
    )
    if overrides := content.get("containerOverrides"):
        variables = sorted(overrides.get("environment", ()), key=lambda each: str(each["name"]))
        content = {**content, "containerOverrides": {**overrides, "environment": variables}}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
