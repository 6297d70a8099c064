"""Explanations of constructed and recorded responses, row by row, through the real decoders."""

import json
import random
from dataclasses import dataclass, field
from typing import Any, cast

import anyio
import pytest

from asyncbatch import (
    AccessDenied,
    AsyncBatchError,
    ConnectionFailed,
    CredentialsExpired,
    Explanation,
    FailureKind,
    Finding,
    FindingKind,
    JobVanished,
    RateLimits,
    ServiceFault,
    Throttled,
)
from asyncbatch._aws.api import API
from asyncbatch._explaining.explain import explain
from asyncbatch._explaining.failing import NEXT_STEPS
from tests.explaining.responses import (
    Answers,
    Detail,
    environment,
    failed,
    front,
    job,
    nodes,
    queue,
)

CAPACITY = (
    "CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY - Service cannot fulfill the capacity requested for "
    "instance type [p4d.24xlarge]"
)
MAX_RESOURCE = (
    "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE - The maximum vCPUs of the CE(s) associated "
    "with the job queue are lower than the resource requirement."
)
NO_GROUP = (
    "ResourceInitializationError: failed to validate logger args: create stream has been retried 1"
    " times: failed to create Cloudwatch log stream: ResourceNotFoundException: The specified log"
    " group does not exist."
)
NO_IMAGE = (
    "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve "
    "ref docker.io/library/nope:latest: not found"
)
ONE = [environment()]


@dataclass(frozen=True)
class Row:
    """A job with what AWS says around it, and what its explanation contains."""

    title: str
    job: Detail
    verdict: str
    next_step: str
    source: str
    calls: int
    others: list[Detail] = field(default_factory=list)
    answers: dict[str, Any] = field(default_factory=dict)


def waiting(title: str, verdict: str, next_step: str, source: str, **given: Any) -> Row:  # noqa: ANN401
    """Return the row of a RUNNABLE job, whose queue is read with three more calls."""
    detail = given.pop("job", None) or job()
    answers = {"queues": [queue()], "environments": ONE, "snapshot": front("j-1"), **given}
    others = answers.pop("others", [])
    calls = answers.pop("calls", 4)
    return Row(title, detail, verdict, next_step, source, calls, others, answers)


def over(title: str, detail: Detail, verdict: str, next_step: str, source: str) -> Row:
    """Return the row of a failed job, which one call explains."""
    return Row(title, detail, verdict, next_step, source, 1)


ROWS = [
    # RUNNABLE: AWS's own reason
    waiting(
        *("no capacity", "p4d.24xlarge] (AWS has no capacity now", "on-demand capacity"),
        "DescribeJobs statusReason",
        job=job(statusReason=CAPACITY),
    ),
    waiting(
        *("too large for the environments", "maximum vCPUs", "Correct the compute environment"),
        "DescribeJobs statusReason",
        job=job(statusReason=MAX_RESOURCE),
    ),
    # RUNNABLE: the queue
    waiting(
        *("invalid queue", "job queue main is INVALID: CE gone", "another queue"),
        "DescribeJobQueues status",
        queues=[queue(status="INVALID", statusReason="CE gone")],
    ),
    waiting(
        *("all environments disabled", "ce-0 takes no jobs: it is DISABLED", "--state ENABLED"),
        "DescribeComputeEnvironments state",
        environments=[environment(state="DISABLED")],
    ),
    waiting(
        *("invalid environment", "INVALID: CLIENT_ERROR - not authorized", "status reason"),
        "DescribeComputeEnvironments status",
        environments=[environment(status="INVALID", statusReason="CLIENT_ERROR - not authorized")],
    ),
    # RUNNABLE: limits against the request
    waiting(
        *(
            "more vCPUs than maxvCpus",
            "64 vCPUs, and compute environment ce-1 can have 32",
        ),
        *("Raise maxvCpus of ce-1", "DescribeComputeEnvironments computeResources.maxvCpus"),
        job=job(vcpus=64),
        environments=[environment(0, {"maxvCpus": 16}), environment(1, {"maxvCpus": 32})],
    ),
    waiting(
        *("more vCPUs than any instance type", "instance type of compute environment ce-0 has 8"),
        *("larger instance types", "DescribeComputeEnvironments computeResources.instanceTypes"),
        job=job(vcpus=16),
        environments=[environment(resources={"instanceTypes": ["c5.large", "c5.2xlarge"]})],
    ),
    waiting(
        *("more memory than a whole family has", "512,000 MiB, and the largest instance type of"),
        *("larger instance types", "DescribeComputeEnvironments computeResources.instanceTypes"),
        job=job(vcpus=8, memory=512_000),
        environments=[environment(resources={"instanceTypes": ["c5", "m5"]})],
    ),
    waiting(
        *("all memory of the instance", "asks for 8,192 MiB", "larger instance types"),
        "DescribeComputeEnvironments computeResources.instanceTypes",
        job=job(memory=8192),
        environments=[environment(resources={"instanceTypes": ["m5.large"]})],
    ),
    waiting(
        *("no GPUs", "asks for 2 GPUs, and the largest instance type of", "larger instance types"),
        "DescribeComputeEnvironments computeResources.instanceTypes",
        job=job(gpus=2),
        environments=[environment(resources={"instanceTypes": ["optimal"]})],
    ),
    waiting(
        *("vCPUs of one type, memory of another", "64 vCPUs with 240,000 MiB and 0 GPUs"),
        *("submit the job with less", "DescribeComputeEnvironments computeResources.instanceTypes"),
        job=job(vcpus=64, memory=240_000),
        environments=[environment(resources={"instanceTypes": ["c6g", "r5.8xlarge"]})],
    ),
    waiting(
        *("nodes together", "its 8 nodes start together and ask for 512 vCPUs", "fewer nodes"),
        "DescribeComputeEnvironments computeResources.maxvCpus",
        job=nodes(8, vcpus=64),
    ),
    waiting(
        *("environment that is updated", "ENABLED and UPDATING", "Wait until compute environment"),
        "DescribeComputeEnvironments status",
        environments=[environment(status="UPDATING")],
    ),
    waiting(
        *("definition for Fargate, EC2 queue", "is for FARGATE, and the compute environments"),
        *("platform", "DescribeComputeEnvironments computeResources.type"),
        job=job(platformCapabilities=["FARGATE"]),
    ),
    waiting(
        *("GPUs on Fargate", "asks for GPUs, and Fargate has none", "EC2 instances"),
        "DescribeComputeEnvironments computeResources.type",
        job=job(gpus=1),
        environments=[environment(resources={"type": "FARGATE"})],
    ),
    waiting(
        *("no size of Fargate", "Fargate may not offer 1 vCPUs with 1000 MiB", "table"),
        "DescribeComputeEnvironments computeResources.type",
        job=job(memory=1000),
        environments=[environment(resources={"type": "FARGATE_SPOT"})],
    ),
    # RUNNABLE: others before it
    waiting(
        *("blocked head", "job j-9 at the head of the queue is blocked", "cancel it"),
        "DescribeJobs statusReason",
        snapshot=front("j-9", "j-1"),
        others=[job("j-9", statusReason=MAX_RESOURCE)],
        calls=5,
    ),
    waiting(
        *("second in the queue", "1 RUNNABLE job is before it", "higher priority"),
        "GetJobQueueSnapshot frontOfQueue.jobs",
        snapshot=front("j-9", "j-1"),
        others=[job("j-9")],
        calls=5,
    ),
    waiting(
        *("far behind", "at least 100 RUNNABLE jobs are before it", "Wait"),
        "GetJobQueueSnapshot frontOfQueue.jobs",
        snapshot=front(*(f"k-{n}" for n in range(100))),
        calls=5,
    ),
    waiting(
        *(
            "environment at its limit",
            "ce-0 is at its limit of 256 vCPUs",
            "raise maxvCpus of ce-0",
        ),
        "DescribeComputeEnvironments computeResources.desiredvCpus",
        environments=[environment(resources={"desiredvCpus": 256})],
    ),
    # Dependencies
    Row(
        *("dependency still runs", job(status="PENDING", dependsOn=[{"jobId": "a"}])),
        *("depends on job a (name-a), which is RUNNING", "`asyncbatch explain a`"),
        *("DescribeJobs dependsOn", 2),
        [job("a", "RUNNING")],
    ),
    Row(
        *("dependency is blocked", job(status="PENDING", dependsOn=[{"jobId": "a"}])),
        *("which is RUNNABLE: MISCONFIGURATION:COMPUTE_ENV", "see what job a does"),
        *("DescribeJobs dependsOn", 2),
        [job("a", statusReason=MAX_RESOURCE)],
    ),
    Row(
        "root of a chain failed",
        failed(status_reason="Dependent Job failed", attempts=[], dependsOn=[{"jobId": "a"}]),
        "depends on job c (name-c) (through a, b), which FAILED: exit code 3",
        "See why job c failed",
        *("DescribeJobs dependsOn", 4),
        [
            failed(status_reason="Dependent Job failed", jobId="a", dependsOn=[{"jobId": "b"}]),
            failed(status_reason="Dependent Job failed", jobId="b", dependsOn=[{"jobId": "c"}]),
            failed(exit_code=3, jobId="c", jobName="name-c"),
        ],
    ),
    Row(
        *("a cycle ends", job(status="PENDING", dependsOn=[{"jobId": "a"}])),
        *("depends on job a (name-a), which is PENDING", "see what job a does"),
        *("DescribeJobs dependsOn", 3),
        [job("a", "PENDING", dependsOn=[{"jobId": "j-1"}, {"jobId": "gone"}])],
    ),
    Row(
        "a child waits for its pair",
        job("arr:2", "PENDING", arrayProperties={"index": 2}),
        *("depends on job b:2", "see what job b:2 does", "DescribeJobs dependsOn", 2),
        [
            job(
                *("arr", "PENDING"),
                arrayProperties={"size": 4},
                dependsOn=[{"jobId": "b", "type": "N_TO_N"}],
            ),
            job("b:2", "RUNNING"),
        ],
    ),
    Row(
        "a child waits for the one before it",
        job("arr:2", "PENDING", arrayProperties={"index": 2}),
        *("depends on job arr:1", "see what job arr:1 does", "DescribeJobs dependsOn", 2),
        [
            job(
                *("arr", "PENDING"),
                arrayProperties={"size": 4},
                dependsOn=[{"type": "SEQUENTIAL"}],
            ),
            job("arr:1", "RUNNING"),
        ],
    ),
    # Arrays
    Row(
        "children failed",
        job(
            *("arr", "FAILED"),
            statusReason="Array Child Job failed",
            arrayProperties={"size": 4, "statusSummary": {"FAILED": 2, "SUCCEEDED": 2}},
        ),
        *("child arr:1 failed: exit code 3", "log: `asyncbatch logs arr:1`"),
        *("DescribeJobs attempts[-1].container.exitCode", 3),
        [failed(exit_code=3, jobId="arr:1")],
        {
            "listed": [
                {"jobId": "arr:1", "status": "FAILED", "container": {"exitCode": 3}},
                {"jobId": "arr:3", "status": "FAILED", "container": {"exitCode": 3}},
            ]
        },
    ),
    Row(
        "children do not start",
        job(
            *("arr", "PENDING"),
            arrayProperties={"size": 2, "statusSummary": {"RUNNABLE": 2, "RUNNING": 0}},
        ),
        *("p4d.24xlarge] (AWS has no capacity", "on-demand", "DescribeJobs statusReason", 6),
        [job("arr:0", statusReason=CAPACITY)],
        {
            "listed": [{"jobId": "arr:0", "status": "RUNNABLE"}],
            "queues": [queue()],
            "environments": ONE,
            "snapshot": front("arr:0"),
        },
    ),
    # FAILED
    over(
        *("exit code", failed(exit_code=2), "exit code 2", "`asyncbatch logs j-1`"),
        "DescribeJobs attempts[-1].container.exitCode",
    ),
    over(
        "out of memory",
        failed("OutOfMemoryError: Container killed due to memory usage", exit_code=137),
        *("exceeded its memory limit", "more memory_mib"),
        "DescribeJobs attempts[-1].container.reason",
    ),
    over(
        "image pull",
        failed(NO_IMAGE, status_reason="Task failed to start"),
        *("the image does not exist", "image's name"),
        "DescribeJobs attempts[-1].container.reason",
    ),
    over(
        "log group",
        failed(
            NO_GROUP,
            status_reason="Task failed to start",
            container={"logConfiguration": {"options": {"awslogs-group": "/etl"}}},
        ),
        *("create the log group", "log group"),
        "DescribeJobs attempts[-1].container.reason",
    ),
    over(
        "role",
        failed(
            status_reason="ECS was unable to assume the role 'arn:aws:iam::1:role/etl' that was"
            " provided for this task",
            container={"jobRoleArn": "arn:aws:iam::1:role/etl"},
        ),
        *("does not trust ecs-tasks.amazonaws.com", "job definition", "DescribeJobs statusReason"),
    ),
    over(
        "timeout",
        failed(
            status_reason="Job attempt duration exceeded timeout",
            exit_code=137,
            timeout={"attemptDurationSeconds": 60},
        ),
        *("exceeded its timeout", "Raise attempt_timeout"),
        "DescribeJobs attempts[-1].container.exitCode",
    ),
    over(
        "terminated",
        failed(status_reason="stop it", exit_code=137, isTerminated=True),
        *("stop it (it was terminated)", "not meant", "DescribeJobs isTerminated"),
    ),
    Row(
        "Spot",
        failed(status_reason="Host EC2 (instance i-0a1b2c3d4e5f67890) terminated."),
        *("usually a Spot reclaim", "RecoveryPolicy.for_spot()", "DescribeJobs statusReason", 3),
        answers={"queues": [queue()], "environments": [environment(resources={"type": "SPOT"})]},
    ),
    # Nothing is wrong
    over(*("succeeded", job(status="SUCCEEDED"), "The job succeeded.", "", "")),
    over(
        *(
            "running",
            job(status="RUNNING", startedAt=1_700_000_000_000),
            "since 2023-11-14 22:13",
        ),
        *("", ""),
    ),
    over("starting", job(status="STARTING"), "pulls the image", "", "DescribeJobs container.image"),
    over("a state of tomorrow", job(status="HIBERNATING"), "does not know", "", ""),
]


async def explained(connection: Answers, job_id: str) -> Explanation:
    """Explain a job of a connection."""
    api = API(cast("Any", connection), RateLimits(), random.Random(1), lambda _event: None)
    return await explain(api, job_id)


@pytest.mark.virtual_time
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.title)
async def test_explanation(row: Row) -> None:
    connection = Answers([row.job, *row.others], **row.answers)
    explanation = await explained(connection, row.job["jobId"])
    assert row.verdict in explanation.verdict
    assert row.next_step in explanation.next_step
    assert bool(row.next_step) == bool(explanation.next_step)
    first = explanation.findings[0] if explanation.findings else None
    assert (first.source if first else "") == row.source
    assert sum(connection.calls.values()) == row.calls
    assert not explanation.missing_permissions
    json.dumps(explanation.to_dict())
    assert explanation.verdict in str(explanation)


@pytest.mark.virtual_time
async def test_missing_permissions_are_named_and_the_rest_works() -> None:
    denied = ["DescribeComputeEnvironments", "GetJobQueueSnapshot"]
    connection = Answers([job(statusReason=CAPACITY)], queues=[queue()], denied=denied)
    explanation = await explained(connection, "j-1")
    assert set(explanation.missing_permissions) == {f"batch:{each}" for each in denied}
    assert "no capacity" in explanation.verdict
    text = "Not allowed: batch:GetJobQueueSnapshot; with it: position in the queue"
    assert text in str(explanation)


SCENES: dict[str, tuple[list[Detail], dict[str, Any]]] = {
    "waits": (
        [job(), job("j-9")],
        {"queues": [queue()], "environments": ONE, "snapshot": front("j-9", "j-1")},
    ),
    "depends": ([job(status="PENDING", dependsOn=[{"jobId": "a"}]), job("a", "RUNNING")], {}),
    "children failed": (
        [
            job(
                status="FAILED", statusReason="Array Child Job failed", arrayProperties={"size": 4}
            ),
            failed(exit_code=3, jobId="j-1:1"),
        ],
        {"listed": [{"jobId": "j-1:1", "status": "FAILED"}]},
    ),
}
FAULTS: dict[str, AsyncBatchError] = {
    "denied": AccessDenied("any", "AccessDeniedException", "no", status=403),
    "throttled": Throttled("any", "TooManyRequestsException", "slow", status=429),
    "broken": ServiceFault("any", "ServerException", "boom", status=500),
    "expired": CredentialsExpired("any", "ExpiredTokenException", "expired", status=403),
    "down": ConnectionFailed("any", "ConnectTimeout", "down", may_have_arrived=True),
}
FURTHER = {
    "waits": [
        *("DescribeJobs", "DescribeJobQueues"),
        *("DescribeComputeEnvironments", "GetJobQueueSnapshot"),
    ],
    "depends": ["DescribeJobs"],
    "children failed": ["DescribeJobs", "ListJobs"],
}


@pytest.mark.virtual_time
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("scene", "operation"),
    [(scene, operation) for scene, operations in FURTHER.items() for operation in operations],
)
async def test_call_that_fails_is_named_and_the_rest_explained(
    scene: str, operation: str, fault: str
) -> None:
    jobs, answers = SCENES[scene]
    connection = Answers(jobs, failing={operation: FAULTS[fault]}, **answers)
    began = anyio.current_time()
    explanation = await explained(connection, "j-1")
    assert anyio.current_time() - began < 60
    assert explanation.verdict.startswith("The job ")
    unknown = explanation.missing_permissions if fault == "denied" else explanation.not_read
    assert [name.removeprefix("batch:") for name in unknown] == [operation]


@pytest.mark.virtual_time
async def test_job_that_aws_does_not_know_has_vanished() -> None:
    with pytest.raises(JobVanished, match=r"DescribeJobs does not return job j-1\. Check the id"):
        await explained(Answers([]), "j-1")


@pytest.mark.virtual_time
async def test_dependencies_are_followed_at_most_twenty_steps() -> None:
    chain = [job(f"d-{n}", "PENDING", dependsOn=[{"jobId": f"d-{n + 1}"}]) for n in range(50)]
    connection = Answers(chain)
    await explained(connection, "d-0")
    assert connection.calls["DescribeJobs"] == 21


def test_memory_timeout_role_and_log_group_are_evidence() -> None:
    """What the request says to a failure is a fact with its own field."""
    fields = {
        "out of memory": ("2048 MiB", "MEMORY"),
        "timeout": ("60 s", "timeout.attemptDurationSeconds"),
        "role": ("arn:aws:iam::1:role/etl", "jobRoleArn"),
        "log group": ("/etl", "awslogs-group"),
        "Spot": ("SPOT", "computeResources.type"),
        "image pull": ("busybox", "container.image"),
    }
    for row in ROWS:
        if row.title in fields:
            value, source = fields[row.title]
            assert _finds(row, value, source), row.title


def _finds(row: Row, value: str, source: str) -> bool:
    import asyncio

    connection = Answers([row.job, *row.others], **row.answers)
    explanation = asyncio.run(explained(connection, row.job["jobId"]))
    return any(
        value in finding.value and finding.source.endswith(source)
        for finding in explanation.findings
        if finding.kind is FindingKind.FACT
    )


def test_each_kind_of_failure_has_a_next_step() -> None:
    assert set(NEXT_STEPS) == set(FailureKind)


def test_text_of_others_cannot_act_on_a_terminal() -> None:
    finding = Finding(
        text="a\x1b[2J\nb", kind=FindingKind.FACT, source="s", value="v\x07", resource="r"
    )
    assert (finding.text, finding.value) == ("a b", "v\\x07")
