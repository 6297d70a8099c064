"""Consumable resources: quantities, such as licences, that jobs need besides vCPUs and GPUs.

A job holds what it needs from STARTING until it has SUCCEEDED or FAILED, between two attempts as
well. What it held of a REPLENISHABLE resource is available again then; a NON_REPLENISHABLE one is
used up.

Source: https://docs.aws.amazon.com/batch/latest/userguide/resource-aware-scheduling.html
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from asyncbatch.local._engine.errors import client_error
from asyncbatch.local._engine.ids import batch_arn, resource_name
from asyncbatch.local._engine.jobs import Job
from asyncbatch.local._engine.limits import check_tags, is_name

_KIND = "consumable-resource"
_TYPES = (_REPLENISHABLE, _NON_REPLENISHABLE) = ("REPLENISHABLE", "NON_REPLENISHABLE")
_OPERATIONS = ("SET", "ADD", "REMOVE")


@dataclass(slots=True, kw_only=True, eq=False)
class Consumable:
    """A consumable resource.

    Attributes:
        name: Unique name.
        type: REPLENISHABLE or NON_REPLENISHABLE.
        total: Total quantity; without what was used up.
        created_at: When it was created, in milliseconds since the epoch.
        in_use: Quantity that jobs hold.
        tags: Tags of the resource.
    """

    name: str
    type: str
    total: int
    created_at: int
    in_use: int = 0
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def arn(self) -> str:
        """The ARN."""
        return batch_arn(_KIND, self.name)

    @property
    def available(self) -> int:
        """Quantity that a job may take; 0 where the total was reduced below what is in use."""
        return max(self.total - self.in_use, 0)


class Consumables:
    """All consumable resources by name."""

    def __init__(self) -> None:
        self._by_name: dict[str, Consumable] = {}

    def __iter__(self) -> Iterator[Consumable]:
        return iter(self._by_name.values())

    def find(self, reference: str) -> Consumable | None:
        """Return the resource with this name or ARN."""
        return self._by_name.get(resource_name(reference, _KIND))

    def get(self, reference: str) -> Consumable:
        """Return the resource with this name or ARN.

        Raises:
            ServiceError: There is no such resource.
        """
        resource = self.find(reference)
        if resource is None:
            raise client_error(f"ConsumableResource {reference} does not exist.")
        return resource

    def create(self, request: Mapping[str, Any], created_at: int) -> Consumable:
        """Create a resource.

        Raises:
            ServiceError: The request is invalid, or the name is taken.
        """
        name, tags = request["consumableResourceName"], dict(request.get("tags", {}))
        if not is_name(name):
            raise client_error("Consumable resource name should match valid pattern")
        if name in self._by_name:
            raise client_error(f"Object already exists: {name}")
        kind, total = request.get("resourceType", _REPLENISHABLE), request.get("totalQuantity", 0)
        if kind not in _TYPES:
            raise client_error(f"Resource type {kind} should be one of {', '.join(_TYPES)}.")
        _check_quantity(total)
        check_tags(tags)
        resource = Consumable(name=name, type=kind, total=total, created_at=created_at, tags=tags)
        self._by_name[name] = resource
        return resource

    def update(self, reference: str, operation: str, quantity: int) -> Consumable:
        """Change the total quantity of a resource.

        Raises:
            ServiceError: There is no such resource, or the request is invalid.
        """
        resource = self.get(reference)
        if operation not in _OPERATIONS:
            raise client_error(f"Operation {operation} should be one of {', '.join(_OPERATIONS)}.")
        _check_quantity(quantity)
        totals = {
            "SET": quantity,
            "ADD": resource.total + quantity,
            "REMOVE": resource.total - quantity,
        }
        _check_quantity(totals[operation])
        resource.total = totals[operation]
        return resource

    def delete(self, reference: str) -> None:
        """Delete a resource; nothing happens if there is none. Jobs that need it do not start."""
        self._by_name.pop(resource_name(reference, _KIND), None)

    def require(self, needs: Mapping[str, int]) -> None:
        """Raise an error unless all resources that a job needs exist.

        Raises:
            ServiceError: One does not exist.
        """
        for reference in needs:
            self.get(reference)

    def take(self, job: Job) -> bool:
        """Give a job what it needs, unless it has that; return whether it has."""
        if job.consumed or not job.spec.consumables:  # it has kept them since an earlier attempt
            return True
        needs = [(self.find(each), quantity) for each, quantity in job.spec.consumables.items()]
        taken = [(each, quantity) for each, quantity in needs if each is not None]
        if len(taken) < len(needs) or any(each.available < quantity for each, quantity in taken):
            return False
        for resource, quantity in taken:
            if resource.type == _NON_REPLENISHABLE:
                resource.total -= quantity
            else:
                resource.in_use += quantity
        job.consumed = True
        return True

    def give_back(self, job: Job) -> None:
        """Make available what an ended job has held."""
        if not job.consumed:
            return
        job.consumed = False
        for reference, quantity in job.spec.consumables.items():
            resource = self.find(reference)
            if resource is not None and resource.type == _REPLENISHABLE:
                resource.in_use = max(resource.in_use - quantity, 0)  # it may be another one


def _check_quantity(quantity: int) -> None:
    if quantity < 0:
        raise client_error(f"Quantity {quantity} should be 0 or more.")
