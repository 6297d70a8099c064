"""The operations of AWS Batch on queues, job definitions, compute environments and tags."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from asyncbatch.local._engine.definitions import JobDefinition, JobDefinitions
from asyncbatch.local._engine.engine import Engine
from asyncbatch.local._engine.errors import client_error
from asyncbatch.local._engine.ids import resource_name
from asyncbatch.local._engine.job_store import JobStore
from asyncbatch.local._engine.limits import (
    DEFINITION_BYTES,
    DESCRIBED_RESOURCES,
    check_count,
    check_size,
    check_tags,
    page_size,
)
from asyncbatch.local._engine.queues import (
    COMPUTE_ENVIRONMENT,
    JobQueue,
    JobQueues,
)
from asyncbatch.local._service.descriptions import (
    compute_environment_detail,
    definition_detail,
    queue_detail,
)
from asyncbatch.local._service.messages import Call
from asyncbatch.local._service.paging import take_page

Result = dict[str, Any]


class ResourceApi:
    """Manages the resources that jobs refer to."""

    def __init__(
        self,
        *,
        engine: Engine,
        queues: JobQueues,
        definitions: JobDefinitions,
        jobs: JobStore,
        vcpus: int,
    ) -> None:
        self._engine = engine
        self._queues = queues
        self._definitions = definitions
        self._jobs = jobs
        self._vcpus = vcpus

    def handlers(self) -> dict[str, Callable[[Call], Result]]:
        """Return the handler of each operation."""
        return {
            "RegisterJobDefinition": self.register_job_definition,
            "DeregisterJobDefinition": self.deregister_job_definition,
            "DescribeJobDefinitions": self.describe_job_definitions,
            "CreateJobQueue": self.create_job_queue,
            "UpdateJobQueue": self.update_job_queue,
            "DeleteJobQueue": self.delete_job_queue,
            "DescribeJobQueues": self.describe_job_queues,
            "DescribeComputeEnvironments": self.describe_compute_environments,
            "TagResource": self.tag_resource,
            "UntagResource": self.untag_resource,
            "ListTagsForResource": self.list_tags_for_resource,
        }

    def register_job_definition(self, call: Call) -> Result:
        """Carry out RegisterJobDefinition."""
        check_size("The job definition", call.body, DEFINITION_BYTES)
        definition = self._definitions.register(call.params)
        return {
            "jobDefinitionName": definition.name,
            "jobDefinitionArn": definition.arn,
            "revision": definition.revision,
        }

    def deregister_job_definition(self, call: Call) -> Result:
        """Carry out DeregisterJobDefinition."""
        self._definitions.deregister(call.params["jobDefinition"])
        return {}

    def describe_job_definitions(self, call: Call) -> Result:
        """Carry out DescribeJobDefinitions."""
        found = self._chosen_definitions(call.params)
        status = call.params.get("status")
        details = (definition_detail(definition) for definition in found)
        wanted = (item for item in details if status in {None, item["status"]})
        return _page("jobDefinitions", wanted, call.params)

    def create_job_queue(self, call: Call) -> Result:
        """Carry out CreateJobQueue."""
        return _named(self._queues.create(call.params))

    def update_job_queue(self, call: Call) -> Result:
        """Carry out UpdateJobQueue."""
        return _named(self._queues.update(call.params["jobQueue"], call.params))

    def delete_job_queue(self, call: Call) -> Result:
        """Carry out DeleteJobQueue; its jobs are terminated."""
        queue = self._queues.delete(call.params["jobQueue"])
        if queue is not None:
            self._engine.drop_queue(queue)
        return {}

    def describe_job_queues(self, call: Call) -> Result:
        """Carry out DescribeJobQueues."""
        references = call.params.get("jobQueues", [])
        check_count("job queues", references, DESCRIBED_RESOURCES)
        if references:
            found = dict.fromkeys(self._queues.find(reference) for reference in references)
            queues = [queue for queue in found if queue is not None]
        else:
            queues = list(reversed(list(self._queues)))
        return _page("jobQueues", (queue_detail(queue) for queue in queues), call.params)

    def describe_compute_environments(self, call: Call) -> Result:
        """Carry out DescribeComputeEnvironments; there is exactly one."""
        references = call.params.get("computeEnvironments", [])
        names = {resource_name(reference, "compute-environment") for reference in references}
        known = [compute_environment_detail(self._vcpus)]
        wanted = known if not references or COMPUTE_ENVIRONMENT in names else []
        return _page("computeEnvironments", wanted, call.params)

    def tag_resource(self, call: Call) -> Result:
        """Carry out TagResource."""
        tags = self._tags(call.params["resourceArn"])
        check_tags({**tags, **call.params["tags"]})
        tags.update(call.params["tags"])
        return {}

    def untag_resource(self, call: Call) -> Result:
        """Carry out UntagResource."""
        tags = self._tags(call.params["resourceArn"])
        for key in call.params["tagKeys"]:
            tags.pop(key, None)
        return {}

    def list_tags_for_resource(self, call: Call) -> Result:
        """Carry out ListTagsForResource."""
        return {"tags": dict(self._tags(call.params["resourceArn"]))}

    def _chosen_definitions(self, params: Mapping[str, Any]) -> Iterable[JobDefinition]:
        references = params.get("jobDefinitions", [])
        if not references:
            return self._definitions.newest_first(name=params.get("jobDefinitionName"))
        check_count("job definitions", references, DESCRIBED_RESOURCES)
        found = dict.fromkeys(self._definitions.find(reference) for reference in references)
        return [definition for definition in found if definition is not None]

    def _tags(self, arn: str) -> dict[str, str]:
        # The stores also accept names and ids; tags belong to ARNs only.
        found = arn.startswith("arn:") and (
            self._jobs.find(arn) or self._queues.find(arn) or self._definitions.find(arn)
        )
        if not found:
            raise client_error(f"Resource {arn} not found.")
        return found.tags


def _named(queue: JobQueue) -> Result:
    return {"jobQueueName": queue.name, "jobQueueArn": queue.arn}


def _page(member: str, items: Iterable[Mapping[str, Any]], params: Mapping[str, Any]) -> Result:
    size = page_size(params.get("maxResults"), DESCRIBED_RESOURCES)
    page, token = take_page(items, size, params.get("nextToken"))
    result: Result = {member: page}
    return result if token is None else {**result, "nextToken": token}
