"""Consumable resources: what jobs need besides vCPUs."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from asyncbatch.local import Launch, Script
from tests.local.harness import LocalEngine, open_engine, pass_time

pytestmark = pytest.mark.virtual_time


def needs(quantity: int, resource: str = "licence") -> dict[str, Any]:
    return {"consumableResourceList": [{"consumableResource": resource, "quantity": quantity}]}


async def quantities(engine: LocalEngine) -> tuple[int, int, int]:
    """Return how much of the licence exists, is in use, and is available."""
    found = await engine.batch.describe_consumable_resource(consumableResource="licence")
    return found["totalQuantity"], found["inUseQuantity"], found["availableQuantity"]


async def running(engine: LocalEngine, ids: list[str]) -> int:
    jobs = (await engine.batch.describe_jobs(jobs=ids))["jobs"]
    return sum(job["status"] == "RUNNING" for job in jobs)


@pytest.mark.parametrize("kind", ["REPLENISHABLE", "NON_REPLENISHABLE"])
async def test_jobs_wait_until_what_they_need_is_available(kind: str) -> None:
    async with open_engine(Script(duration=60), vcpus=100) as engine:
        await engine.batch.create_consumable_resource(
            consumableResourceName="licence", totalQuantity=5, resourceType=kind
        )
        override = {"consumableResourcePropertiesOverride": needs(2)}
        ids = [await engine.submit(**override) for _ in range(4)]
        await pass_time(30)
        is_replenished = kind == "REPLENISHABLE"
        assert await running(engine, ids) == 2
        assert await quantities(engine) == ((5, 4, 1) if is_replenished else (1, 0, 1))
        await pass_time(60)
        assert await running(engine, ids) == (2 if is_replenished else 0)
        if not is_replenished:
            await engine.batch.update_consumable_resource(
                consumableResource="licence", operation="ADD", quantity=3
            )
        await pass_time(90)
        jobs = (await engine.batch.describe_jobs(jobs=ids))["jobs"]
        assert {job["status"] for job in jobs} == {"SUCCEEDED"}
        assert await quantities(engine) == ((5, 0, 5) if is_replenished else (0, 0, 0))
        assert jobs[0]["consumableResourceProperties"] == needs(2)


async def test_a_job_keeps_what_it_needs_between_its_attempts() -> None:
    def script(launch: Launch) -> Script:
        return Script(duration=60, exit_code=launch.attempt % 2)

    async with open_engine(script, vcpus=100) as engine:
        await engine.batch.create_consumable_resource(
            consumableResourceName="licence", totalQuantity=2
        )
        override = {"consumableResourcePropertiesOverride": needs(2)}
        first = await engine.submit(retryStrategy={"attempts": 2}, **override)
        second = await engine.submit(retryStrategy={"attempts": 2}, **override)
        await pass_time(90)
        assert (await engine.job(first))["status"] == "RUNNING"
        assert await quantities(engine) == (2, 2, 0)
        await engine.batch.terminate_job(jobId=first, reason="enough")
        await pass_time(10)
        assert (await engine.job(second))["status"] == "RUNNING"


async def test_a_job_that_waits_for_a_resource_stops_only_its_own_queue() -> None:
    async with open_engine(Script(duration=None), vcpus=100) as engine:
        await engine.batch.create_job_queue(
            jobQueueName="other",
            priority=1,
            computeEnvironmentOrder=[{"order": 1, "computeEnvironment": "local"}],
        )
        created = await engine.batch.create_consumable_resource(consumableResourceName="licence")
        arn = created["consumableResourceArn"]
        override = {"consumableResourcePropertiesOverride": needs(1, arn)}
        ids = [
            await engine.submit(**override),
            await engine.submit(),
            await engine.submit(jobQueue="other"),
        ]
        await pass_time(30)
        jobs = (await engine.batch.describe_jobs(jobs=ids))["jobs"]
        assert [job["status"] for job in jobs] == ["RUNNABLE", "RUNNABLE", "RUNNING"]


async def test_resources_are_listed_changed_and_deleted() -> None:
    async with open_engine() as engine:
        aws = engine.batch
        for name in ("a", "b", "c"):
            await aws.create_consumable_resource(consumableResourceName=name, totalQuantity=5)
        for operation, quantity, total in (("ADD", 2, 7), ("REMOVE", 3, 4), ("SET", 9, 9)):
            changed = await aws.update_consumable_resource(
                consumableResource="b", operation=operation, quantity=quantity
            )
            assert changed["totalQuantity"] == total
        await aws.delete_consumable_resource(consumableResource="c")
        await aws.delete_consumable_resource(consumableResource="c")
        first = await aws.list_consumable_resources(maxResults=1)
        second = await aws.list_consumable_resources(maxResults=1, nextToken=first["nextToken"])
    names = [each["consumableResources"][0]["consumableResourceName"] for each in (first, second)]
    assert names == ["b", "a"]
    assert "nextToken" not in second


@pytest.mark.parametrize(
    ("operation", "request_", "message"),
    [
        ("create_consumable_resource", {"consumableResourceName": "licence"}, "already exists"),
        ("create_consumable_resource", {"consumableResourceName": "a b"}, "valid pattern"),
        (
            "create_consumable_resource",
            {"consumableResourceName": "a", "resourceType": "OTHER"},
            "OTHER should be one of",
        ),
        (
            "create_consumable_resource",
            {"consumableResourceName": "a", "totalQuantity": -1},
            "-1 should be 0 or more",
        ),
        ("describe_consumable_resource", {"consumableResource": "none"}, "does not exist"),
        ("update_consumable_resource", {"consumableResource": "none"}, "does not exist"),
        (
            "update_consumable_resource",
            {"consumableResource": "licence", "operation": "DOUBLE", "quantity": 1},
            "DOUBLE should be one of",
        ),
        (
            "update_consumable_resource",
            {"consumableResource": "licence", "operation": "REMOVE", "quantity": 2},
            "-1 should be 0 or more",
        ),
        (
            "list_consumable_resources",
            {"filters": [{"name": "CONSUMABLE_RESOURCE_NAME", "values": ["a"]}]},
            "does not support filters",
        ),
    ],
)
async def test_wrong_requests_are_refused(
    operation: str, request_: dict[str, Any], message: str
) -> None:
    async with open_engine() as engine:
        await engine.batch.create_consumable_resource(
            consumableResourceName="licence", totalQuantity=1
        )
        with pytest.raises(ClientError, match=message):
            await getattr(engine.batch, operation)(**request_)


@pytest.mark.parametrize(
    ("override", "message"),
    [(needs(1, "none"), "none does not exist"), (needs(0), "0 of licence should be above 0")],
)
async def test_jobs_with_wrong_needs_are_refused(override: dict[str, Any], message: str) -> None:
    async with open_engine() as engine:
        await engine.batch.create_consumable_resource(consumableResourceName="licence")
        with pytest.raises(ClientError, match=message):
            await engine.submit(consumableResourcePropertiesOverride=override)
