"""Pictures of `asyncbatch ls` and `watch`: `python -m tools.pictures.on_call` draws them.

The commands run on a pseudo-terminal against a local AWS Batch with scripted jobs, so the pictures
show what a terminal shows. Their times differ in each run, so no test compares them. Needs pyte
(`pip install pyte`).
"""

import asyncio
import sys
from collections.abc import Mapping

import anyio
import anyio.to_thread

from asyncbatch import AsyncBatchClient
from asyncbatch.local import Launch, LocalBatch, Script, ScriptedExecutor
from tools.pictures.demo import run, screen_lines, write_picture

_CONTAINER = {"image": "etl:7", "vcpus": 1, "memory": 64, "command": ["true"]}
_OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"


def _script(launch: Launch) -> Script:
    if launch.name == "load":
        return Script(duration=14, exit_code=137, reason=_OUT_OF_MEMORY)
    if launch.name == "train":
        return Script(duration=300)
    if launch.name == "extract-3":
        return Script(duration=12, exit_code=3)
    return Script(duration=1 + launch.random.random() * 5)


async def _submit(batch: AsyncBatchClient) -> None:
    definition = {"jobDefinitionName": "etl", "type": "container"}
    await batch.register_job_definition({**definition, "containerProperties": _CONTAINER})
    await batch.submit("etl", name="load", queue="default")
    for number in range(30):
        await batch.submit("etl", name=f"extract-{number}", queue="default")
    await batch.submit_array("etl", size=100, name="tiles", queue="default")
    await batch.submit("etl", name="train", queue="default")


async def _draw(name: str, command: str, columns: int, environment: Mapping[str, str]) -> None:
    """Run a command, which Ctrl-C ends after some seconds, and write its picture."""
    program = ["timeout", "--signal=INT", "20", sys.executable, "-m", "asyncbatch"]
    written = await anyio.to_thread.run_sync(
        lambda: run([*program, *command.split()], columns=columns, environment=environment)
    )
    lines = screen_lines(written, columns=columns)
    write_picture(name, f"asyncbatch {command}", lines[:_LINES], columns=columns)


_LINES = 24


async def main() -> None:
    """Draw both pictures."""
    engine = LocalBatch(executor=ScriptedExecutor(_script), vcpus=8, seed=1)
    async with (
        engine as local,
        AsyncBatchClient(session=local.session) as batch,
        local.serve() as door,
    ):
        await _submit(batch)
        await _draw("watch", "watch", 88, door.environment)
        await _draw("ls", "ls load extract-2* tiles train", 80, door.environment)


if __name__ == "__main__":
    asyncio.run(main())
