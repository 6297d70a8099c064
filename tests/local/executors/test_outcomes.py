"""Outcomes of attempts as on AWS: a lost host, a memory limit, an image that cannot be pulled."""

import sys

import pytest

from asyncbatch import AsyncBatchClient, FailureKind, JobFailed, LogPolicy, PollPolicy
from asyncbatch.local import LocalBatch, ProcessExecutor, Script
from tests.fixtures.bench import DEFINITION, MakeBench

OUTCOMES = {
    "a lost host": (Script.host_lost(), FailureKind.HOST_LOST, None, True),
    "a memory limit": (Script.out_of_memory(), FailureKind.OUT_OF_MEMORY, 137, False),
    "an image that does not exist": (Script.image_error(), FailureKind.IMAGE_PULL, None, False),
}


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("script", "kind", "exit_code", "transient"), OUTCOMES.values(), ids=OUTCOMES
)
async def test_scripted_outcome_is_classified_as_on_aws(
    bench: MakeBench, script: Script, kind: FailureKind, exit_code: int | None, transient: object
) -> None:
    async with bench(script) as b:
        result = await (await b.batch.submit("hello")).result(check=False)
        assert result.failure is not None
        assert (result.failure.kind, result.exit_code) == (kind, exit_code)
        assert result.failure.transient is transient


GROW = "x = bytearray(120 * 1024**2)\nfor i in range(0, len(x), 4096): x[i] = 1\n"
linux = pytest.mark.skipif(sys.platform != "linux", reason="memory is measured on Linux only")


@linux
async def test_command_above_its_memory_limit_is_killed() -> None:
    async with LocalBatch(executor=ProcessExecutor(enforce_memory=True)) as local:
        client = AsyncBatchClient(
            session=local.session,
            poll=PollPolicy(min_interval=0.05, max_interval=0.1),
            logs=LogPolicy(interval=0.05, drain=0),
        )
        async with client as batch:
            await batch.register_job_definition(DEFINITION)
            command = [sys.executable, "-c", GROW + "import time; time.sleep(60)"]
            small = await batch.submit("hello", command=command, memory_mib=60)
            with pytest.raises(JobFailed) as raised:
                await small
            assert raised.value.failure is not None
            assert raised.value.failure.kind is FailureKind.OUT_OF_MEMORY
            assert raised.value.exit_code == 137
            command = [sys.executable, "-c", GROW]
            large = await batch.submit("hello", command=command, memory_mib=1_000)
            assert (await large).succeeded
