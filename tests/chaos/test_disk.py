"""The disk of the chaos runs is full when the plan says so, and counts the steps of a journal."""

import os
import sqlite3
from functools import partial
from pathlib import Path

import pytest

from asyncbatch import JournalError
from asyncbatch._journal.file import File
from tests.chaos import plan
from tests.chaos.disk import Disk
from tests.chaos.forks import fork
from tests.chaos.plan import FullDisk, Kill
from tests.chaos.shared import Shared

OPENING = 3  # transactions: the lock, the schema, and the mark that there is a -wal file
FAILED = 3


class Clock:
    now = 1000.0

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def shared() -> Shared:
    return Shared()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


def use(
    monkeypatch: pytest.MonkeyPatch, path: Path, shared: Shared, clock: Clock, *full: FullDisk
) -> Disk:
    disk = Disk(path, full_disks=full, kill=Kill(), shared=shared, clock=clock.time)
    monkeypatch.setattr(sqlite3, "connect", partial(disk.connect, sqlite3.connect))
    monkeypatch.setattr(os, "pwrite", partial(disk.pwrite, os.pwrite))
    return disk


def test_disk_without_a_plan_is_never_full(
    monkeypatch: pytest.MonkeyPatch, path: Path, shared: Shared, clock: Clock
) -> None:
    use(monkeypatch, path, shared, clock)
    file = File(path)
    file.apply([])
    file.close()
    assert (shared.transactions, shared.full_writes) == (OPENING + 2, 0)


def test_full_disk_fails_transactions_until_it_is_free(
    monkeypatch: pytest.MonkeyPatch, path: Path, shared: Shared, clock: Clock
) -> None:
    use(monkeypatch, path, shared, clock, FullDisk(begins=OPENING + 2, lasts=10))
    file = File(path)
    file.apply([("INSERT INTO facts VALUES ('a', '1')", ())])
    for _ in range(2):
        with pytest.raises(JournalError, match="disk is full"):
            file.apply([("INSERT INTO facts VALUES ('b', '1')", ())])
    clock.now += 10
    assert file.fact("b", "2") == "2"
    assert file.fact("a", "2") == "1"
    file.close()
    assert shared.full_writes == 2


@pytest.mark.parametrize("begins", range(1, OPENING + 1))
def test_full_disk_fails_the_creation_of_a_journal_which_a_later_process_completes(
    monkeypatch: pytest.MonkeyPatch, path: Path, shared: Shared, clock: Clock, begins: int
) -> None:
    use(monkeypatch, path, shared, clock, FullDisk(begins=begins, lasts=10))

    def work() -> int:
        with pytest.raises(JournalError, match="disk is full"):
            File(path)
        return FAILED

    errors = path.with_name("errors")
    assert fork(work, errors).wait() == FAILED
    clock.now += 10
    file = File(path)
    assert file.entries() == []
    file.close()


def test_full_disk_fails_the_lock_file_of_a_new_journal(
    monkeypatch: pytest.MonkeyPatch, path: Path, shared: Shared, clock: Clock
) -> None:
    use(monkeypatch, path, shared, clock)
    shared.full_until = clock.now + 10
    with pytest.raises(JournalError, match="No space left"):
        File(path)
    clock.now += 10
    File(path).close()


def test_a_planned_kill_of_a_new_journal_is_a_step_of_opening_it(
    monkeypatch: pytest.MonkeyPatch, path: Path, shared: Shared, clock: Clock
) -> None:
    disk = use(monkeypatch, path, shared, clock)
    file = File(path)
    file.fact("region", "local")
    file.close()
    # The audit hook, which is not used here, counts three more: two open() and sqlite3.connect().
    assert plan.SCHEMA_STEPS < plan.JOURNAL_STEPS <= disk.steps + 3
