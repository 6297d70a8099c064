"""A journal that an earlier version of the package wrote, opened by the current one.

`data/journal_of_schema_1.sql` was written by the first version with a journal, by a real run
against the local engine and, for states and members that the engine does not produce, by the
journal's own functions. Journals like this exist on users' disks: a later version must read every
entry and every description, or it loses jobs or submits them a second time.
"""

import contextlib
import sqlite3
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from asyncbatch import (
    ArrayProperties,
    Attempt,
    Container,
    JobDescription,
    JobRequest,
    JobStatus,
    NodeProperties,
    NodeRange,
)
from asyncbatch._journal.entries import Entry, EntryState, identity_of
from asyncbatch._journal.journal import OpenJournal

SCRIPT = Path(__file__).parent / "data" / "journal_of_schema_1.sql"

LOCAL = "arn:aws:batch:local:000000000000:"
TASK = "arn:aws:ecs:local:000000000000:task/local/"
INSTANCE = "arn:aws:ecs:local:000000000000:container-instance/local/local"
ENDED_NORMALLY = "Essential container in task exited"


def at(hour: int, minute: int, second: int, millisecond: int) -> datetime:
    return datetime(2024, 1, 15, hour, minute, second, 1000 * millisecond, tzinfo=UTC)


def on_local(hour: int, minute: int, second: int, millisecond: int) -> datetime:
    return datetime(2026, 12, 1, hour, minute, second, 1000 * millisecond, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "run.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(SCRIPT.read_text(encoding="utf-8"))
    return path


def opened(path: Path) -> AbstractAsyncContextManager[OpenJournal]:
    return OpenJournal.opened(path, region="eu-west-1")


ENTRIES = [
    Entry(
        number=1,
        identity="d465331d3e5dde073b03b35dad1e3775",
        ordinal=0,
        state=EntryState.SUCCEEDED,
        name="succeeds-a02a8da7a271",
        queue="default",
        job_definition="succeeds",
        has_unique_name=True,
        tag=None,
        array_size=None,
        since=1796109090.8446207,
        job_id="23b815d0-305c-466d-bf58-382fc327f996",
    ),
    Entry(
        number=2,
        identity="e2a6e5bf3525d68d74345bb56adc6c23",
        ordinal=0,
        state=EntryState.FAILED,
        name="nightly",
        queue="default",
        job_definition="fails",
        has_unique_name=False,
        tag="58c40cab8b65",
        array_size=None,
        since=1796109090.8528142,
        job_id="9efc5b53-6454-4fdb-9bf0-f943793fdb00",
    ),
    Entry(
        number=3,
        identity="4aee2af65a9fc87dac3842b97d35b017",
        ordinal=0,
        state=EntryState.SUCCEEDED,
        name="succeeds-4a157f9dc6de",
        queue="default",
        job_definition="succeeds",
        has_unique_name=True,
        tag=None,
        array_size=3,
        since=1796109090.872628,
        job_id="bbe8cc60-04cf-4d4a-bd11-a41ff1c0086b",
    ),
    Entry(
        number=4,
        identity="key:2024-01-15/load",
        ordinal=0,
        state=EntryState.SUCCEEDED,
        name="succeeds-dd05b2977b5e",
        queue="default",
        job_definition="succeeds",
        has_unique_name=True,
        tag=None,
        array_size=None,
        since=1796109090.8894904,
        job_id="ae71c56c-9a41-45d7-8b2f-80aa4723f583",
    ),
    Entry(
        number=5,
        identity="a269e22ea92805c3f17322892f7e7952",
        ordinal=0,
        state=EntryState.SUBMITTED,
        name="endless-17ebe9420e6d",
        queue="default",
        job_definition="endless",
        has_unique_name=True,
        tag=None,
        array_size=None,
        since=1796109091.0719435,
        job_id="57f223c4-5e2a-4a6b-bbb9-4329bec7bf75",
    ),
    Entry(
        number=6,
        identity="a" * 32,
        ordinal=0,
        state=EntryState.LOST,
        name="etl-000102030405",
        queue="default",
        job_definition="etl:3",
        has_unique_name=True,
        tag=None,
        array_size=None,
        since=1705312800.25,
        job_id="99999999-2222-3333-4444-555555555555",
    ),
    Entry(
        number=7,
        identity="b" * 32,
        ordinal=0,
        state=EntryState.FAILED,
        name="etl-000102030405",
        queue="default",
        job_definition="etl:3",
        has_unique_name=True,
        tag=None,
        array_size=None,
        since=1705312800.25,
        job_id="11111111-2222-3333-4444-555555555555:1#0",
    ),
    Entry(
        number=8,
        identity="f" * 32,
        ordinal=1,
        state=EntryState.INTENT,
        name="nightly",
        queue="default",
        job_definition="etl:3",
        has_unique_name=False,
        tag="0123456789ab",
        array_size=None,
        since=1705312800.25,
        job_id=None,
    ),
]


async def test_earlier_journal_opens_with_all_entries(path: Path) -> None:
    async with opened(path) as journal:
        assert list(journal) == ENTRIES


# What the first version made of the answers of AWS.
JOB = JobDescription(
    job_id="23b815d0-305c-466d-bf58-382fc327f996",
    status=JobStatus.SUCCEEDED,
    name="succeeds-a02a8da7a271",
    arn=f"{LOCAL}job/23b815d0-305c-466d-bf58-382fc327f996",
    queue=f"{LOCAL}job-queue/default",
    job_definition=f"{LOCAL}job-definition/succeeds:1",
    status_reason=ENDED_NORMALLY,
    created_at=on_local(7, 11, 30, 850),
    started_at=on_local(7, 11, 30, 853),
    stopped_at=on_local(7, 11, 30, 853),
    containers=(
        Container(
            image="busybox",
            command=("load", "Ref::date"),
            environment={"CITY": "Zürich"},
            vcpus=1.0,
            memory_mib=64,
            exit_code=0,
            log_stream_name="succeeds/default/4253edcca33faec069ea9415c392cef3",
            task_arn=f"{TASK}4253edcca33faec069ea9415c392cef3",
            container_instance_arn=INSTANCE,
        ),
    ),
    attempts=(
        Attempt(
            number=1,
            containers=(
                Container(
                    exit_code=0,
                    log_stream_name="succeeds/default/4253edcca33faec069ea9415c392cef3",
                    task_arn=f"{TASK}4253edcca33faec069ea9415c392cef3",
                    container_instance_arn=INSTANCE,
                ),
            ),
            status_reason=ENDED_NORMALLY,
            started_at=on_local(7, 11, 30, 853),
            stopped_at=on_local(7, 11, 30, 853),
        ),
    ),
    parameters={"date": "2024-01-15"},
    tags={"team": "data"},
    attempt_timeout=timedelta(hours=1),
    attempts_allowed=1,
    extra={"propagateTags": False},
)
ARRAY = JobDescription(
    job_id="bbe8cc60-04cf-4d4a-bd11-a41ff1c0086b",
    status=JobStatus.SUCCEEDED,
    name="succeeds-4a157f9dc6de",
    arn=f"{LOCAL}job/bbe8cc60-04cf-4d4a-bd11-a41ff1c0086b",
    queue=f"{LOCAL}job-queue/default",
    job_definition=f"{LOCAL}job-definition/succeeds:1",
    created_at=on_local(7, 11, 30, 888),
    started_at=on_local(7, 11, 30, 889),
    stopped_at=on_local(7, 11, 30, 890),
    containers=(
        Container(image="busybox", command=("load", "Ref::date"), vcpus=1.0, memory_mib=64),
    ),
    array=ArrayProperties(
        size=3,
        status_summary={status: 3 if status == "SUCCEEDED" else 0 for status in JobStatus},
        updated_at=on_local(7, 11, 30, 890),
    ),
    parameters={"date": "none"},
    attempts_allowed=1,
    extra={"propagateTags": False},
)
# Every member that a description has, whether or not they occur together at AWS.
ALL_MEMBERS = JobDescription(
    job_id="11111111-2222-3333-4444-555555555555:1#0",
    status=JobStatus.FAILED,
    name="etl",
    arn="arn:aws:batch:eu-west-1:123456789012:job/11111111-2222-3333-4444-555555555555",
    queue="arn:aws:batch:eu-west-1:123456789012:job-queue/default",
    job_definition="arn:aws:batch:eu-west-1:123456789012:job-definition/etl:3",
    status_reason="Host EC2 (instance i-0) terminated.",
    created_at=at(10, 0, 0, 123),
    started_at=at(10, 1, 0, 456),
    stopped_at=at(11, 1, 0, 789),
    containers=(
        Container(
            name="main",
            image="busybox",
            command=("load",),
            environment={"A": "ä"},
            vcpus=0.25,
            memory_mib=512,
            gpus=1,
            exit_code=137,
            reason="OutOfMemoryError",
            log_stream_name="etl/main/1",
            log_driver="awslogs",
            log_options={"awslogs-group": "/batch"},
            task_arn="arn:task",
            container_instance_arn="arn:ci",
            extra={"mountPoints": [{"containerPath": "/x"}]},
        ),
        Container(
            name="sidecar",
            image="envoy",
            exit_code=0,
            task_arn="arn:task",
            container_instance_arn="arn:ci",
        ),
    ),
    attempts=(
        Attempt(
            number=1,
            containers=(
                Container(
                    name="main",
                    exit_code=137,
                    log_stream_name="etl/main/0",
                    task_arn="arn:task",
                ),
            ),
            status_reason="Host EC2",
            started_at=at(10, 1, 0, 456),
            stopped_at=at(11, 1, 0, 789),
        ),
        Attempt(
            number=2,
            containers=(
                Container(
                    exit_code=1,
                    reason="Error",
                    log_stream_name="etl/default/0",
                    task_arn="arn:t",
                ),
            ),
            started_at=at(10, 1, 0, 456),
            stopped_at=at(11, 1, 0, 789),
        ),
    ),
    array=ArrayProperties(
        size=4,
        index=1,
        status_summary={JobStatus.FAILED: 1, JobStatus.SUCCEEDED: 3},
        updated_at=at(11, 1, 0, 0),
    ),
    node=NodeProperties(
        count=2,
        main_index=0,
        index=0,
        is_main=True,
        ranges=(
            NodeRange(
                target_nodes="0:1",
                containers=(Container(image="busybox", vcpus=1.0, memory_mib=64),),
            ),
        ),
    ),
    depends_on=("22222222-2222-3333-4444-555555555555",),
    parameters={"date": "2024-01-15"},
    tags={"team": "data"},
    share_identifier="research",
    scheduling_priority=7,
    attempt_timeout=timedelta(hours=1),
    attempts_allowed=3,
    is_terminated=True,
    extra={
        "platformCapabilities": ["EC2"],
        "propagateTags": True,
        "stateOfTomorrow": {"a": [1, 2.5, True, None]},
        "retryStrategy": {"evaluateOnExit": [{"onReason": "*", "action": "exit"}]},
    },
)


@pytest.mark.parametrize("expected", [JOB, ARRAY, ALL_MEMBERS], ids=["job", "array", "all members"])
async def test_earlier_journal_returns_descriptions_unchanged(
    path: Path, expected: JobDescription
) -> None:
    async with opened(path) as journal:
        entry = journal.of_job(expected.job_id)
        assert entry is not None
        assert await journal.description(entry) == expected


async def test_earlier_journal_has_a_description_of_every_ended_job(path: Path) -> None:
    async with opened(path) as journal:
        ended = [entry for entry in journal if entry.state in ("SUCCEEDED", "FAILED")]
        described = [await journal.description(entry) for entry in ended]
    assert [(d.job_id, str(d.status)) for d in described] == [
        (entry.job_id, str(entry.state)) for entry in ended
    ]


@pytest.mark.parametrize(
    ("request_", "number"),
    [
        (
            JobRequest(
                "succeeds",
                queue="default",
                parameters={"date": "2024-01-15"},
                environment={"CITY": "Zürich"},
                tags={"team": "data"},
                attempt_timeout=timedelta(hours=1),
            ),
            1,
        ),
        (JobRequest("fails", queue="default", name="nightly", retry=2), 2),
        (JobRequest("succeeds", queue="default", array_size=3), 3),
        (JobRequest("succeeds", queue="default", key="2024-01-15/load"), 4),
        (JobRequest("endless", queue="default"), 5),
    ],
    ids=["fields", "name and retry", "array", "key", "live"],
)
async def test_earlier_journal_finds_the_submission_of_the_same_request(
    path: Path, request_: JobRequest, number: int
) -> None:
    async with opened(path) as journal:
        entry = journal.find(identity_of(request_), 0)
    assert entry is not None
    assert entry.number == number
