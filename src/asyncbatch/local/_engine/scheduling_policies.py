"""Fair-share scheduling policies: how the shares of a job queue divide its vCPUs.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_FairsharePolicy.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from asyncbatch.local._engine.errors import client_error, not_supported
from asyncbatch.local._engine.ids import batch_arn, resource_name
from asyncbatch.local._engine.limits import check_tags, is_name

_DEFAULT_WEIGHT = 1.0


@dataclass(slots=True, kw_only=True, eq=False)
class SchedulingPolicy:
    """A fair-share policy.

    Attributes:
        name: Unique name.
        shares: `shareDistribution`: the weight factors of share identifiers.
        tags: Tags of the policy.
    """

    name: str
    shares: list[Mapping[str, Any]] = field(default_factory=list)
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """The ARN."""
        return batch_arn("scheduling-policy", self.name)

    def weight(self, share: str) -> float:
        """Return the weight factor of a share; a share with a lower one gets more vCPUs."""
        for entry in self.shares:
            name = entry["shareIdentifier"]
            if share == name or (name.endswith("*") and share.startswith(name[:-1])):
                return float(entry.get("weightFactor", _DEFAULT_WEIGHT))
        return _DEFAULT_WEIGHT


class SchedulingPolicies:
    """All scheduling policies by name."""

    def __init__(self) -> None:
        self._by_name: dict[str, SchedulingPolicy] = {}

    def __iter__(self) -> Iterator[SchedulingPolicy]:
        return iter(self._by_name.values())

    def find(self, arn: str) -> SchedulingPolicy | None:
        """Return the policy with this ARN."""
        return self._by_name.get(resource_name(arn, "scheduling-policy"))

    def get(self, arn: str) -> SchedulingPolicy:
        """Return the policy with this ARN.

        Raises:
            ServiceError: There is no such policy.
        """
        policy = self.find(arn)
        if policy is None:
            raise client_error(f"SchedulingPolicy {arn} does not exist.")
        return policy

    def create(self, request: Mapping[str, Any]) -> SchedulingPolicy:
        """Create a policy.

        Raises:
            ServiceError: The request is invalid, or the name is taken.
        """
        name, tags = request["name"], dict(request.get("tags", {}))
        if not is_name(name):
            raise client_error("Scheduling policy name should match valid pattern")
        if name in self._by_name:
            raise client_error(f"Object already exists: {name}")
        check_tags(tags)
        policy = SchedulingPolicy(name=name, shares=_shares(request), tags=tags)
        self._by_name[name] = policy
        return policy

    def update(self, request: Mapping[str, Any]) -> None:
        """Change the shares of a policy."""
        self.get(request["arn"]).shares = _shares(request)

    def delete(self, arn: str) -> None:
        """Delete a policy; nothing happens if there is none."""
        self._by_name.pop(resource_name(arn, "scheduling-policy"), None)


def _shares(request: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if request.get("quotaSharePolicy"):
        raise not_supported("quota shares")
    policy = request.get("fairsharePolicy", {})
    for member in ("shareDecaySeconds", "computeReservation"):
        if policy.get(member):
            raise not_supported(f"{member} of fair-share policies")
    return list(policy.get("shareDistribution", []))
