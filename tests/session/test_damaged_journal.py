"""A damaged journal is refused, or everything in it is correct: no job is submitted a second time.

A program runs against the local engine; its files are copied as two kills and a normal end leave
them. Each copy is damaged at random, and the program runs again with it. The engine's ledger of
submissions is the oracle.
"""

import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest

from asyncbatch import AsyncBatchClient, JobRequest, JobResult, JournalError
from asyncbatch.local import (
    Fault,
    Launch,
    LocalBatch,
    Script,
    ScriptedExecutor,
    run_in_virtual_time,
)
from tests.fixtures.bench import DEFINITION

DAMAGES = 250
PAGE = 4096


def flip_bits(content: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice([1, 1, 8])):
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def truncate(content: bytearray, rng: random.Random) -> None:
    """Keep at least one byte: an empty file without others is a new journal, which is logged."""
    del content[rng.choice([1, rng.randrange(1, len(content)), PAGE, 2 * PAGE]) :]


def zero_page(content: bytearray, rng: random.Random) -> None:
    size = rng.choice([512, PAGE])
    start = rng.randrange(0, len(content), size)
    content[start : start + size] = bytes(len(content[start : start + size]))


def swap_pages(content: bytearray, rng: random.Random) -> None:
    one, other = (PAGE * rng.randrange(max(len(content) // PAGE, 1)) for _ in range(2))
    first, second = content[one : one + PAGE], content[other : other + PAGE]
    if len(first) == len(second):
        content[one : one + PAGE], content[other : other + PAGE] = second, first


def copy_page(content: bytearray, rng: random.Random) -> None:
    """Write a page over another one."""
    one, other = (PAGE * rng.randrange(max(len(content) // PAGE, 1)) for _ in range(2))
    if len(content[one : one + PAGE]) == len(content[other : other + PAGE]):
        content[one : one + PAGE] = content[other : other + PAGE]


KINDS: list[Callable[[bytearray, random.Random], None]] = [
    flip_bits,
    truncate,
    zero_page,
    swap_pages,
    copy_page,
]


def damage(path: Path, rng: random.Random) -> str:
    """Damage the database or its -wal file; return how."""
    wal = path.with_name(f"{path.name}-wal")
    target = rng.choice([path, wal]) if wal.exists() else path
    if target == wal and rng.random() < 0.2:
        wal.unlink()
        return "-wal deleted"
    content = bytearray(target.read_bytes())
    kind = rng.choice(KINDS)
    kind(content, rng)
    target.write_bytes(content)
    return f"{kind.__name__} in {target.name}"


def wanted() -> list[JobRequest]:
    """Return requests; each two are equal, and every fourth job runs for a very long time."""
    return [
        JobRequest("hello", queue="default", parameters={"n": str(n // 2), "text": "x" * 300})
        for n in range(40)
    ]


def duration(launch: Launch) -> Script:
    return Script(duration=1e7 if int(launch.parameters["n"]) % 4 == 3 else 10)


def keep(path: Path, folder: Path) -> Path:
    """Copy the files of a journal as a program that is killed now would leave them."""
    folder.mkdir()
    for file in path.parent.glob(f"{path.name}*"):
        shutil.copy(file, folder)
    return folder / path.name


async def first_program(local: LocalBatch, folder: Path) -> tuple[list[Path], list[JobResult]]:
    """Run it; return its journal at three moments, and the results of the ended jobs."""
    requests, path = wanted(), folder / "run.db"
    journals: list[Path] = []
    async with AsyncBatchClient(session=local.session, journal=path) as batch:
        await batch.submit_many(requests[:20])
        await anyio.sleep(60)
    async with AsyncBatchClient(session=local.session, journal=path) as batch:
        await batch.submit_many(requests[:30])
        await anyio.sleep(60)
        local.faults.add("SubmitJob", Fault.latency(5))
        async with anyio.create_task_group() as group:
            group.start_soon(batch.submit_many, requests[30:])
            await anyio.sleep(2)
            journals.append(keep(path, folder / "under way"))
        jobs = await batch.resume()
        await anyio.sleep(60)
        journals.append(keep(path, folder / "killed"))
        results = [await job for job in jobs if job.is_finished]
    return [*journals, keep(path, folder / "closed")], results


@pytest.mark.may_block
@pytest.mark.timeout(120)
def test_damaged_journal_is_refused_or_correct() -> None:
    outcomes: Counter[str] = Counter()

    async def story() -> None:
        executor = ScriptedExecutor(duration)
        async with LocalBatch(vcpus=1000, executor=executor, seed=1) as local:
            async with AsyncBatchClient(session=local.session) as batch:
                await batch.register_job_definition(DEFINITION)
            journals, results = await first_program(local, Path(folder))
            local.faults.clear()
            submitted = [job.job_id for job in local.ledger.submissions]
            assert len(submitted) == len(wanted())
            for seed in range(DAMAGES):
                rng = random.Random(seed)
                path = keep(rng.choice(journals), Path(folder) / str(seed))
                how = damage(path, rng)
                try:
                    await run_again(local, path, results)
                except JournalError:
                    outcomes["refused"] += 1
                except AssertionError as error:
                    raise AssertionError(f"seed {seed}: {how}") from error
                else:
                    outcomes["correct"] += 1
                assert len(local.ledger.submissions) == len(submitted), f"seed {seed}: {how}"

    async def run_again(local: LocalBatch, path: Path, results: list[JobResult]) -> None:
        expected = {result.job_id: result for result in results}
        async with AsyncBatchClient(session=local.session, journal=path) as batch:
            jobs = await batch.submit_many(wanted())
            assert {job.id for job in jobs} == {job.job_id for job in local.ledger.submissions}
            for job in jobs:
                if job.id in expected:
                    assert await job == expected[job.id]

    with tempfile.TemporaryDirectory() as folder:
        run_in_virtual_time(story)
    print(dict(outcomes))  # noqa: T201 - a measured number
    assert outcomes["refused"] > DAMAGES / 4
    assert outcomes["correct"] > DAMAGES / 20
