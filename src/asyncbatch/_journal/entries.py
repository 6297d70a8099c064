"""What the journal knows of one submission, and which requests are the same."""

import enum
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from asyncbatch._aws.wire import requests
from asyncbatch._values.requests import JobRequest


class EntryState(enum.StrEnum):
    """How far a submission has come, as far as the journal knows."""

    INTENT = "INTENT"
    """SubmitJob may have been sent; it is not known whether AWS accepted it."""
    SUBMITTED = "SUBMITTED"
    """AWS accepted it; the job's end is not known."""
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    LOST = "LOST"
    """AWS no longer knows the job."""


ENDED = frozenset({EntryState.SUCCEEDED, EntryState.FAILED})


@dataclass(slots=True, kw_only=True)
class Entry:
    """One submission.

    Attributes:
        number: Its position in the journal; the first is 1.
        identity: Equal for requests that are the same; see `identity_of`.
        ordinal: Its position among the equal requests of one run; the first is 0.
        state: How far it has come.
        name: Job name.
        queue: Job queue, as the request names it.
        job_definition: Job definition, as the request names it.
        has_unique_name: Whether the name was generated, so that no other submission uses it.
        tag: Value of the tag that marks the job; None if it has none.
        array_size: Number of children; None for a job that is no array.
        since: When the submission began, in seconds since the epoch.
        job_id: Job id; None until AWS has accepted the request.
        decision: Why a recovery policy submitted the job again, as JSON (see `decision_text`);
            None for the first submission of a job.
        is_end_notified: Whether observers of this client were notified of its end; not in the file.
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
    decision: str | None = None
    is_end_notified: bool = False


def decision_text(rule: int | None, changes: Mapping[str, Any], indexes: Sequence[int] = ()) -> str:
    """Return the decision to submit a job again, as an entry keeps it.

    Args:
        rule: Index of the policy's rule that decided; None where a dependency was submitted again.
        changes: Fields of the request that differ from the submission before.
        indexes: Of a part of an array, the indexes of its children in the array.
    """
    decision = {"rule": rule, "changes": dict(changes), "indexes": list(indexes)}
    # Odd keys inside of `extra`, which AWS refuses, must not keep the decision from being written.
    return json.dumps(decision, default=str, skipkeys=True)


def rule_of(decision: str | None) -> int | None:
    """Return the index of the rule that decided; None where none did."""
    if decision is None:
        return None
    rule: int | None = json.loads(decision)["rule"]
    return rule


def changes_of(decision: str | None) -> dict[str, Any]:
    """Return the fields that differ from the submission before, as JSON has their values."""
    return {} if decision is None else dict(json.loads(decision)["changes"])


def indexes_of(decision: str | None) -> list[int]:
    """Return the indexes of a part of an array; empty for other submissions."""
    return [] if decision is None else list(map(int, json.loads(decision)["indexes"]))


_PART = "part:"  # begins the identity of a part of an array


def part_identity(array_id: str, indexes: Sequence[int]) -> str:
    """Return the identity of some children of an array that run again."""
    numbers = ",".join(map(str, indexes))
    return f"{_PART}{array_id}:{hashlib.sha256(numbers.encode()).hexdigest()[:32]}"


def array_of(identity: str) -> str | None:
    """Return the job id of the array that an entry is a part of; None if it is none."""
    if not identity.startswith(_PART):
        return None
    return identity.removeprefix(_PART).rpartition(":")[0]


_KEY = "key:"  # begins the identity of a request with a key


def key_of(identity: str) -> str | None:
    """Return the key of a request; None where its identity is a hash of its content."""
    return identity.removeprefix(_KEY) if identity.startswith(_KEY) else None


def identity_of(request: JobRequest) -> str:
    """Return a text that is equal for equal requests: the key, or a hash of the content.

    A later run recognises a request by it, perhaps on another machine or with another version of
    this package. So it must never change for the same request: the job would be submitted again.

    Raises:
        InvalidRequest: The request is larger than AWS accepts.
    """
    if request.key is not None:
        return f"{_KEY}{request.key}"
    # What SubmitJob would send: fields that are not set do not enter it, so a new field of
    # `JobRequest` changes no identity of a request without it.
    content: dict[str, Any] = requests.submit_job(
        request, name=request.name or "", queue=request.queue or ""
    )
    # The order of environment variables has no meaning; that of all other lists has.
    if overrides := content.get("containerOverrides"):
        variables = sorted(overrides.get("environment", ()), key=lambda each: str(each["name"]))
        content = {**content, "containerOverrides": {**overrides, "environment": variables}}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
