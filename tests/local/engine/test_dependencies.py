"""`dependsOn`: plain, SEQUENTIAL and N_TO_N dependencies, and cascading failures."""

import pytest

from asyncbatch.local import Launch, Script
from tests.local.harness import LocalEngine, open_engine, pass_time

pytestmark = pytest.mark.virtual_time

CASCADE = "Dependent Job failed"


def fail_if_bad(launch: Launch) -> Script:
    """Run for ten seconds; fail if the job is called `bad`."""
    return Script(startup=0, duration=10, exit_code=int(launch.name == "bad"))


async def _submit_dependent(
    engine: LocalEngine, *dependencies: dict[str, str], **extra: object
) -> str:
    return await engine.submit("dependent", dependsOn=list(dependencies), **extra)


async def test_a_job_is_pending_until_all_its_dependencies_have_succeeded() -> None:
    async with open_engine(fail_if_bad) as engine:
        first, second = await engine.submit(), await engine.submit()
        job_id = await _submit_dependent(engine, {"jobId": first}, {"jobId": second})
        await pass_time(5)
        assert await engine.status(job_id) == "PENDING"
        await pass_time(6)
        assert await engine.status(job_id) == "RUNNING"
        job = await engine.ended(job_id)
    assert job["status"] == "SUCCEEDED"
    assert job["dependsOn"] == [{"jobId": first}, {"jobId": second}]


async def test_a_failure_cascades_down_the_whole_chain() -> None:
    async with open_engine(fail_if_bad) as engine:
        last = await engine.submit("bad")
        chain = []
        for _ in range(5):
            last = await _submit_dependent(engine, {"jobId": last})
            chain.append(last)
        await pass_time(11)
        jobs = [await engine.job(job_id) for job_id in chain]
    assert {(job["status"], job["statusReason"]) for job in jobs} == {("FAILED", CASCADE)}
    assert all(job["attempts"] == [] for job in jobs)


@pytest.mark.parametrize(("name", "status"), [("good", "SUCCEEDED"), ("bad", "FAILED")])
async def test_a_dependency_that_has_ended_before_the_submission_counts(
    name: str, status: str
) -> None:
    async with open_engine(fail_if_bad) as engine:
        done = (await engine.ended(await engine.submit(name)))["jobId"]
        assert (await engine.ended(await _submit_dependent(engine, {"jobId": done})))[
            "status"
        ] == status


async def test_a_dependency_of_an_array_holds_back_or_fails_all_its_children() -> None:
    async with open_engine(fail_if_bad) as engine:
        waiting = await _submit_dependent(
            engine, {"jobId": await engine.submit()}, arrayProperties={"size": 3}
        )
        failing = await _submit_dependent(
            engine, {"jobId": await engine.submit("bad")}, arrayProperties={"size": 3}
        )
        await pass_time(5)
        summary = (await engine.job(waiting))["arrayProperties"]["statusSummary"]
        assert summary["PENDING"] == 3
        assert (await engine.ended(waiting))["status"] == "SUCCEEDED"
        parent = await engine.ended(failing)
        child = await engine.job(f"{failing}:0")
    assert (parent["status"], parent["statusReason"]) == ("FAILED", CASCADE)
    assert (child["status"], child["statusReason"]) == ("FAILED", CASCADE)


async def test_a_job_can_wait_for_a_whole_array_and_for_one_child() -> None:
    def script(launch: Launch) -> Script:
        return Script(startup=0, duration=10 * (1 + (launch.array_index or 0)))

    async with open_engine(script) as engine:
        array = await engine.submit(arrayProperties={"size": 3})
        whole = await _submit_dependent(engine, {"jobId": array})
        child = await _submit_dependent(engine, {"jobId": f"{array}:1"})
        await pass_time(25)
        assert (await engine.status(child), await engine.status(whole)) == ("RUNNING", "PENDING")
        await pass_time(10)
        assert await engine.status(whole) == "RUNNING"


async def test_sequential_children_run_one_after_the_other() -> None:
    running: list[int | None] = []

    def script(launch: Launch) -> Script:
        running.append(launch.array_index)
        return Script(startup=0, duration=10)

    async with open_engine(script) as engine:
        job_id = await _submit_dependent(
            engine, {"type": "SEQUENTIAL"}, arrayProperties={"size": 4}
        )
        await pass_time(25)
        assert running == [0, 1, 2]
        assert await engine.status(f"{job_id}:3") == "PENDING"
        assert (await engine.ended(job_id))["status"] == "SUCCEEDED"


async def test_a_failed_child_of_a_long_sequence_fails_all_after_it() -> None:
    """10,000 jobs fail because of one; nested calls would exceed the recursion limit."""

    def script(launch: Launch) -> Script:
        return Script(startup=0, exit_code=launch.array_index == 1)

    async with open_engine(script) as engine:
        job_id = await _submit_dependent(
            engine, {"type": "SEQUENTIAL"}, arrayProperties={"size": 10_000}
        )
        parent = await engine.ended(job_id)
        last = await engine.job(f"{job_id}:9999")
    assert parent["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 1
    assert parent["arrayProperties"]["statusSummary"]["FAILED"] == 9999
    assert last["statusReason"] == CASCADE


async def test_n_to_n_children_wait_for_their_counterparts() -> None:
    def script(launch: Launch) -> Script:
        index = launch.array_index or 0
        fails = launch.name == "first" and index == 2
        return Script(startup=0, duration=10 * (index + 1), exit_code=int(fails))

    async with open_engine(script) as engine:
        first = await engine.submit("first", arrayProperties={"size": 3})
        second = await _submit_dependent(
            engine, {"jobId": first, "type": "N_TO_N"}, arrayProperties={"size": 3}
        )
        await pass_time(15)
        statuses = [await engine.status(f"{second}:{index}") for index in range(3)]
        assert statuses == ["RUNNING", "PENDING", "PENDING"]
        parent = await engine.ended(second)
        cascaded = await engine.job(f"{second}:2")
        late = await _submit_dependent(
            engine, {"jobId": first, "type": "N_TO_N"}, arrayProperties={"size": 3}
        )
        late_parent = await engine.ended(late)
    assert parent["statusReason"] == "Array Child Job failed"
    assert cascaded["statusReason"] == CASCADE
    assert late_parent["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 2


@pytest.mark.parametrize(
    ("dependency", "size"),
    [
        ({"jobId": "00000000-0000-4000-8000-000000000000"}, None),
        ({"type": "SEQUENTIAL"}, None),
        ({"type": "N_TO_N"}, 3),
        ({}, 3),
        ({"jobId": "plain", "type": "N_TO_N"}, 3),
        ({"jobId": "array", "type": "N_TO_N"}, 4),
        ({"jobId": "array", "type": "N_TO_N"}, None),
        ({"jobId": "plain", "type": "OTHER"}, None),
    ],
)
async def test_an_invalid_dependency_is_rejected(
    dependency: dict[str, str], size: int | None
) -> None:
    async with open_engine(fail_if_bad) as engine:
        known = {
            "plain": await engine.submit(),
            "array": await engine.submit(arrayProperties={"size": 3}),
        }
        if dependency.get("jobId") in known:
            dependency = {**dependency, "jobId": known[dependency["jobId"]]}
        extra: dict[str, object] = {"arrayProperties": {"size": size}} if size else {}
        with pytest.raises(engine.batch.exceptions.ClientException):
            await _submit_dependent(engine, dependency, **extra)
        assert len(engine.local.ledger.submissions) == 2
