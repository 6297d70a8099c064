"""The journal's file: transactions, migration, locking, and a clear error for each failure."""

import contextlib
import fcntl
import multiprocessing
import os
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from asyncbatch import JournalError
from asyncbatch._journal import file as journal_file
from asyncbatch._journal import opening
from asyncbatch._journal.entries import Entry, EntryState
from asyncbatch._journal.file import File


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.db"


def entry(number: int = 1, **changes: object) -> Entry:
    fields: dict[str, object] = {
        "number": number,
        "identity": f"identity-{number}",
        "ordinal": 0,
        "state": EntryState.INTENT,
        "name": f"etl-{number}",
        "queue": "default",
        "job_definition": "etl:3",
        "has_unique_name": True,
        "tag": None,
        "array_size": None,
        "since": 1_705_312_800.25,
    }
    return Entry(**{**fields, **changes})  # type: ignore[arg-type]


def filled(path: Path, count: int = 3) -> list[Entry]:
    """Write a journal and close it."""
    entries = [entry(n, tag="ab", array_size=n + 1) for n in range(1, count + 1)]
    file = File(path)
    file.apply(map(journal_file.write_entry, entries))
    file.close()
    return entries


def opened(path: Path) -> list[Entry]:
    file = File(path)
    try:
        return file.entries()
    finally:
        file.close()


def written(path: Path) -> None:
    with contextlib.closing(File(path)) as file:
        file.apply([journal_file.write_entry(entry(9))])


# -- transactions ----------------------------------------------------------------------------------


def test_written_entries_are_read_again(path: Path) -> None:
    assert filled(path) == opened(path)


def test_all_steps_of_a_submission_are_written(path: Path) -> None:
    file = File(path)
    first, second = entry(1), entry(2)
    file.apply([journal_file.write_entry(first), journal_file.write_entry(second)])
    first.job_id, first.state = "j-1", EntryState.SUBMITTED
    file.apply([journal_file.update_state(first), journal_file.delete_entry(second)])
    assert file.entries() == [first]
    first.state = EntryState.SUCCEEDED
    file.apply(journal_file.write_end(first, "{}"))
    assert (file.entries(), file.ends(0, 9)) == ([first], [(1, "{}")])
    file.close()


def test_transaction_is_written_completely_or_not_at_all(path: Path) -> None:
    file = File(path)
    with pytest.raises(JournalError):
        file.apply([journal_file.write_entry(entry(1)), ("INSERT INTO nowhere VALUES (1)", ())])
    file.apply([journal_file.write_entry(entry(2))])
    assert file.entries() == [entry(2)]
    file.close()


def test_transaction_is_on_disk_when_apply_returns(path: Path) -> None:
    """WAL with synchronous=FULL: one fsync per commit, which survives a power failure."""
    file = File(path)
    assert file._connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert file._connection.execute("PRAGMA synchronous").fetchone() == (2,)
    file.close()


def test_file_is_readable_by_its_owner_only(path: Path) -> None:
    filled(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


# -- versions --------------------------------------------------------------------------------------


def test_older_schema_is_migrated(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = filled(path)
    step = "ALTER TABLE submissions ADD COLUMN colour TEXT DEFAULT 'red';"
    monkeypatch.setattr(opening, "STEPS", (*opening.STEPS, step))
    assert opened(path) == entries
    with contextlib.closing(sqlite3.connect(path)) as raw, raw:
        assert raw.execute("SELECT DISTINCT colour FROM submissions").fetchall() == [("red",)]
        assert raw.execute("PRAGMA user_version").fetchone() == (len(opening.STEPS),)


def test_failed_migration_leaves_the_file_unchanged(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = filled(path)
    with monkeypatch.context() as patch:
        bad = "CREATE TABLE colours (name TEXT); DROP TABLE nowhere;"
        patch.setattr(opening, "STEPS", (*opening.STEPS, bad))
        with pytest.raises(JournalError, match="nowhere"):
            File(path)
    assert opened(path) == entries


def test_newer_schema_is_refused_without_changes(path: Path) -> None:
    filled(path)
    with contextlib.closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("PRAGMA user_version = 99")
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"schema version 99.*Upgrade asyncbatch"):
        File(path)
    assert path.read_bytes() == before


# -- unusable files --------------------------------------------------------------------------------


def write_text(path: Path) -> None:
    path.write_text("Dear diary, today I submitted " + "a job and " * 100, encoding="utf-8")


def write_database(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("CREATE TABLE recipes (name TEXT)")


def write_damaged(path: Path) -> None:
    filled(path, 200)
    content = bytearray(path.read_bytes())
    content[4096 + 8 : 3 * 4096] = b"\xa5" * (2 * 4096 - 8)
    path.write_bytes(content)


def write_cut_off(path: Path) -> None:
    filled(path, 200)
    os.truncate(path, path.stat().st_size - 3 * 4096 - 100)


def write_invalid_state(path: Path) -> None:
    filled(path, 1)
    with contextlib.closing(sqlite3.connect(path)) as raw, raw:
        raw.execute("UPDATE submissions SET state = 'HAPPY'")


def make_directory(path: Path) -> None:
    path.mkdir()


def make_pipe(path: Path) -> None:
    os.mkfifo(path)


UNUSABLE: dict[str, tuple[Callable[[Path], None], str]] = {
    "text": (write_text, "it is not a journal. Use another file for the journal"),
    "another database": (
        write_database,
        "not a journal of asyncbatch. Use another file for the journal",
    ),
    "damaged": (write_damaged, r"it is damaged: (?s:.*)\.recover"),
    "cut off": (write_cut_off, r"it is damaged: .*\.recover"),
    "invalid state": (write_invalid_state, "invalid data: 'HAPPY'.*Start a new journal"),
    "a directory": (
        make_directory,
        r"it is a directory\. Use a file in it, such as .*/run\.db/run",
    ),
    "a pipe": (make_pipe, "it is not a regular file. Use another file for the journal"),
}


WERE_JOURNALS = {"damaged", "cut off", "invalid state"}  # which left a lock file


@pytest.mark.parametrize("case", UNUSABLE)
def test_unusable_file_raises_journal_error_with_the_next_step(path: Path, case: str) -> None:
    make, message = UNUSABLE[case]
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(JournalError, match=message) as caught:
        opened(path)
    assert caught.value.path == str(path)
    # Other files are unchanged, and no lock file was left beside them.
    assert case in WERE_JOURNALS or list(path.parent.iterdir()) == [path]
    assert before is None or case == "invalid state" or path.read_bytes() == before
    path.rmdir() if path.is_dir() else path.unlink()
    assert opened(path) == []


def test_missing_directory_raises_journal_error(path: Path) -> None:
    with pytest.raises(JournalError, match=r"No such file.*Make sure that its directory exists"):
        File(path.parent / "nowhere" / "run.db")


def test_readonly_file_raises_journal_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permissions do not stop root, who may run the tests; so SQLite opens the file read-only."""
    filled(path)
    real = sqlite3.connect
    monkeypatch.setattr(
        sqlite3,
        "connect",
        lambda file, **options: real(f"file:{file}?mode=ro", uri=True, **options),
    )
    with pytest.raises(JournalError, match=r"readonly.*Make the file and its directory writable"):
        written(path)


# -- a full disk -----------------------------------------------------------------------------------


def test_full_disk_raises_journal_error_and_writes_nothing(path: Path) -> None:
    file = File(path)
    pages = file._connection.execute("PRAGMA page_count").fetchone()[0]
    file._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(JournalError, match=r"full\. Free space"):
        file.apply(map(journal_file.write_entry, [entry(n) for n in range(1, 300)]))
    assert file.entries() == []
    file._connection.execute("PRAGMA max_page_count = 1000000")
    file.apply([journal_file.write_entry(entry(1))])
    assert file.entries() == [entry(1)]
    file.close()


# -- one process at a time -------------------------------------------------------------------------

HOLD = """
import sys
from pathlib import Path
from asyncbatch._journal.file import File
file = File(Path(sys.argv[1]))
print("open", flush=True)
sys.stdin.read()
"""


def test_second_process_gets_the_pid_of_the_first(path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(
            JournalError, match=f"process {holder.pid} has it open.*use another file"
        ):
            File(path)
        holder.kill()
    # The kernel gives a lock up when its holder is killed.
    assert opened(path) == []


def test_lock_on_a_deleted_file_does_not_count(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process whose journal is refused deletes the lock file that another one may just lock."""
    real = fcntl.lockf

    def late(descriptor: int, operation: int) -> None:
        path.with_name("run.db-lock").unlink()
        real(descriptor, operation)

    with monkeypatch.context() as patch:
        patch.setattr(fcntl, "lockf", late)
        with pytest.raises(JournalError, match="has it open"):
            File(path)
    assert opened(path) == []


def test_same_process_cannot_open_it_twice(path: Path) -> None:
    file = File(path)
    with pytest.raises(JournalError, match=f"process {os.getpid()} has it open"):
        File(path)
    file.close()
    assert opened(path) == []


def test_forked_child_does_not_keep_the_lock(path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    file = File(path)
    started, may_end = fork.Event(), fork.Event()

    def wait() -> None:
        started.set()
        may_end.wait()

    child = fork.Process(target=wait)
    child.start()
    started.wait()
    file.close()
    probe = subprocess.run(
        [sys.executable, "-c", HOLD, path], input=b"", capture_output=True, check=True
    )
    assert probe.stdout == b"open\n"
    may_end.set()
    child.join()


def test_database_locked_by_another_program_raises_journal_error(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "_BUSY_SECONDS", 0.01)
    file = File(path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as shell:
        shell.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match=r"locked.*such as a sqlite3 shell"):
            file.apply([journal_file.write_entry(entry(1))])
        shell.execute("ROLLBACK")
    shell.close()
    file.apply([journal_file.write_entry(entry(1))])
    file.close()


# -- torn writes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kept", [0, 1, 24, 25, 1000, 4095, 4119, 4120])
def test_torn_write_loses_its_own_transaction_only(path: Path, kept: int) -> None:
    """Of the last transaction, only some bytes have reached the disk."""
    file = File(path)
    file.apply([journal_file.write_entry(entry(1))])
    wal = path.with_name(f"{path.name}-wal")
    size = wal.stat().st_size
    file.apply([journal_file.write_entry(entry(2))])
    is_whole = kept >= wal.stat().st_size - size
    copy = path.with_name("copy.db")
    copy.write_bytes(path.read_bytes())
    copy.with_name("copy.db-wal").write_bytes(wal.read_bytes()[: size + kept])
    file.close()
    assert opened(copy) == ([entry(1), entry(2)] if is_whole else [entry(1)])
