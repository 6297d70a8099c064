"""Contenders in virtual time: all jobs are followed to their end, repeatably."""

import asyncio
import types
from collections.abc import Awaitable, Generator
from pathlib import Path
from typing import Any

import pytest

from asyncbatch.local import run_in_virtual_time
from bench.endpoint import Account, Setting
from bench.measure import Known
from bench.virtual import FOLLOW, Meter, run
from bench.work import Recorder, Work

# Contenders write their records on the event loop.
pytestmark = pytest.mark.may_block

JOBS = 30
each_contender = pytest.mark.parametrize("contender", FOLLOW)


def do(contender: str, folder: Path, setting: Setting, **fields: Any) -> tuple[Account, Known]:  # noqa: ANN401 (any field's type)
    """Run a contender; return the engine's account and the contender's records."""
    records = folder / f"records-{len(list(folder.iterdir()))}"
    work = Work(jobs=JOBS, records=str(records), **fields)
    account = run_in_virtual_time(lambda: run(contender, setting, work))
    return Account(**account), Known.parse(records.read_text().splitlines())


@each_contender
def test_every_end_is_reported_after_it_happened(contender: str, tmp_path: Path) -> None:
    account, known = do(contender, tmp_path, Setting(shortest=5, longest=15))
    assert account.submissions == JOBS
    assert known.ends.keys() == account.ends.keys()
    assert all(known.ends[job] > at for job, at in account.ends.items())


@each_contender
def test_equal_seeds_give_equal_runs(contender: str, tmp_path: Path) -> None:
    first, again = (do(contender, tmp_path, Setting(seed=7))[0] for _ in range(2))
    assert first.ends == again.ends
    assert first.ends != do(contender, tmp_path, Setting(seed=8))[0].ends


@each_contender
def test_array_is_reported_once(contender: str, tmp_path: Path) -> None:
    account, known = do(contender, tmp_path, Setting(shortest=5, longest=15), array=True)
    assert account.calls["SubmitJob"] == 1
    assert len(account.ends) == 1
    assert known.ends.keys() == account.ends.keys()


@each_contender
def test_jobs_that_never_start_are_followed(contender: str, tmp_path: Path) -> None:
    account, known = do(contender, tmp_path, Setting(starts=False), hold=60.0)
    assert account.ends == known.ends == {}
    assert known.figures["virtual_s"] >= 60
    assert known.figures["held_cpu_s"] > 0


@each_contender
def test_jobs_that_never_end_are_followed(contender: str, tmp_path: Path) -> None:
    account, _ = do(contender, tmp_path, Setting(longest=None), hold=60.0)
    assert account.submissions == JOBS
    assert account.ends == {}


@types.coroutine
def yielded(value: object) -> Generator[object, object, object]:
    """Yield a value to the driver of the coroutine, and return what it sends."""
    return (yield value)


def test_meter_passes_values_and_errors_unchanged() -> None:
    async def add(one: int) -> object:
        try:
            return [one, await yielded("yielded")]
        except KeyError as error:
            return error.args

    async def drive() -> object:
        return await Meter().watch(add)(1)

    driven = drive()
    assert driven.send(None) == "yielded"
    with pytest.raises(StopIteration) as done:
        driven.send(2)
    assert done.value.value == [1, 2]

    driven = drive()
    driven.send(None)
    with pytest.raises(StopIteration) as done:
        driven.throw(KeyError("lost"))
    assert done.value.value == ("lost",)


async def awaited(work: Awaitable[object]) -> None:
    await work


async def test_meter_does_not_count_other_coroutines() -> None:
    woken = asyncio.Event()
    spent = [0.0]

    async def burn() -> None:
        woken.set()
        spent[0] += 5

    def clock() -> float:
        return spent[0]

    waiting, burning = Meter(clock), Meter(clock)
    async with asyncio.TaskGroup() as group:
        group.create_task(awaited(waiting.watch(woken.wait)()))
        group.create_task(awaited(burning.watch(burn)()))
    assert (waiting.seconds, burning.seconds) == (0, 5)


def test_records_of_several_processes_are_complete_lines(tmp_path: Path) -> None:
    path = str(tmp_path / "records")
    first, second = Recorder(path, clock=lambda: 1.5), Recorder(path, clock=lambda: 2.5)
    first.ended("a")
    second.ended("b")
    first.figure("seen", 3)
    known = Known.parse((tmp_path / "records").read_text().splitlines())
    assert known == Known({"a": 1.5, "b": 2.5}, {"seen": 3.0})


def test_work_is_passed_through_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(jobs=3, records="records", array=True, hold=1.5)
    for name, value in work.to_environment().items():
        monkeypatch.setenv(name, value)
    assert Work.from_environment() == work
