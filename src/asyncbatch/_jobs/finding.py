"""Which calls find jobs, and which of the listed jobs were asked for: pure.

ListJobs takes one filter. With a filter it returns jobs in all states, 100 with a call; without
one, jobs in one state, 1,000 with a call. Only a share identifier may be combined with a state. So
the most selective condition is left to AWS, and the others are checked here.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ListJobs.html
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from asyncbatch._values import checks
from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.status import JobStatus

Listing = tuple[tuple[str, str] | None, JobStatus | None]
"""Arguments of one ListJobs: name and value of a filter, and a state."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """Conditions of jobs; None is no condition.

    Attributes:
        name: Job name in any case, or its beginning with a ``*``.
        definition: Job definition: a name, its beginning with a ``*``, name:revision, or an ARN.
        created_after: Jobs created later.
        created_before: Jobs created earlier.
        share_identifier: Share identifier.
        states: States.
        all_states: Whether the states are all that exist, also those that AWS adds.
    """

    name: str | None
    definition: str | None
    created_after: datetime | None
    created_before: datetime | None
    share_identifier: str | None
    states: tuple[JobStatus, ...]
    all_states: bool

    def listings(self) -> Iterator[Listing]:
        """Return the arguments of the ListJobs calls."""
        condition = self._condition()
        takes_states = condition is None or condition[0] == "SHARE_IDENTIFIER"
        if takes_states and not (condition is not None and self.all_states):
            yield from ((condition, state) for state in self.states)
        else:
            yield condition, None

    def _condition(self) -> tuple[str, str] | None:
        """Return the filter for AWS: the condition that the fewest jobs meet, as a rule."""
        if self.name is not None:
            return "JOB_NAME", self.name
        if self.definition is not None:
            return "JOB_DEFINITION", _without_revision(self.definition)
        if self.share_identifier is not None:
            return "SHARE_IDENTIFIER", self.share_identifier
        if self.created_after is not None:
            # AWS compares milliseconds, and excludes the moment itself.
            return "AFTER_CREATED_AT", str(_milliseconds(self.created_after) - 1)
        if self.created_before is not None and self.all_states:
            return "BEFORE_CREATED_AT", str(_milliseconds(self.created_before) + 1)
        return None

    def matches(self, job: JobDescription) -> bool:
        """Return whether a listed job meets all conditions."""
        return (
            (self.all_states or job.status in self.states)
            and _is_like(self.name, job.name, ignore_case=True)
            and _is_of(self.definition, job.job_definition or "")
            and self._is_in_time(job.created_at)
            and self.share_identifier in (None, job.share_identifier)
        )

    def _is_in_time(self, created_at: datetime | None) -> bool:
        if created_at is None:
            return self.created_after is None and self.created_before is None
        return (self.created_after is None or created_at >= self.created_after) and (
            self.created_before is None or created_at < self.created_before
        )


def search(
    *,
    name: str | None,
    definition: str | None,
    created_after: datetime | timedelta | None,
    created_before: datetime | timedelta | None,
    share_identifier: str | None,
    states: tuple[JobStatus, ...] | None,
) -> Search:
    """Return checked conditions.

    Raises:
        InvalidRequest: A value breaks a rule.
    """
    checks.optional_text("name", name, at_most=2048)
    checks.optional_text("definition", definition, at_most=2048)
    checks.optional_share_identifier(share_identifier)
    after = None if created_after is None else checks.moment("created_after", created_after)
    before = None if created_before is None else checks.moment("created_before", created_before)
    if after is not None and before is not None and before <= after:
        raise InvalidRequest("created_before", before, f"must be later than created_after={after}")
    return Search(
        name=name,
        definition=definition,
        created_after=after,
        created_before=before,
        share_identifier=share_identifier,
        states=tuple(JobStatus) if states is None else states,
        all_states=states is None,
    )


def _milliseconds(moment: datetime) -> int:
    return max(1, int(moment.timestamp() * 1000))


def _without_revision(definition: str) -> str:
    """Return what AWS can filter by: it knows revisions in ARNs only."""
    return definition if definition.startswith("arn:") else definition.partition(":")[0]


def _is_like(wanted: str | None, text: str, *, ignore_case: bool = False) -> bool:
    """Return whether a text is the wanted one, or begins with it where that ends with a ``*``."""
    if wanted is None:
        return True
    if ignore_case:
        wanted, text = wanted.lower(), text.lower()
    return text.startswith(wanted[:-1]) if wanted.endswith("*") else text == wanted


def _is_of(definition: str | None, arn: str) -> bool:
    if definition is None or definition.startswith("arn:"):
        return definition in (None, arn, arn.rpartition(":")[0])
    full = arn.rpartition("/")[2]
    return _is_like(definition, full if ":" in definition else full.partition(":")[0])
