"""`dependsOn`: plain, SEQUENTIAL, N_TO_N; failures cascade."""

import pytest

from asyncbatch.local import Launch, Script
from tests.local.harness import Bench, bench, pass_time

pytestmark = pytest.mark.virtual_time

CASCADE = "Dependent Job failed"


def by_name(launch: Launch) -> Script:
    """Fail what is called `bad`; otherwise run for ten seconds."""
    return Script(startup=0, duration=10, exit_code=int(launch.name == "bad"))


async def _on(at: Bench, *dependencies: dict[str, str], **extra: object) -> str:
    return await at.submit("dependent", dependsOn=list(dependencies), **extra)


async def test_a_job_is_pending_until_all_its_dependencies_have_succeeded() -> None:
    async with bench(by_name) as at:
        first, second = await at.submit(), await at.submit()
        job_id = await _on(at, {"jobId": first}, {"jobId": second})
        await pass_time(5)
        assert await at.status(job_id) == "PENDING"
        await pass_time(6)
        assert await at.status(job_id) == "RUNNING"
        job = await at.ended(job_id)
    assert job["status"] == "SUCCEEDED"
    assert job["dependsOn"] == [{"jobId": first}, {"jobId": second}]


async def test_a_failure_cascades_down_the_whole_chain() -> None:
    async with bench(by_name) as at:
        last = await at.submit("bad")
        chain = []
        for _ in range(5):
            last = await _on(at, {"jobId": last})
            chain.append(last)
        await pass_time(11)
        jobs = [await at.job(job_id) for job_id in chain]
    assert {(job["status"], job["statusReason"]) for job in jobs} == {("FAILED", CASCADE)}
    assert all(job["attempts"] == [] for job in jobs)


@pytest.mark.parametrize(("name", "status"), [("good", "SUCCEEDED"), ("bad", "FAILED")])
async def test_a_dependency_that_has_ended_already_counts(name: str, status: str) -> None:
    async with bench(by_name) as at:
        done = (await at.ended(await at.submit(name)))["jobId"]
        assert (await at.ended(await _on(at, {"jobId": done})))["status"] == status


async def test_an_array_waits_as_one_and_fails_as_one() -> None:
    async with bench(by_name) as at:
        waiting = await _on(at, {"jobId": await at.submit()}, arrayProperties={"size": 3})
        doomed = await _on(at, {"jobId": await at.submit("bad")}, arrayProperties={"size": 3})
        await pass_time(5)
        summary = (await at.job(waiting))["arrayProperties"]["statusSummary"]
        assert summary["PENDING"] == 3
        assert (await at.ended(waiting))["status"] == "SUCCEEDED"
        parent = await at.ended(doomed)
        child = await at.job(f"{doomed}:0")
    assert (parent["status"], parent["statusReason"]) == ("FAILED", CASCADE)
    assert (child["status"], child["statusReason"]) == ("FAILED", CASCADE)


async def test_a_job_can_wait_for_a_whole_array_and_for_one_child() -> None:
    def script(launch: Launch) -> Script:
        return Script(startup=0, duration=10 * (1 + (launch.array_index or 0)))

    async with bench(script) as at:
        array = await at.submit(arrayProperties={"size": 3})
        whole = await _on(at, {"jobId": array})
        child = await _on(at, {"jobId": f"{array}:1"})
        await pass_time(25)
        assert (await at.status(child), await at.status(whole)) == ("RUNNING", "PENDING")
        await pass_time(10)
        assert await at.status(whole) == "RUNNING"


async def test_sequential_children_run_one_after_the_other() -> None:
    running: list[int | None] = []

    def script(launch: Launch) -> Script:
        running.append(launch.array_index)
        return Script(startup=0, duration=10)

    async with bench(script) as at:
        job_id = await _on(at, {"type": "SEQUENTIAL"}, arrayProperties={"size": 4})
        await pass_time(25)
        assert running == [0, 1, 2]
        assert await at.status(f"{job_id}:3") == "PENDING"
        assert (await at.ended(job_id))["status"] == "SUCCEEDED"


async def test_a_failed_child_of_a_long_sequence_fails_all_after_it() -> None:
    """Ten thousand ends follow from one, without ten thousand nested calls."""

    def script(launch: Launch) -> Script:
        return Script(startup=0, exit_code=launch.array_index == 1)

    async with bench(script) as at:
        job_id = await _on(at, {"type": "SEQUENTIAL"}, arrayProperties={"size": 10_000})
        parent = await at.ended(job_id)
        last = await at.job(f"{job_id}:9999")
    assert parent["arrayProperties"]["statusSummary"]["SUCCEEDED"] == 1
    assert parent["arrayProperties"]["statusSummary"]["FAILED"] == 9999
    assert last["statusReason"] == CASCADE


async def test_n_to_n_children_wait_for_their_counterparts() -> None:
    def script(launch: Launch) -> Script:
        index = launch.array_index or 0
        fails = launch.name == "first" and index == 2
        return Script(startup=0, duration=10 * (index + 1), exit_code=int(fails))

    async with bench(script) as at:
        first = await at.submit("first", arrayProperties={"size": 3})
        second = await _on(at, {"jobId": first, "type": "N_TO_N"}, arrayProperties={"size": 3})
        await pass_time(15)
        statuses = [await at.status(f"{second}:{index}") for index in range(3)]
        assert statuses == ["RUNNING", "PENDING", "PENDING"]
        parent = await at.ended(second)
        cascaded = await at.job(f"{second}:2")
        late = await _on(at, {"jobId": first, "type": "N_TO_N"}, arrayProperties={"size": 3})
        late_parent = await at.ended(late)
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
async def test_a_dependency_that_makes_no_sense_is_refused(
    dependency: dict[str, str], size: int | None
) -> None:
    async with bench(by_name) as at:
        known = {
            "plain": await at.submit(),
            "array": await at.submit(arrayProperties={"size": 3}),
        }
        if dependency.get("jobId") in known:
            dependency = {**dependency, "jobId": known[dependency["jobId"]]}
        extra: dict[str, object] = {"arrayProperties": {"size": size}} if size else {}
        with pytest.raises(at.batch.exceptions.ClientException):
            await _on(at, dependency, **extra)
        assert len(at.local.ledger.submissions) == 2
