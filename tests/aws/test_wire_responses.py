"""Decoding of responses: each kind of job, missing members, unknown members."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from asyncbatch import Container, JobStatus, NodeRange
from asyncbatch._aws.wire import responses
from tests.fixtures.decoding import described, listed

MINIMAL = {"jobId": "j-1", "status": "SUBMITTED"}
QUEUE = "arn:aws:batch:eu-west-1:123456789012:job-queue/default"
DEFINITION = "arn:aws:batch:eu-west-1:123456789012:job-definition/etl:3"
TASK = "arn:aws:ecs:eu-west-1:123456789012:task/cluster/1"
STARTED, STOPPED = 1705312860000, 1705312920000


def at(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


# --- each kind of job --------------------------------------------------------------------------


def test_description_of_a_container_job() -> None:
    description = described(CONTAINER_JOB)
    (container,) = description.containers
    assert (description.name, description.queue, description.job_definition) == (
        "etl-1",
        QUEUE,
        DEFINITION,
    )
    assert (container.vcpus, container.memory_mib, container.gpus) == (0.25, 512, 1)
    assert container.environment == {"STAGE": "test"}
    assert (container.log_driver, container.log_options) == ("awslogs", {"awslogs-group": "/etl"})
    assert description.depends_on == ("j-0",)
    assert (description.attempt_timeout, description.attempts_allowed) == (timedelta(minutes=1), 2)
    first, second = description.attempts
    assert (first.number, first.exit_code, first.reason) == (1, None, None)
    assert first.status_reason == "Host EC2 (instance i-0) terminated."
    assert (second.number, second.exit_code, second.reason) == (2, 137, "OutOfMemoryError: killed")
    assert second.log_stream_names == ("etl/default/2",)
    assert (description.exit_code, description.reason) == (137, "OutOfMemoryError: killed")
    assert (second.started_at, second.stopped_at) == (at(STARTED), at(STOPPED))
    assert description.extra == {"platformCapabilities": ["FARGATE"]}


CONTAINER_JOB: dict[str, Any] = {
    "jobId": "j-1",
    "jobName": "etl-1",
    "jobQueue": QUEUE,
    "jobDefinition": DEFINITION,
    "status": "FAILED",
    "statusReason": "Essential container in task exited",
    "createdAt": STARTED - 5,
    "startedAt": STARTED,
    "stoppedAt": STOPPED,
    "dependsOn": [{"jobId": "j-0"}],
    "retryStrategy": {"attempts": 2, "evaluateOnExit": []},
    "timeout": {"attemptDurationSeconds": 60},
    "platformCapabilities": ["FARGATE"],
    "container": {
        "image": "busybox",
        "command": ["sh", "-c", "exit 137"],
        "environment": [{"name": "STAGE", "value": "test"}],
        "resourceRequirements": [
            {"type": "VCPU", "value": "0.25"},
            {"type": "MEMORY", "value": "512"},
            {"type": "GPU", "value": "1"},
        ],
        "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/etl"}},
        "exitCode": 137,
        "reason": "OutOfMemoryError: killed",
        "logStreamName": "etl/default/2",
        "taskArn": TASK,
        "mountPoints": [],
    },
    "attempts": [
        {
            "container": {"taskArn": TASK, "networkInterfaces": []},
            "statusReason": "Host EC2 (instance i-0) terminated.",
        },
        {
            "container": {
                "exitCode": 137,
                "reason": "OutOfMemoryError: killed",
                "logStreamName": "etl/default/2",
            },
            "startedAt": STARTED,
            "stoppedAt": STOPPED,
            "statusReason": "Essential container in task exited",
        },
    ],
}


def test_deprecated_vcpus_and_memory_are_used_without_resource_requirements() -> None:
    (container,) = described({**MINIMAL, "container": {"vcpus": 2, "memory": 128}}).containers
    assert (container.vcpus, container.memory_mib, container.gpus) == (2.0, 128, None)


def test_description_of_a_multi_container_ecs_job() -> None:
    """Its `container` is empty; the task's ARNs belong to each of its containers."""
    containers = [
        {"name": "main", "exitCode": 0, "logStreamName": "etl/main/1", "essential": True},
        {"name": "sidecar", "exitCode": 2, "reason": "broken pipe", "logStreamName": "etl/sc/1"},
    ]
    task = {"taskArn": TASK, "containers": containers}
    description = described(
        {
            **MINIMAL,
            "status": "FAILED",
            "container": {},
            "ecsProperties": {"taskProperties": [{**task, "taskRoleArn": "arn:role"}]},
            "attempts": [{"container": {}, "taskProperties": [task], "startedAt": STARTED}],
        }
    )
    main, sidecar = description.containers
    assert (main.name, main.task_arn, main.extra) == ("main", TASK, {})
    assert (sidecar.name, sidecar.task_arn) == ("sidecar", TASK)
    (attempt,) = description.attempts
    assert attempt.log_stream_names == ("etl/main/1", "etl/sc/1")
    assert (attempt.exit_code, attempt.reason) == (2, "broken pipe")
    assert description.extra == {
        "ecsProperties": {"taskProperties": [{"taskRoleArn": "arn:role"}]},
    }


def test_description_of_an_eks_job() -> None:
    """Its attempts are listed as `eksAttempts`, and it has no log stream anywhere."""
    description = described(EKS_JOB)
    assert description.pod is not None
    assert (description.pod.name, description.pod.namespace, description.pod.node_name) == (
        "aws-batch.1",
        "batch",
        "ip-10-0-0-1",
    )
    (container,) = description.containers
    assert container.environment == {"STAGE": "test"}
    assert container.extra == {"resources": {"limits": {"cpu": "1", "memory": "512Mi"}}}
    (attempt,) = description.attempts
    assert (attempt.exit_code, attempt.reason, attempt.status_reason) == (3, "Error", "Pod failed")
    assert [(c.name, c.exit_code) for c in attempt.init_containers] == [("fetch", 0)]
    assert attempt.log_stream_names == ()


EKS_JOB: dict[str, Any] = {
    **MINIMAL,
    "status": "FAILED",
    "eksProperties": {
        "podProperties": {
            "podName": "aws-batch.1",
            "nodeName": "ip-10-0-0-1",
            "metadata": {"namespace": "batch"},
            "containers": [
                {
                    "name": "main",
                    "image": "busybox",
                    "env": [{"name": "STAGE", "value": "test"}],
                    "resources": {"limits": {"cpu": "1", "memory": "512Mi"}},
                    "exitCode": 3,
                }
            ],
        }
    },
    "eksAttempts": [
        {
            "podName": "aws-batch.1",
            "containers": [{"name": "main", "exitCode": 3, "reason": "Error"}],
            "initContainers": [{"name": "fetch", "exitCode": 0}],
            "startedAt": STARTED,
            "statusReason": "Pod failed",
        }
    ],
}


def test_description_of_an_array_parent() -> None:
    description = described(
        {
            **MINIMAL,
            "status": "PENDING",
            "arrayProperties": {
                "size": 3,
                "statusSummary": {"RUNNING": 1, "SUCCEEDED": 2, "FAILED": 0},
                "statusSummaryLastUpdatedAt": STARTED,
            },
        }
    )
    assert description.is_array_parent
    assert description.array is not None
    assert (description.array.size, description.array.index) == (3, None)
    assert description.array.status_summary[JobStatus.SUCCEEDED] == 2
    assert description.array.updated_at == at(STARTED)
    assert description.attempts == ()


def test_description_of_an_array_child() -> None:
    description = described(
        {**MINIMAL, "jobId": "j-1:0", "arrayProperties": {"index": 0, "statusSummary": {}}}
    )
    assert not description.is_array_parent
    assert description.array is not None
    assert (description.array.size, description.array.index) == (None, 0)


def test_description_of_a_multi_node_parent() -> None:
    node_range = {
        "targetNodes": "0:3",
        "container": {"image": "mpi", "instanceType": "c5n.18xlarge"},
        "instanceTypes": ["c5n.18xlarge"],
    }
    node = described(
        {
            **MINIMAL,
            "nodeProperties": {"numNodes": 4, "mainNode": 0, "nodeRangeProperties": [node_range]},
        }
    ).node
    assert node is not None
    assert (node.count, node.main_index, node.index, node.is_main) == (4, 0, None, False)
    container = Container(image="mpi", extra={"instanceType": "c5n.18xlarge"})
    assert node.ranges == (
        NodeRange(
            target_nodes="0:3", containers=(container,), extra={"instanceTypes": ["c5n.18xlarge"]}
        ),
    )


def test_description_of_a_node() -> None:
    description = described(
        {
            **MINIMAL,
            "jobId": "j-1#0",
            "nodeDetails": {"nodeIndex": 0, "isMainNode": True},
            "container": {"exitCode": 1},
        }
    )
    assert description.node is not None
    assert (description.node.index, description.node.is_main) == (0, True)
    assert (description.node.count, description.node.ranges) == (None, ())
    assert description.exit_code == 1


@pytest.mark.parametrize(
    ("properties", "count", "index", "is_main"),
    [({"numNodes": 4}, 4, None, False), ({"nodeIndex": 0, "isMainNode": True}, None, 0, True)],
)
def test_summary_of_a_multi_node_job(
    properties: dict[str, Any], count: int | None, index: int | None, *, is_main: bool
) -> None:
    node = listed({**MINIMAL, "nodeProperties": properties}).node
    assert node is not None
    assert (node.count, node.index, node.is_main) == (count, index, is_main)


def test_summary_of_a_container_job() -> None:
    description = listed(
        {
            "jobId": "j-1",
            "jobArn": "arn:j-1",
            "jobName": "etl-1",
            "jobDefinition": DEFINITION,
            "status": "FAILED",
            "statusReason": "too slow",
            "createdAt": STARTED,
            "startedAt": STARTED,
            "stoppedAt": STOPPED,
            "scheduledAt": STARTED,
            "container": {"exitCode": 143},
            "isTerminated": True,
            "capacityUsage": [{"capacityUnit": "VCPU", "quantity": 1.0}],
        },
        queue="default",
    )
    assert (description.status_reason, description.exit_code) == ("too slow", 143)
    assert (description.is_terminated, description.is_cancelled) == (True, False)
    assert description.queue == "default"
    assert set(description.extra) == {"scheduledAt", "capacityUsage"}


def test_description_of_a_runnable_job_has_no_attempts() -> None:
    description = described({**CONTAINER_JOB, "status": "RUNNABLE", "attempts": []})
    assert description.attempts == ()


# --- missing and unknown members ---------------------------------------------------------------


def test_description_needs_only_id_and_status() -> None:
    for description in (described(MINIMAL), listed(MINIMAL)):
        assert (description.job_id, description.status) == ("j-1", "SUBMITTED")
        assert (description.name, description.arn, description.queue) == ("", None, None)
        assert (description.created_at, description.started_at) == (None, None)
        assert (description.containers, description.attempts, description.depends_on) == ((),) * 3
        assert (description.array, description.node, description.pod) == (None, None, None)
        assert (description.exit_code, description.reason, description.duration) == (None,) * 3
        assert description.extra == {}


def test_unknown_members_are_kept_in_extra() -> None:
    description = described(
        {
            **MINIMAL,
            "carbonGrams": 12,
            "container": {"image": "busybox", "carbonGrams": 3},
            "attempts": [{"container": {"carbonGrams": 4}, "carbonGrams": 5}],
            "arrayProperties": {"size": 2, "carbonGrams": 6},
        }
    )
    assert description.extra == {"carbonGrams": 12, "arrayProperties": {"carbonGrams": 6}}
    assert description.containers[0].extra == {"carbonGrams": 3}
    assert description.attempts[0].containers[0].extra == {"carbonGrams": 4}
    assert description.attempts[0].extra == {"carbonGrams": 5}


def test_empty_members_are_not_kept_in_extra() -> None:
    empty = {"container": {"volumes": [], "secrets": [], "user": ""}, "attempts": [], "tags": {}}
    description = described({**MINIMAL, **empty, "platformCapabilities": []})
    assert description.extra == {}
    assert description.containers[0].extra == {}


def test_false_and_zero_are_kept_in_extra() -> None:
    description = described({**MINIMAL, "propagateTags": False, "score": 0})
    assert description.extra == {"propagateTags": False, "score": 0}


def test_unknown_status_is_kept() -> None:
    summary = {"HIBERNATING": 1, "RUNNING": 2}
    description = described(
        {"jobId": "j-1", "status": "THAWING", "arrayProperties": {"statusSummary": summary}}
    )
    assert (description.status, description.status.is_terminal) == ("THAWING", False)
    assert description.array is not None
    assert description.array.status_summary == summary


# --- times -------------------------------------------------------------------------------------


def test_times_are_aware_utc_datetimes() -> None:
    description = described(
        {**MINIMAL, "createdAt": 1705312800123, "startedAt": 1705312860000, "stoppedAt": 0}
    )
    assert description.created_at == datetime(2024, 1, 15, 10, 0, 0, 123000, tzinfo=UTC)
    assert description.stopped_at is None
    assert description.duration is None


def test_duration_is_that_of_the_last_attempt() -> None:
    description = described({**MINIMAL, "startedAt": 60_000, "stoppedAt": 150_500})
    assert description.duration == timedelta(seconds=90.5)


def test_summary_has_the_queue_that_was_listed() -> None:
    assert listed(MINIMAL, queue="default").queue == "default"
    assert listed(MINIMAL).is_summary
    assert not described(MINIMAL).is_summary


def test_registered_job_definition_is_named_with_its_revision() -> None:
    definition = responses.job_definition(
        {"jobDefinitionName": "etl", "revision": 3, "jobDefinitionArn": "arn:etl:3"}
    )
    assert (str(definition), definition.arn) == ("etl:3", "arn:etl:3")


@pytest.mark.parametrize(
    ("state", "status", "takes_jobs"),
    [("ENABLED", "VALID", True), ("DISABLED", "VALID", False), ("ENABLED", "CREATING", False)],
)
def test_queue_takes_jobs_when_it_is_enabled_and_valid(
    state: str, status: str, *, takes_jobs: bool
) -> None:
    queue = {"jobQueueName": "q", "jobQueueArn": "arn", "state": state, "status": status}
    assert responses.job_queue(queue).takes_jobs is takes_jobs
