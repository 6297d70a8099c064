"""After a crash at any point of the journal, a rerun gives each request exactly one job.

The program dies during a transaction, of which only some bytes reach the disk. Requests under way
still arrive, responses are lost, lists lag. Then the program runs again with that journal. The
engine's ledger of submissions is the oracle.
"""

import random
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from asyncbatch import AsyncBatchClient, AsyncBatchError, JobRequest, JournalError
from asyncbatch._journal.file import Change, File
from asyncbatch.local import Fault, LocalBatch, Script, ScriptedExecutor, run_in_virtual_time

DEFINITION = {
    "jobDefinitionName": "hello",
    "type": "container",
    "containerProperties": {"image": "busybox", "command": ["true"], "vcpus": 1, "memory": 128},
}


class Crash:
    """Kills a program during its n-th transaction, a share of whose bytes is on disk."""

    def __init__(self, path: Path, at: int, share: float) -> None:
        self.after = path.with_name("after.db")
        self._path = path
        self._left = at
        self._share = share
        self._apply = File.apply

    def method(self) -> Callable[[File, Iterable[Change]], None]:
        """Return the replacement of `File.apply`."""

        def method(file: File, changes: Iterable[Change]) -> None:
            self.apply(file, changes)

        return method

    def apply(self, file: File, changes: Iterable[Change]) -> None:
        """Write, and die at the n-th call."""
        self._left -= 1
        if self._left > 0:
            self._apply(file, changes)
            return
        if self._left == 0:
            wal = self._path.with_name(f"{self._path.name}-wal")
            before = wal.stat().st_size
            self._apply(file, changes)
            written = wal.read_bytes()
            kept = before + round(self._share * (len(written) - before))
            self.after.write_bytes(self._path.read_bytes())
            self.after.with_name(f"{self.after.name}-wal").write_bytes(written[:kept])
        raise JournalError("run.db", "the program was killed", "This is a test.")


@st.composite
def many_requests(draw: st.DrawFn) -> list[JobRequest]:
    """Draw requests; some are equal, some have names, some are arrays."""
    kinds: list[dict[str, Any]] = [
        {},
        {"name": "mine"},
        {"array_size": 2},
        {"parameters": {"a": "1"}},
    ]
    drawn = draw(st.lists(st.sampled_from(kinds), min_size=1, max_size=12))
    return [JobRequest("hello", queue="default", **kind) for kind in drawn]


@settings(max_examples=25, deadline=None)
@given(
    requests=many_requests(),
    at=st.integers(1, 12),
    share=st.sampled_from([0.0, 0.3, 0.99, 1.0]),
    loss=st.sampled_from([0.0, 0.3]),
    resumes=st.booleans(),
    seed=st.integers(0, 1000),
)
@pytest.mark.may_block
def test_crash_at_any_moment_loses_and_repeats_no_job(
    *, requests: list[JobRequest], at: int, share: float, loss: float, resumes: bool, seed: int
) -> None:
    async def story() -> None:
        executor = ScriptedExecutor(Script(duration=random.Random(seed).uniform(0.1, 20)))
        async with LocalBatch(vcpus=1000, executor=executor, seed=seed) as local:
            async with AsyncBatchClient(session=local.session) as batch:
                await batch.register_job_definition(DEFINITION)
            local.faults.add("SubmitJob", Fault.drop_after(probability=loss))
            local.faults.add("SubmitJob", Fault.drop_before(probability=loss))
            local.faults.add("ListJobs", Fault.lag(3))
            after = await crashed(local, Path(folder))
            async with AsyncBatchClient(session=local.session, journal=after) as batch:
                if resumes:
                    await batch.resume()
                results = await batch.run(requests)
            jobs = [job.job_id for job in local.ledger.submissions]
            assert sorted(result.job_id for result in results) == sorted(jobs)
            assert len(jobs) == len(requests)

    async def crashed(local: LocalBatch, folder: Path) -> Path:
        """Run the program until it crashes or ends; return the journal that it leaves."""
        path = folder / "run.db"
        async with AsyncBatchClient(session=local.session, journal=path) as batch:
            # The first transaction of a file writes its Region and is not interrupted.
            crash = Crash(path, at, share)
            with mock.patch.object(File, "apply", crash.method()):
                try:
                    await batch.run(requests)
                except AsyncBatchError as error:
                    assert isinstance(error, JournalError)  # noqa: PT017
                await batch.aclose()
        event("killed" if crash.after.exists() else "ended before it was killed")
        return crash.after if crash.after.exists() else path

    with tempfile.TemporaryDirectory() as folder:
        run_in_virtual_time(story)
