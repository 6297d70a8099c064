"""Compute environments and snapshots of queues: members that are read, kept, odd or missing."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from asyncbatch._aws.wire import resources, responses
from asyncbatch._aws.wire.sharing import SharedValues
from asyncbatch._values.resources import ComputeEnvironment, QueueSnapshot
from tests.fixtures import losses, shapes
from tests.fixtures.odd_values import ODD_VALUES

ENVIRONMENT: dict[str, Any] = {
    "computeEnvironmentName": "spot",
    "computeEnvironmentArn": "arn:aws:batch:eu-west-1:123456789012:compute-environment/spot",
    "type": "MANAGED",
    "state": "ENABLED",
    "status": "INVALID",
    "statusReason": "CLIENT_ERROR - You are not authorized",
    "computeResources": {
        "type": "SPOT",
        "minvCpus": 0,
        "maxvCpus": 16,
        "desiredvCpus": 4,
        "instanceTypes": ["c5.large", "c5.xlarge"],
    },
}
DEFINITION: dict[str, Any] = {
    "jobDefinitionName": "etl",
    "jobDefinitionArn": "arn:aws:batch:eu-west-1:123456789012:job-definition/etl:3",
    "revision": 3,
    "type": "container",
    "platformCapabilities": ["FARGATE"],
    "containerProperties": {
        "image": "etl:3",
        "environment": [{"name": "KEY", "value": "secret"}],
        "resourceRequirements": [
            {"type": "VCPU", "value": "2"},
            {"type": "MEMORY", "value": "512"},
        ],
    },
    "timeout": {"attemptDurationSeconds": 60},
    "retryStrategy": {"attempts": 2},
}
SNAPSHOT: dict[str, Any] = {
    "frontOfQueue": {
        "jobs": [
            {"jobArn": "arn:aws:batch:eu-west-1:123456789012:job/a-1", "earliestTimeAtPosition": 1},
            {"jobArn": "arn:aws:batch:eu-west-1:123456789012:job/a-2:7"},
        ],
        "lastUpdatedAt": 1_700_000_000_000,
    },
    "queueUtilization": {
        "totalCapacityUsage": [{"capacityUnit": "VCPU", "quantity": 12.5}],
        "fairshareUtilization": {
            "topCapacityUtilization": [
                {
                    "shareIdentifier": "red",
                    "capacityUsage": [{"capacityUnit": "VCPU", "quantity": 8}],
                }
            ]
        },
    },
}


def test_compute_environment_is_read() -> None:
    environment = resources.compute_environment(ENVIRONMENT)
    assert (environment.name, environment.provider) == ("spot", "SPOT")
    assert (environment.min_vcpus, environment.desired_vcpus, environment.max_vcpus) == (0, 4, 16)
    assert environment.instance_types == ("c5.large", "c5.xlarge")
    assert (environment.takes_jobs, environment.is_spot, environment.is_fargate) == (
        *(False, True, False),
    )


def test_compute_environment_keeps_every_member() -> None:
    answer = shapes.filled(
        shapes.output_shape("DescribeComputeEnvironments", "computeEnvironments")
    )
    kept = set(losses.leaf_texts(resources.compute_environment(answer)))
    assert [leaf for _, leaf in shapes.leaves(answer) if str(leaf) not in kept] == []


def test_registered_definition_is_read() -> None:
    definition = resources.registered_definition(DEFINITION, SharedValues())
    assert (definition.name, definition.revision, definition.type) == ("etl", 3, "container")
    (container,) = definition.containers
    assert (container.image, container.vcpus, container.memory_mib) == ("etl:3", 2.0, 512)
    assert (definition.attempt_timeout, definition.attempts) == (timedelta(minutes=1), 2)
    assert definition.platforms == ("FARGATE",)
    assert "secret" not in repr(definition)


def test_registered_definition_keeps_every_member() -> None:
    answer = shapes.filled(shapes.output_shape("DescribeJobDefinitions", "jobDefinitions"))
    kept = set(losses.leaf_texts(resources.registered_definition(answer, SharedValues())))
    assert [leaf for _, leaf in shapes.leaves(answer) if str(leaf) not in kept] == []


@pytest.mark.parametrize("odd", ODD_VALUES, ids=repr)
def test_members_of_a_registered_definition_may_be_anything(odd: object) -> None:
    for member in DEFINITION.keys() - {"jobDefinitionName", "jobDefinitionArn", "revision"}:
        answer = resources.registered_definition({**DEFINITION, member: odd}, SharedValues())
        assert answer.name == "etl"
    with pytest.raises(responses.Unreadable):
        resources.registered_definition(odd, SharedValues())  # type: ignore[arg-type]


def test_snapshot_is_read() -> None:
    snapshot = resources.queue_snapshot(SNAPSHOT)
    assert [job.job_id for job in snapshot.front] == ["a-1", "a-2:7"]
    assert snapshot.position_of("a-2:7") == 2
    assert snapshot.position_of("a-3") is None
    assert snapshot.updated_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert snapshot.capacity_used == {"VCPU": 12.5}
    assert snapshot.capacity_by_share == {"red": 8.0}


def test_empty_snapshot_is_read() -> None:
    assert resources.queue_snapshot({}) == QueueSnapshot()


@pytest.mark.parametrize("odd", ODD_VALUES, ids=repr)
def test_members_may_be_anything(odd: object) -> None:
    for member in ("status", "statusReason", "type", "computeResources"):
        answer = resources.compute_environment({**ENVIRONMENT, member: odd})
        assert isinstance(answer, ComputeEnvironment)
    for member in ("type", "minvCpus", "maxvCpus", "desiredvCpus", "instanceTypes"):
        members = {**ENVIRONMENT["computeResources"], member: odd}
        answer = resources.compute_environment({**ENVIRONMENT, "computeResources": members})
        assert answer.max_vcpus in {16, None} or member == "maxvCpus"
    with pytest.raises(responses.Unreadable):
        resources.compute_environment(odd)  # type: ignore[arg-type]
    queue = {"jobQueueName": "q", "jobQueueArn": "arn", "state": "ENABLED"}
    orders = (odd, [odd], [{"order": odd, "computeEnvironment": "a"}])
    for order in orders:
        assert responses.job_queue({**queue, "computeEnvironmentOrder": order}).name == "q"


@pytest.mark.parametrize("odd", ODD_VALUES, ids=repr)
def test_members_of_a_snapshot_may_be_anything(odd: object) -> None:
    for answer in (
        {"frontOfQueue": odd},
        {"frontOfQueue": {"jobs": odd}},
        {"frontOfQueue": {"jobs": [odd, {"jobArn": odd}]}},
        {"queueUtilization": odd},
        {"queueUtilization": {"totalCapacityUsage": [odd, {"quantity": odd}]}},
        {"queueUtilization": {"fairshareUtilization": {"topCapacityUtilization": [odd]}}},
    ):
        assert isinstance(resources.queue_snapshot(answer), QueueSnapshot)
