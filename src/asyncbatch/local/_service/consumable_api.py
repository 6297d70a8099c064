"""The operations of AWS Batch on consumable resources."""

from collections.abc import Callable
from typing import Any

from asyncbatch.local._engine.consumables import Consumable, Consumables
from asyncbatch.local._engine.engine import Engine
from asyncbatch.local._engine.errors import not_supported
from asyncbatch.local._engine.limits import DESCRIBED_RESOURCES, page_size
from asyncbatch.local._service.messages import Call
from asyncbatch.local._service.paging import take_page
from asyncbatch.local._time.clock import Clock, epoch_milliseconds

Result = dict[str, Any]


class ConsumableApi:
    """Manages consumable resources."""

    def __init__(self, consumables: Consumables, engine: Engine, clock: Clock) -> None:
        self._consumables = consumables
        self._engine = engine
        self._clock = clock

    def handlers(self) -> dict[str, Callable[[Call], Result]]:
        """Return the handler of each operation."""
        return {
            "CreateConsumableResource": self.create,
            "DescribeConsumableResource": self.describe,
            "ListConsumableResources": self.list_all,
            "UpdateConsumableResource": self.update,
            "DeleteConsumableResource": self.delete,
        }

    def create(self, call: Call) -> Result:
        """Carry out CreateConsumableResource."""
        return _name(self._consumables.create(call.params, epoch_milliseconds(self._clock)))

    def describe(self, call: Call) -> Result:
        """Carry out DescribeConsumableResource."""
        resource = self._consumables.get(call.params["consumableResource"])
        return {
            **_summary(resource),
            "availableQuantity": resource.available,
            "createdAt": resource.created_at,
            "tags": dict(resource.tags),
        }

    def list_all(self, call: Call) -> Result:
        """Carry out ListConsumableResources: the newest first."""
        if call.params.get("filters"):
            raise not_supported("filters of ListConsumableResources")
        size = page_size(call.params.get("maxResults"), DESCRIBED_RESOURCES)
        newest_first = reversed(list(self._consumables))
        page, token = take_page(newest_first, size, call.params.get("nextToken"))
        listed: Result = {"consumableResources": [_summary(each) for each in page]}
        return listed if token is None else {**listed, "nextToken": token}

    def update(self, call: Call) -> Result:
        """Carry out UpdateConsumableResource; jobs that wait may start then."""
        params = call.params
        resource = self._consumables.update(
            params["consumableResource"], params.get("operation", "SET"), params.get("quantity", 0)
        )
        self._engine.resources_changed()
        return {**_name(resource), "totalQuantity": resource.total}

    def delete(self, call: Call) -> Result:
        """Carry out DeleteConsumableResource."""
        self._consumables.delete(call.params["consumableResource"])
        return {}


def _name(resource: Consumable) -> Result:
    return {
        "consumableResourceName": resource.name,
        "consumableResourceArn": resource.arn,
    }


def _summary(resource: Consumable) -> Result:
    return {
        **_name(resource),
        "resourceType": resource.type,
        "totalQuantity": resource.total,
        "inUseQuantity": resource.in_use,
    }
