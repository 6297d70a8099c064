"""Job definitions: names, revisions, and how a job refers to a revision."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from asyncbatch.local._engine.errors import client_error
from asyncbatch.local._engine.ids import BATCH_ARN, batch_arn, number_of
from asyncbatch.local._engine.limits import MIN_TIMEOUT_SECONDS, check_tags, is_name
from asyncbatch.local._engine.retry import parse_retry_strategy

_ARN = f"{BATCH_ARN}job-definition/"
_KINDS = ("containerProperties", "ecsProperties", "eksProperties", "nodeProperties")


@dataclass(slots=True, kw_only=True, eq=False)
class JobDefinition:
    """One revision of a job definition.

    Attributes:
        name: Name without the revision.
        revision: Number of the revision, starting at 1.
        body: The RegisterJobDefinition request without name and tags.
        tags: Tags of this revision.
        active: False after it was deregistered.
    """

    name: str
    revision: int
    body: Mapping[str, Any]
    tags: dict[str, str] = field(default_factory=dict)
    active: bool = True

    @property
    def arn(self) -> str:
        """The ARN, with the revision."""
        return batch_arn("job-definition", f"{self.name}:{self.revision}")


class JobDefinitions:
    """All job definitions, by name and revision."""

    def __init__(self) -> None:
        self._revisions: dict[str, list[JobDefinition]] = {}
        self._in_order: list[JobDefinition] = []

    def register(self, request: Mapping[str, Any]) -> JobDefinition:
        """Add the next revision of a name.

        Raises:
            ServiceError: The request is invalid.
        """
        body = {
            key: value for key, value in request.items() if key not in {"jobDefinitionName", "tags"}
        }
        name = request["jobDefinitionName"]
        _check(name, body)
        tags = dict(request.get("tags", {}))
        check_tags(tags)
        revisions = self._revisions.setdefault(name, [])
        body = {"parameters": {}, **body}
        definition = JobDefinition(name=name, revision=len(revisions) + 1, body=body, tags=tags)
        revisions.append(definition)
        self._in_order.append(definition)
        return definition

    def deregister(self, reference: str) -> None:
        """Make a revision INACTIVE; jobs that were submitted with it are not affected."""
        name, revision = _split(reference)
        if revision is None:
            raise client_error(f"JobDefinition {reference} must be given with its revision.")
        definition = self._revision(name, revision)
        if definition is None:
            raise client_error(f"JobDefinition {reference} does not exist.")
        definition.active = False

    def for_job(self, reference: str) -> JobDefinition:
        """Return the revision that a job refers to: by default, the latest ACTIVE one.

        Raises:
            ServiceError: There is no such revision, or it is INACTIVE.
        """
        name, revision = _split(reference)
        found = self._latest(name) if revision is None else self._revision(name, revision)
        if found is not None and found.active:
            return found
        # AWS has different messages for a name and for an ARN.
        if reference.startswith("arn:"):
            raise client_error(f"JobDefinition {reference} not found.")
        raise client_error(
            f"JobDefinition name {reference} does not exist or is not in ACTIVE status"
        )

    def find(self, reference: str) -> JobDefinition | None:
        """Return the revision with this `name:revision` or ARN, ACTIVE or not."""
        name, revision = _split(reference)
        return None if revision is None else self._revision(name, revision)

    def newest_first(self, *, name: str | None = None) -> Iterable[JobDefinition]:
        """Return every revision, or every revision of one name, the last registered first."""
        return reversed(self._in_order if name is None else self._revisions.get(name, []))

    def _latest(self, name: str) -> JobDefinition | None:
        revisions = reversed(self._revisions.get(name, []))
        return next((definition for definition in revisions if definition.active), None)

    def _revision(self, name: str, revision: int) -> JobDefinition | None:
        revisions = self._revisions.get(name, [])
        return revisions[revision - 1] if 0 < revision <= len(revisions) else None


def _split(reference: str) -> tuple[str, int | None]:
    """Split `name`, `name:revision` or an ARN into the name and the revision, if there is one."""
    name, _, revision = reference.removeprefix(_ARN).rpartition(":")
    if not name:
        return revision, None
    number = number_of(revision)
    return (reference, None) if number is None else (name, number)


def _check(name: str, body: Mapping[str, Any]) -> None:
    if not is_name(name):
        raise client_error("Job definition name should match valid pattern")
    if body["type"] not in {"container", "multinode"}:
        raise client_error(f"Job definition type {body['type']} is not supported.")
    if sum(kind in body for kind in _KINDS) != 1:
        raise client_error(f"Exactly one of {', '.join(_KINDS)} must be specified.")
    if "containerProperties" in body:
        _check_container(body["containerProperties"])
    parse_retry_strategy(body.get("retryStrategy"))
    check_timeout(body.get("timeout"))


def _check_container(container: Mapping[str, Any]) -> None:
    if not container.get("image"):
        raise client_error("Container image should not be empty.")
    required_types = {entry["type"] for entry in container.get("resourceRequirements", [])}
    if "VCPU" not in required_types and not container.get("vcpus"):
        raise client_error("Container vcpus should be provided.")
    if "MEMORY" not in required_types and not container.get("memory"):
        raise client_error("Container memory should be provided.")


def check_timeout(timeout: Mapping[str, int] | None) -> None:
    """Raise an error for a timeout below AWS's minimum of 60 seconds."""
    seconds = (timeout or {}).get("attemptDurationSeconds")
    if seconds is not None and seconds < MIN_TIMEOUT_SECONDS:
        raise client_error(
            f"Job timeout attemptDurationSeconds {seconds} must be at least"
            f" {MIN_TIMEOUT_SECONDS} seconds."
        )
