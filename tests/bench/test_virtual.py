"""Contenders work in virtual time: all jobs are followed to their ends, quickly and repeatably."""

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
from bench.work import News, Work

# The contenders' own business: what they know is written down on their event loop.
pytestmark = pytest.mark.may_block

JOBS = 30
each_contender = pytest.mark.parametrize("contender", FOLLOW)


def do(contender: str, folder: Path, setting: Setting, **fields: Any) -> tuple[Account, Known]:  # noqa: ANN401 (any field's type)
    """Let a contender work, and return what happened and what it knew."""
    news = folder / f"news-{len(list(folder.iterdir()))}"
    work = Work(jobs=JOBS, news=str(news), **fields)
    account = run_in_virtual_time(lambda: run(contender, setting, work))
    return Account(**account), Known.parse(news.read_text().splitlines())


@each_contender
def test_every_end_is_known_after_it_has_happened(contender: str, tmp_path: Path) -> None:
    account, known = do(contender, tmp_path, Setting(shortest=5, longest=15))
    assert account.submissions == JOBS
    assert known.ends.keys() == account.ends.keys()
    assert all(known.ends[job] > at for job, at in account.ends.items())


@each_contender
def test_the_same_seed_is_the_same_work(contender: str, tmp_path: Path) -> None:
    first, again = (do(contender, tmp_path, Setting(seed=7))[0] for _ in range(2))
    assert first.ends == again.ends
    assert first.ends != do(contender, tmp_path, Setting(seed=8))[0].ends


@each_contender
def test_an_array_ends_with_its_last_child(contender: str, tmp_path: Path) -> None:
    account, known = do(contender, tmp_path, Setting(shortest=5, longest=15), array=True)
    assert account.calls["SubmitJob"] == 1
    assert len(account.ends) == 1
    assert known.ends.keys() == account.ends.keys()


@each_contender
def test_jobs_that_never_start_are_held(contender: str, tmp_path: Path) -> None:
    account, known = do(contender, tmp_path, Setting(starts=False), hold=60.0)
    assert account.ends == known.ends == {}
    assert known.figures["virtual_s"] >= 60
    assert known.figures["held_cpu_s"] > 0


@each_contender
def test_jobs_that_never_end_are_held(contender: str, tmp_path: Path) -> None:
    account, _ = do(contender, tmp_path, Setting(longest=None), hold=60.0)
    assert account.submissions == JOBS
    assert account.ends == {}


@types.coroutine
def given_back(value: object) -> Generator[object, object, object]:
    """Hand a value to whoever drives the coroutine, and return what comes back."""
    return (yield value)


def test_the_meter_changes_nothing_between_a_coroutine_and_its_loop() -> None:
    async def add(one: int) -> object:
        try:
            return [one, await given_back("asked")]
        except KeyError as error:
            return error.args

    async def drive() -> object:
        return await Meter().watch(add)(1)

    driven = drive()
    assert driven.send(None) == "asked"
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


async def test_the_meter_does_not_count_what_happens_meanwhile() -> None:
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


def test_news_that_several_processes_write_are_whole_lines(tmp_path: Path) -> None:
    path = str(tmp_path / "news")
    first, second = News(path, clock=lambda: 1.5), News(path, clock=lambda: 2.5)
    first.ended("a")
    second.ended("b")
    first.figure("seen", 3)
    known = Known.parse((tmp_path / "news").read_text().splitlines())
    assert known == Known({"a": 1.5, "b": 2.5}, {"seen": 3.0})


def test_an_order_travels_through_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work(jobs=3, news="news", array=True, hold=1.5)
    for name, value in work.to_environment().items():
        monkeypatch.setenv(name, value)
    assert Work.from_environment() == work
