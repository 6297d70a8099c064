"""Identities of requests, pinned as the first version of the journal and of the adapter wrote them.

A journal finds a submission of an earlier run by a hash of its request, the Luigi adapter finds a
live job by the hash in its name, and `register_job_definition` finds a revision by the hash in its
tag. All of them are stored outside of the program: in files, in job names, in tags. If a new
version computes another identity for the same request, it takes a running job for another one and
submits it a second time. So the expected values below are literals and must never change; a new
field of `JobRequest` must leave them as they are while it is not set.
"""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import luigi
import pytest

from asyncbatch import (
    Coalesced,
    Dependency,
    DependencyType,
    EvaluateOnExit,
    JobDefinition,
    JobRequest,
    RetryAction,
    RetryStrategy,
    coalesce,
)
from asyncbatch._aws.wire import requests as wire
from asyncbatch._journal.entries import identity_of
from asyncbatch._submitting import marks
from asyncbatch_luigi import BatchArrayTask, BatchTask
from asyncbatch_luigi._request import RunPlan, plan_run
from asyncbatch_luigi.config import asyncbatch
from tests.luigi.support import make

JOB_ID = "11111111-2222-3333-4444-555555555555"
ARN = "arn:aws:batch:eu-west-1:123456789012:job-definition/etl:7"
QUEUE_ARN = "arn:aws:batch:eu-west-1:123456789012:job-queue/night"
EXTRA = {"nodeOverrides": {"numNodes": 2, "nodePropertyOverrides": [{"targetNodes": "0:"}]}}
RULES = RetryStrategy(
    attempts=5,
    evaluate_on_exit=(
        EvaluateOnExit(action=RetryAction.RETRY, on_exit_code="75"),
        EvaluateOnExit(
            action=RetryAction.EXIT, on_status_reason="Task failed*", on_reason="Cannot*"
        ),
    ),
)


# -- journal keys ----------------------------------------------------------------------------------

JOURNAL_KEYS: Mapping[str, tuple[JobRequest, str]] = {
    "definition only": (JobRequest("etl"), "3d7d2f81a58a6040ecdbf0039709793d"),
    "definition with revision": (
        JobRequest("etl:3", queue="default"),
        "01026dfe190f70dd5c15ff9af789137b",
    ),
    "definition by ARN": (JobRequest(ARN, queue="default"), "81a3aa77364a5464c39cbaeb56f796c9"),
    "definition as a value": (
        JobRequest(JobDefinition(name="etl", revision=7, arn=ARN), queue="default"),
        "81a3aa77364a5464c39cbaeb56f796c9",
    ),
    "queue by ARN": (JobRequest("etl", queue=QUEUE_ARN), "d782d8376a0c69c7894c3b20ff0bd300"),
    "name": (
        JobRequest("etl", queue="default", name="nightly"),
        "b853e38baf13f05a780463c33c0eb8d3",
    ),
    "parameters": (
        JobRequest("etl", queue="default", parameters={"date": "2024-01-15", "n": 3, "x": 0.5}),
        "7c0685ca4214637a2fd72eabba19541c",
    ),
    "parameters in another order": (
        JobRequest("etl", queue="default", parameters={"x": 0.5, "n": 3, "date": "2024-01-15"}),
        "7c0685ca4214637a2fd72eabba19541c",
    ),
    "command": (
        JobRequest("etl", queue="default", command=["sh", "-c", "echo grün '\"' \\"]),
        "b8129d3abc4cc88c41f0325aa6ac2ea0",
    ),
    "environment": (
        JobRequest("etl", queue="default", environment={"B": "2", "A": 1}),
        "833334e310704b30980d87c076956478",
    ),
    "environment in another order": (
        JobRequest("etl", queue="default", environment={"A": 1, "B": "2"}),
        "833334e310704b30980d87c076956478",
    ),
    "resources": (
        JobRequest("etl", queue="default", vcpus=4, memory_mib=4096, gpus=1),
        "346116c60c044907c19d9a9314c7e467",
    ),
    "fractional vCPUs": (
        JobRequest("etl", queue="default", vcpus=0.25),
        "c06037203c85d741855da57d6ad6268d",
    ),
    "whole vCPUs as a float": (
        JobRequest("etl", queue="default", vcpus=2.0),
        "f85f0d510277d916648ccd36d6778c90",
    ),
    "array": (
        JobRequest("etl", queue="default", array_size=10_000),
        "bc13d6feb985c80447cb841ae7c75444",
    ),
    "dependency by id": (
        JobRequest("etl", queue="default", depends_on=[JOB_ID]),
        "ada8ceae0a546135d8caabee2e9aa4b9",
    ),
    "dependency N_TO_N": (
        JobRequest(
            "etl",
            queue="default",
            array_size=3,
            depends_on=[Dependency(JOB_ID, DependencyType.N_TO_N)],
        ),
        "9454616872006ec24aba741a353544e2",
    ),
    "dependency SEQUENTIAL": (
        JobRequest(
            "etl",
            queue="default",
            array_size=3,
            depends_on=[Dependency(type=DependencyType.SEQUENTIAL), JOB_ID],
        ),
        "cbbd15a002991da447d313a8fd8dff95",
    ),
    "retry as an int": (
        JobRequest("etl", queue="default", retry=3),
        "60043ee4642229b86eb67ab981d067c8",
    ),
    "retry for Spot": (
        JobRequest("etl", queue="default", retry=RetryStrategy.for_spot(3)),
        "ead519878b397e48e8a0e32d71253a6a",
    ),
    "retry as a string": (
        JobRequest("etl", queue="default", retry="3"),
        "60043ee4642229b86eb67ab981d067c8",
    ),
    "retry for Spot as a string": (
        JobRequest("etl", queue="default", retry="spot:3"),
        "ead519878b397e48e8a0e32d71253a6a",
    ),
    "retry by rules": (
        JobRequest("etl", queue="default", retry=RULES),
        "bb745030f7f46a55d4e00e314b3b7723",
    ),
    "timeout": (
        JobRequest("etl", queue="default", attempt_timeout=timedelta(hours=1, seconds=5)),
        "82105c77231a9a78a53e2314fcae8829",
    ),
    "tags": (
        JobRequest("etl", queue="default", tags={"team": "data", "cost": "42"}),
        "b4497b939c83576aa797d6c124da1988",
    ),
    "tags propagated": (
        JobRequest("etl", queue="default", tags={"team": "data"}, propagate_tags=True),
        "5245d2fecc43ffe2312b8b8af91100ff",
    ),
    "tags not propagated": (
        JobRequest("etl", queue="default", propagate_tags=False),
        "2fc7548b2b84c132a88ebefee57baabf",
    ),
    "fair share": (
        JobRequest("etl", queue="default", share_identifier="research*", scheduling_priority=0),
        "e59861a017f0a5731ccd9d9b04121a15",
    ),
    "key": (JobRequest("etl", queue="default", key="2024-01-15/load"), "key:2024-01-15/load"),
    "extra": (
        JobRequest("etl", queue="default", extra=EXTRA),
        "e362cc41509c75d690cc3e38909dbb58",
    ),
    "consumable resources": (
        JobRequest("etl", queue="default", consumable_resources={"licences": 2}),
        "01246e06b7799ac6537971f435465661",
    ),
    "instance type": (
        JobRequest("etl", queue="default", instance_type="c5.large"),
        "6ee9e2363857a286e01a63426cf0280a",
    ),
    "node overrides, as in extra": (
        JobRequest("etl", queue="default", node_overrides=EXTRA["nodeOverrides"]),
        "e362cc41509c75d690cc3e38909dbb58",
    ),
    "ECS properties": (
        JobRequest(
            "etl",
            queue="default",
            ecs_properties_override={"taskProperties": [{"containers": [{"name": "main"}]}]},
        ),
        "012622b733afcdd6759a363ed8baf839",
    ),
    "EKS properties": (
        JobRequest(
            "etl",
            queue="default",
            eks_properties_override={"podProperties": {"containers": [{"name": "main"}]}},
        ),
        "d112ca5effd89326c31903f27ca5ba6d",
    ),
    "recovery is no part of it": (
        JobRequest("etl", queue="default", recovery="spot:3"),
        "229f7ce1af96ffc244900e6236979cb1",
    ),
    "all fields": (
        JobRequest(
            "etl:3",
            queue="night",
            name="nightly",
            parameters={"date": "2024-01-15"},
            command=["load", "--all"],
            environment={"DAY": "mon"},
            vcpus=0.5,
            memory_mib=2048,
            gpus=2,
            array_size=7,
            depends_on=[JOB_ID, Dependency(JOB_ID, DependencyType.N_TO_N)],
            retry=RetryStrategy.for_spot(2),
            attempt_timeout=timedelta(minutes=5),
            tags={"team": "data"},
            propagate_tags=True,
            share_identifier="research",
            scheduling_priority=7,
            extra=EXTRA,
        ),
        "9888a2de65065d4962d844f7fc47791d",
    ),
}


@pytest.mark.parametrize("case", JOURNAL_KEYS)
def test_journal_key_of_a_request_never_changes(case: str) -> None:
    request, key = JOURNAL_KEYS[case]
    assert identity_of(request) == key


def test_every_field_of_a_request_has_a_pinned_journal_key() -> None:
    """A field that is added later belongs into the table, set and not set."""
    fields = set(JobRequest.__dataclass_fields__) - {"_"}
    assert fields == {
        name
        for request, _ in JOURNAL_KEYS.values()
        for name in fields
        if getattr(request, name) != getattr(JobRequest("other"), name)
    }


# -- names and tags of submissions -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("job_definition", "name"),
    [
        ("etl", "etl-000102030405"),
        ("etl:3", "etl-000102030405"),
        (ARN, "etl-000102030405"),
        ("x" * 128, "x" * 115 + "-000102030405"),
        ("-_.ä b", "b-000102030405"),
        ("@@", "job-000102030405"),
        ("a.b:1", "a-b-000102030405"),
    ],
)
def test_form_of_a_generated_job_name_never_changes(
    job_definition: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marks, "nonce", lambda: "000102030405")
    assert marks.unique_name(job_definition) == name


def test_form_of_a_nonce_never_changes() -> None:
    assert re.fullmatch(r"[0-9a-f]{12}", marks.nonce())


def test_tag_keys_never_change() -> None:
    assert marks.TAG == "asyncbatch-submission"
    assert wire.DEFINITION_HASH_TAG == "asyncbatch:definition-sha256"


def test_hash_of_a_job_definition_never_changes() -> None:
    definition = {
        "jobDefinitionName": "etl",
        "type": "container",
        "containerProperties": {
            "image": "busybox",
            "command": ["echo", "grün"],
            "resourceRequirements": [{"type": "VCPU", "value": "1"}],
        },
        "tags": {"team": "data"},
    }
    assert wire.register_job_definition(definition)["tags"] == {
        "team": "data",
        "asyncbatch:definition-sha256": (
            "8bb8e77f9cb9f0d7a1537463b894d78d81cb1756ea72f4a3d781ebe3408097e6"
        ),
    }


# -- coalesced requests ----------------------------------------------------------------------------


def test_arrays_made_of_requests_never_change() -> None:
    requests = [
        *[
            JobRequest(
                "etl",
                queue="default",
                command=["load", "grün"],
                environment={"DAY": day, "N": 5 * n + 1, "SAME": "x"},
            )
            for n, day in enumerate(["mon", "tue,", "wed;"])
        ],
        JobRequest("etl", name="own"),
        JobRequest("etl"),
        JobRequest("etl"),
    ]
    script = (
        "set -f; IFS='|'; pick() { shift \"$AWS_BATCH_JOB_ARRAY_INDEX\"; DAY=$1; }; pick $DAY;"
        ' export N="$((1 + 5 * $AWS_BATCH_JOB_ARRAY_INDEX))"; exec "$@"'
    )
    assert coalesce(requests) == [
        Coalesced(
            request=JobRequest(
                "etl",
                queue="default",
                command=["sh", "-c", script, "sh", "load", "grün"],
                environment={"DAY": "mon|tue,|wed;|", "SAME": "x"},
                array_size=3,
            ),
            places=(0, 1, 2),
        ),
        Coalesced(request=JobRequest("etl", name="own"), places=(3,)),
        Coalesced(request=JobRequest("etl", array_size=2), places=(4, 5)),
    ]


# -- jobs of Luigi tasks ---------------------------------------------------------------------------


def daily(
    name: str = "Daily", base: type[BatchTask] = BatchTask, **attributes: object
) -> BatchTask:
    """Make a task of a class of its own: Luigi returns one instance per class and parameters."""
    day = luigi.IntParameter()
    members = {"job_definition": "etl", "day": day, **attributes}
    kind: type[BatchTask] = type(name, (base,), members)
    return make(kind, day=3)


def assigned(task: BatchTask, *, journal: str = "") -> RunPlan:
    settings = make(asyncbatch, journal=journal)
    return plan_run(task, task._asyncbatch_request(settings), settings)


SEQUENTIAL = Dependency(type=DependencyType.SEQUENTIAL)
LONG_FAMILY = "Very" * 60

TASKS: Mapping[str, tuple[Callable[[], BatchTask], str]] = {
    "nothing set": (daily, "Daily_3___8201bd27e5-a6d13a17bf31"),
    "queue and resources": (
        lambda: daily(job_queue="night", job_vcpus=0.5, job_memory_mib=4096, job_gpus=1),
        "Daily_3__10_d64a7d17c6-8232b55163c2",
    ),
    "parameters": (
        lambda: daily(parameters={"day": 3, "half": 0.5, "on": True}),
        "Daily_3___8201bd27e5-7a5d553af1db",
    ),
    "command and environment": (
        lambda: daily(job_command=["load", "grün"], job_environment={"DAY": 3}),
        "Daily_3___8201bd27e5-a56bcd3dbd1a",
    ),
    "array with dependencies": (
        lambda: daily(job_array_size=10, job_depends_on=(SEQUENTIAL, JOB_ID)),
        "Daily_3___8201bd27e5-666115de07b0",
    ),
    "retry as an int": (lambda: daily(job_retry=3), "Daily_3___8201bd27e5-736e5fd46922"),
    "retry as text": (lambda: daily(job_retry="3"), "Daily_3___8201bd27e5-736e5fd46922"),
    "retry for Spot": (lambda: daily(job_retry="spot:3"), "Daily_3___8201bd27e5-869541fdce32"),
    "retry by rules": (lambda: daily(job_retry=RULES), "Daily_3___8201bd27e5-8da62818f730"),
    "timeout": (
        lambda: daily(job_attempt_timeout=timedelta(hours=1)),
        "Daily_3___8201bd27e5-4cf5e5e2da89",
    ),
    "timeout in seconds": (
        lambda: daily(job_attempt_timeout=90),
        "Daily_3___8201bd27e5-ceaf509e55ae",
    ),
    "fair share": (
        lambda: daily(job_share_identifier="research", job_scheduling_priority=7),
        "Daily_3___8201bd27e5-9008e293c2b0",
    ),
    "tags": (
        lambda: daily(job_tags={"team": "data"}, job_propagate_tags=True),
        "Daily_3___8201bd27e5-2b43060a27b1",
    ),
    "extra": (lambda: daily(job_extra=EXTRA), "Daily_3___8201bd27e5-18ecdd37afef"),
    "consumable resources": (
        lambda: daily(job_consumable_resources={"license": 2}),
        "Daily_3___8201bd27e5-1c49857c330a",
    ),
    "instance type": (
        lambda: daily(job_instance_type="p5.48xlarge"),
        "Daily_3___8201bd27e5-ad4e95f5867b",
    ),
    "overrides of nodes": (
        lambda: daily(job_node_overrides=EXTRA["nodeOverrides"]),
        "Daily_3___8201bd27e5-444f983af02f",
    ),
    "overrides of a task on ECS": (
        lambda: daily(job_ecs_properties_override={"taskProperties": []}),
        "Daily_3___8201bd27e5-8d02247e00f7",
    ),
    "overrides of a pod": (
        lambda: daily(job_eks_properties_override={"podProperties": {}}),
        "Daily_3___8201bd27e5-4790904d4df1",
    ),
    "namespace": (
        lambda: daily(task_namespace="team.a"),
        "team-a-Daily_3___8201bd27e5-4d7aba185f19",
    ),
    "long family": (
        lambda: daily(LONG_FAMILY),
        LONG_FAMILY[:104] + "-8201bd27e5-d1093f3449ac",
    ),
    "children": (
        lambda: daily(
            base=BatchArrayTask, job_command=["load"], children=[{"DAY": "mon"}, {"DAY": "tue"}]
        ),
        "Daily_3___8201bd27e5-97ae13c6a4d9",
    ),
}


@pytest.mark.parametrize("case", TASKS)
def test_job_name_of_a_luigi_task_never_changes(case: str) -> None:
    """The last 12 characters are the hash of the request's content."""
    make_task, name = TASKS[case]
    assert assigned(make_task()).request.name == name


@pytest.mark.parametrize(
    ("make_task", "key"),
    [
        (daily, "Daily_3___8201bd27e5-a6d13a17bf31"),
        (lambda: daily(job_name="nightly"), "Daily_3__10_bd4f3f52bd-7145606e4279"),
        (
            lambda: daily(LONG_FAMILY),
            LONG_FAMILY[-185:] + "_3___8201bd27e5-d1093f3449ac",
        ),
    ],
    ids=["generated name", "name of its own", "long family"],
)
def test_journal_key_of_a_luigi_task_never_changes(
    make_task: Callable[[], BatchTask], key: str
) -> None:
    assert assigned(make_task(), journal="run.db").request.key == key


@pytest.mark.parametrize(
    ("attributes", "tags"),
    [
        ({}, {"luigi:task-family": "Daily", "luigi:task-id": "Daily_3___8201bd27e5"}),
        (
            {"job_name": "nightly"},
            {
                "luigi:task-family": "Daily",
                "luigi:task-id": "Daily_3__10_bd4f3f52bd",
                "luigi:content": "7145606e4279",
            },
        ),
    ],
    ids=["generated name", "name of its own"],
)
def test_tags_of_a_luigi_task_never_change(
    attributes: Mapping[str, Any], tags: Mapping[str, str]
) -> None:
    assert assigned(daily(**attributes)).identity == tags
