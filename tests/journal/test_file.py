"""The journal's file: transactions, migration, locking, and a clear error for each failure."""

import asyncio
import contextlib
import errno
import fcntl
import multiprocessing
import os
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from asyncbatch import JournalError
from asyncbatch._journal import file as journal_file
from asyncbatch._journal import opening
from asyncbatch._journal.entries import Entry, EntryState
from asyncbatch._journal.file import File
from asyncbatch._journal.journal import OpenJournal


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


def drop_table(path: Path) -> None:
    filled(path, 1)
    execute(path, "DROP TABLE ends")


def drop_column(path: Path) -> None:
    filled(path, 1)
    execute(path, "ALTER TABLE submissions DROP COLUMN tag")


def delete_facts(path: Path) -> None:
    filled(path, 1)
    execute(path, "DELETE FROM facts")


def delete_row(path: Path) -> None:
    """As a lost page: the trigger does not see it."""
    filled(path, 2)
    execute(path, "DROP TRIGGER submission_deleted")
    execute(path, "DELETE FROM submissions WHERE number = 2")
    execute(
        path, "CREATE TRIGGER submission_deleted AFTER DELETE ON submissions BEGIN SELECT 1; END"
    )


def truncate_used(path: Path) -> None:
    filled(path)
    path.with_name("run.db-wal").write_bytes(b"what the killed program wrote")
    os.truncate(path, 0)


def execute(path: Path, statement: str) -> None:
    with contextlib.closing(sqlite3.connect(path)) as raw, raw:
        raw.execute(statement)


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
    "edited": (write_invalid_state, "it is damaged: submission 1 has another checksum"),
    "missing table": (drop_table, "it is damaged: ends missing in its schema"),
    "missing column": (drop_column, "it is damaged: no such column: tag"),
    "no facts": (delete_facts, "it is damaged: invalid facts: KeyError"),
    "deleted row": (delete_row, "it is damaged: submissions are missing or outdated"),
    "emptied": (truncate_used, "it is missing or empty, but other files of the journal exist"),
    "a directory": (
        make_directory,
        r"it is a directory\. Use a file in it, such as .*/run\.db/run",
    ),
    "a pipe": (make_pipe, "it is not a regular file. Use another file for the journal"),
}


# Found when the entries are read, after the file was opened.
ARE_OPENED_FIRST = {"edited", "missing column", "deleted row"}


@pytest.mark.parametrize("case", UNUSABLE)
def test_unusable_file_raises_journal_error_with_the_next_step(path: Path, case: str) -> None:
    make, message = UNUSABLE[case]
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(JournalError, match=message) as caught:
        opened(path)
    assert caught.value.path == str(path)
    # The file is unchanged, and no lock file was left beside it.
    assert not path.with_name("run.db-lock").exists()
    assert before is None or case in ARE_OPENED_FIRST or path.read_bytes() == before
    path.rmdir() if path.is_dir() else path.unlink()
    path.with_name("run.db-wal").unlink(missing_ok=True)
    assert opened(path) == []


def test_missing_directory_raises_journal_error(path: Path) -> None:
    with pytest.raises(JournalError, match=r"No such file.*Make sure that its directory exists"):
        File(path.parent / "nowhere" / "run.db")


def test_readonly_file_raises_journal_error(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Permissions do not stop root, who may run the tests."""
    filled(path)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(JournalError, match=r"read-only.*Make the file and its directory writable"):
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
from asyncbatch._journal.journal import OpenJournal
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
    filled(path, 1)
    monkeypatch.setattr(opening, "_BUSY_SECONDS", 0.01)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as shell:
        shell.execute("BEGIN IMMEDIATE")
        with pytest.raises(JournalError, match=r"another process.*A sqlite3 shell counts as well"):
            File(path)
        shell.execute("ROLLBACK")
    assert opened(path) == [entry(1, tag="ab", array_size=2)]


@pytest.mark.parametrize("deletes_the_lock_file", [False, True])
def test_second_process_is_refused_although_the_lock_file_was_deleted(
    path: Path, *, deletes_the_lock_file: bool
) -> None:
    with contextlib.closing(File(path)):
        if deletes_the_lock_file:
            path.with_name("run.db-lock").unlink()
        else:
            # Closing any descriptor of the database releases SQLite's lock; the lock file stays.
            path.read_bytes()
        probe = subprocess.run(
            [sys.executable, "-c", HOLD, path], input=b"", capture_output=True, check=False
        )
        assert probe.returncode == 1
        assert b"has it open" in probe.stderr
    assert opened(path) == []


def test_closed_journal_is_one_file(path: Path) -> None:
    file = File(path)
    assert {each.name for each in path.parent.iterdir()} == {"run.db", "run.db-wal", "run.db-lock"}
    file.close()
    assert list(path.parent.iterdir()) == [path]


def link(path: Path, victim: Path) -> None:
    path.symlink_to(victim)


def hard_link(path: Path, victim: Path) -> None:
    path.hardlink_to(victim)


def copy(path: Path, victim: Path) -> None:
    path.write_bytes(victim.read_bytes())


@pytest.mark.parametrize("place", [link, hard_link, copy], ids=["link", "hard link", "other file"])
def test_lock_file_that_is_something_else_is_never_overwritten(
    path: Path, place: Callable[[Path, Path], None]
) -> None:
    victim = path.with_name("victim")
    victim.write_bytes(b"precious")
    place(path.with_name("run.db-lock"), victim)
    with pytest.raises(JournalError, match=r"run\.db-lock beside it is not a lock file.*Move"):
        File(path)
    assert victim.read_bytes() == path.with_name("run.db-lock").read_bytes() == b"precious"


def test_lock_file_of_an_earlier_version_is_taken_over(path: Path) -> None:
    filled(path, 1)
    path.with_name("run.db-lock").write_bytes(b"4711")
    assert len(opened(path)) == 1


def test_files_of_an_open_journal_are_readable_by_their_owner_only(path: Path) -> None:
    with contextlib.closing(File(path)):
        assert {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()} == {0o600}


def test_journal_that_others_can_read_is_logged(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    filled(path, 1)
    path.chmod(0o644)
    opened(path)
    assert "mode 644" in caplog.text
    assert "chmod 600" in caplog.text


# -- errors of the operating system ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("number", "step"),
    [
        (errno.ENOLCK, "Put the journal on a local disk"),
        (errno.ENOSPC, "Free space"),
        (errno.EROFS, "Make the file and its directory writable"),
        (errno.EFBIG, "Raise the limit of the size of files"),
        (errno.EMFILE, "raise the limit of open files"),
    ],
)
def test_lock_failure_says_its_cause(
    path: Path, monkeypatch: pytest.MonkeyPatch, number: int, step: str
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "lockf", fail)
    with pytest.raises(JournalError, match=f"{os.strerror(number)}.*{step}"):
        File(path)


def test_name_that_is_too_long_says_so(path: Path) -> None:
    # The lock file's name is longer than that of the journal.
    with pytest.raises(JournalError, match=r"name too long\. Use a shorter name"):
        File(path.with_name("x" * 253))
    assert list(path.parent.iterdir()) == []


async def test_loop_of_links_says_so(path: Path) -> None:
    link(path, path)
    with pytest.raises(JournalError, match=r"loop of symbolic links"):
        async with OpenJournal.opened(path, region="eu-west-1"):
            raise AssertionError


async def test_path_with_a_null_byte_is_refused(path: Path) -> None:
    with pytest.raises(JournalError, match=r"null (byte|character).*Use another path"):
        async with OpenJournal.opened(path.with_name("a\0b"), region="eu-west-1"):
            raise AssertionError


async def test_cancelled_opening_closes_the_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()
    is_opening = asyncio.Event()
    may_go_on = threading.Event()
    closed: list[Path] = []

    class Slow(File):
        def __init__(self, path: Path) -> None:
            loop.call_soon_threadsafe(is_opening.set)
            may_go_on.wait()
            super().__init__(path)

        def close(self) -> None:
            super().close()
            closed.append(self.path)

    async def open_journal() -> None:
        async with OpenJournal.opened(path, region="eu-west-1"):
            raise AssertionError("its caller was cancelled")

    monkeypatch.setattr("asyncbatch._journal.journal.File", Slow)
    task = asyncio.ensure_future(open_journal())
    await is_opening.wait()
    task.cancel()  # unlike the cancellation of a scope, no scope holds it back
    may_go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert closed == [path]


async def test_text_that_is_no_unicode_fails_only_its_own_request(path: Path) -> None:
    async with OpenJournal.opened(path, region="eu-west-1") as journal:
        with pytest.raises(JournalError, match=r"'etl-\\udc80'.*not submitted"):
            await journal.intend(entry(1, name="etl-\udc80"))
        await journal.intend(entry(2))
    async with OpenJournal.opened(path, region="eu-west-1") as journal:
        assert list(journal) == [entry(2)]


async def test_job_id_that_is_no_unicode_blocks_no_other_change(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with OpenJournal.opened(path, region="eu-west-1") as journal:
        odd, other = entry(1), entry(2)
        await journal.intend(odd)
        await journal.intend(other)
        journal.accepted(odd, "j-\ud800")
        journal.accepted(other, "j-2")
    assert "journal cannot store job id 'j-" in caplog.text
    async with OpenJournal.opened(path, region="eu-west-1") as journal:
        assert [(each.state, each.job_id) for each in journal] == [
            ("INTENT", None),
            ("SUBMITTED", "j-2"),
        ]


# -- a forked child --------------------------------------------------------------------------------

FORK = """
import asyncio, contextlib, os, sys
from pathlib import Path
from asyncbatch import JournalError
from asyncbatch._journal.entries import Entry
from asyncbatch._journal.journal import OpenJournal

entry = Entry(number=1, identity="a", ordinal=0, state="INTENT", name="a", queue="q",
    job_definition="d", has_unique_name=True, tag=None, array_size=None, since=1.5)

async def main():
    async with OpenJournal.opened(Path(sys.argv[1]), region="eu-west-1") as journal:
        child = os.fork()
        if child == 0:
            for use in (journal.intend(entry), journal._read(1)):
                try:
                    use.send(None)
                except JournalError as error:
                    print(error, flush=True)
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        await journal.intend(entry)
        assert os.path.exists(sys.argv[1] + "-wal")

asyncio.run(main())
"""


FORK_FILE = """
import os, sys
from pathlib import Path
from asyncbatch import JournalError
from asyncbatch._journal.file import File

file = File(Path(sys.argv[1]))
child = os.fork()
if child == 0:
    for use in (lambda: file.apply([]), file.entries, file.close):
        try:
            use()
        except JournalError as error:
            print(error)
    del file, use  # and the interpreter frees what is left
else:
    assert os.waitpid(child, 0)[1] == 0
    file.apply([("INSERT INTO facts VALUES ('parent', 1)", ())])
    assert os.path.exists(sys.argv[1] + "-wal")
    assert os.path.exists(sys.argv[1] + "-lock")
    file.close()
"""


@pytest.mark.parametrize(("program", "count"), [(FORK, 2), (FORK_FILE, 3)])
def test_forked_child_gets_an_error_and_harms_nothing(path: Path, program: str, count: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, check=True, timeout=30
    )
    errors = done.stdout.decode().splitlines()
    assert len(errors) == count
    assert all("was forked from" in error for error in errors)
    assert len(opened(path)) == (program is FORK)
    with contextlib.closing(File(path)) as file:
        assert file.fact("parent", "lost") == ("1" if program is FORK_FILE else "lost")


# -- a program that is killed while it makes or closes a journal -----------------------------------


class Kill(sqlite3.Connection):
    """Kills its process at the n-th statement, or when it is closed after an error."""

    at = 0

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - as its base
        super().__init__(*arguments, **options)
        self.set_trace_callback(self._count)

    def _count(self, _: str) -> None:
        Kill.at -= 1
        if Kill.at == 0:
            self.close()

    def close(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def in_killed_child(path: Path, *, at_statement: int = 0, file_size: int | None = None) -> None:
    """Make, write and close a journal in a child that is killed before it has finished."""
    child = os.fork()
    if child == 0:
        try:
            Kill.at = at_statement
            real = sqlite3.connect
            sqlite3.connect = lambda *a, **o: real(*a, factory=Kill, **o)  # type: ignore[assignment]
            if file_size is not None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
            with contextlib.closing(File(path)) as file:
                file.apply([journal_file.write_entry(entry(1))])
        finally:
            os._exit(1)
    os.waitpid(child, 0)


def assert_usable(path: Path) -> None:
    assert opened(path) in ([], [entry(1)])
    written(path)
    assert opened(path)[-1] == entry(9)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("statement", range(1, 48))
def test_journal_opens_after_a_kill_at_any_statement(path: Path, statement: int) -> None:
    in_killed_child(path, at_statement=statement)
    assert_usable(path)


@pytest.mark.parametrize("size", [0, 1, 511, 512, 520, 4096, 5000, 8192, 12_000, 20_000, 30_000])
def test_journal_opens_after_the_disk_was_full_when_it_was_made(path: Path, size: int) -> None:
    in_killed_child(path, file_size=size)
    assert_usable(path)


def test_unfinished_journal_of_an_earlier_version_is_completed(path: Path) -> None:
    """Earlier versions set the journal mode, which creates a first page, before the tables."""
    execute(path, "PRAGMA journal_mode = WAL")
    assert path.stat().st_size == 4096
    assert_usable(path)


@pytest.mark.parametrize("pragma", ["application_id", "user_version"])
def test_empty_database_of_another_program_is_refused(path: Path, pragma: str) -> None:
    execute(path, f"PRAGMA {pragma} = 7")
    with pytest.raises(JournalError, match="not a journal of asyncbatch"):
        File(path)


# -- lost transactions -----------------------------------------------------------------------------


def killed(path: Path, *, with_lock_file: bool) -> Path:
    """Return a copy of a journal as a killed program leaves it; the WAL has three submissions."""
    left = path.parent / "left"
    left.mkdir()
    with contextlib.closing(File(path)) as file:
        for number in (1, 2, 3):
            file.apply([journal_file.write_entry(entry(number))])
        for each in path.parent.glob("run.db*"):
            if with_lock_file or not each.name.endswith("-lock"):
                shutil.copy(each, left)
    return left / "run.db"


@pytest.mark.parametrize("with_lock_file", [True, False])
def test_killed_journal_has_all_transactions(path: Path, *, with_lock_file: bool) -> None:
    assert len(opened(killed(path, with_lock_file=with_lock_file))) == 3


@pytest.mark.parametrize("with_lock_file", [True, False])
@pytest.mark.parametrize("size", [None, 0])
def test_journal_whose_wal_file_was_deleted_is_refused(
    path: Path, *, with_lock_file: bool, size: int | None
) -> None:
    copy = killed(path, with_lock_file=with_lock_file)
    wal = copy.with_name("run.db-wal")
    wal.unlink() if size is None else os.truncate(wal, size)
    for _ in range(2):
        with pytest.raises(
            JournalError, match=r"transactions are missing|-wal beside it is missing"
        ):
            File(copy)


def test_journal_whose_wal_file_lost_its_end_is_refused(path: Path) -> None:
    copy = killed(path, with_lock_file=True)
    wal = copy.with_name("run.db-wal")
    os.truncate(wal, wal.stat().st_size - 100)
    with pytest.raises(JournalError, match="its last 1 transactions are missing"):
        File(copy)


def test_journal_closed_on_a_full_disk_opens_again(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite deletes the -wal file, but the mark that says so could not be written."""
    file = File(path)
    file.apply([journal_file.write_entry(entry(1))])
    with monkeypatch.context() as patch:
        patch.setattr(journal_file, "_CLOSED", ("INSERT INTO nowhere VALUES (1)", ()))
        file.close()
    assert not path.with_name("run.db-wal").exists()
    assert path.with_name("run.db-lock").exists()
    assert opened(path) == [entry(1)]
    assert list(path.parent.iterdir()) == [path]


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
