"""The operations of AWS Batch on scheduling policies."""

from collections.abc import Callable
from typing import Any

from asyncbatch.local._engine.errors import client_error
from asyncbatch.local._engine.queues import JobQueues
from asyncbatch.local._engine.scheduling_policies import SchedulingPolicies, SchedulingPolicy
from asyncbatch.local._service.messages import Call

Result = dict[str, Any]


class PolicyApi:
    """Manages scheduling policies."""

    def __init__(self, policies: SchedulingPolicies, queues: JobQueues) -> None:
        self._policies = policies
        self._queues = queues

    def handlers(self) -> dict[str, Callable[[Call], Result]]:
        """Return the handler of each operation."""
        return {
            "CreateSchedulingPolicy": self.create,
            "UpdateSchedulingPolicy": self.update,
            "DeleteSchedulingPolicy": self.delete,
            "DescribeSchedulingPolicies": self.describe,
            "ListSchedulingPolicies": self.list_all,
        }

    def create(self, call: Call) -> Result:
        """Carry out CreateSchedulingPolicy."""
        policy = self._policies.create(call.params)
        return {"name": policy.name, "arn": policy.arn}

    def update(self, call: Call) -> Result:
        """Carry out UpdateSchedulingPolicy."""
        self._policies.update(call.params)
        return {}

    def delete(self, call: Call) -> Result:
        """Carry out DeleteSchedulingPolicy; a policy of a queue is kept."""
        arn = call.params["arn"]
        if any(queue.policy is not None and queue.policy.arn == arn for queue in self._queues):
            raise client_error(f"Cannot delete, SchedulingPolicy {arn} is used by a job queue.")
        self._policies.delete(arn)
        return {}

    def describe(self, call: Call) -> Result:
        """Carry out DescribeSchedulingPolicies."""
        found = (self._policies.find(arn) for arn in call.params["arns"])
        return {"schedulingPolicies": [_detail(policy) for policy in found if policy is not None]}

    def list_all(self, _call: Call) -> Result:
        """Carry out ListSchedulingPolicies, in one page."""
        return {"schedulingPolicies": [{"arn": policy.arn} for policy in self._policies]}


def _detail(policy: SchedulingPolicy) -> Result:
    shares = [dict(entry) for entry in policy.shares]
    return {
        "name": policy.name,
        "arn": policy.arn,
        "fairsharePolicy": {"shareDistribution": shares},
        "tags": dict(policy.tags),
    }
