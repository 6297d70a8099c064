"""Jobs in all states, for the tests of commands."""

import anyio

from asyncbatch import Job
from asyncbatch.local import Launch, Script
from tests.fixtures.bench import Bench

SCRIPTS = {
    "etl": Script(lines=[(0.1, "reading"), (0.2, "42 rows"), (0.5, "\x1b[32mdone\x1b[0m\x07")]),
    "bad": Script(exit_code=3, lines=[(0.1, "reading"), (0.3, "ERROR: no such table")]),
    "long": Script(duration=600, lines=[(0.1, "step 1"), (400, "step 2"), (500, "step 3")]),
}

VCPUS = 4


def script(launch: Launch) -> Script:
    """Return what a job does, by the first part of its name."""
    return SCRIPTS.get(launch.name.partition("-")[0], Script())


async def submit_jobs(bench: Bench) -> list[Job]:
    """Submit jobs that end, an array, and jobs that run or wait when the function returns."""
    jobs = [
        await bench.batch.submit("hello", queue="default", name=name)
        for name in ("etl-1", "etl-2", "bad-1")
    ]
    jobs.append(await bench.batch.submit_array("hello", size=3, queue="default", name="bad-array"))
    jobs += [
        await bench.batch.submit("hello", queue="default", name=name, vcpus=2)
        for name in ("long-1", "long-2", "waits")
    ]
    await anyio.sleep(300)
    return jobs
