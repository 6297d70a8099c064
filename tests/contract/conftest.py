"""Three endpoints that must behave like AWS for the client: the engine's two doors, and moto.

moto is an independent implementation. It simulates less (its jobs end within SubmitJob and write no
log), so tests that need more are marked with `engine_doors`.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from aiobotocore.session import AioSession

from asyncbatch import AsyncBatchClient, LogPolicy, PollPolicy
from asyncbatch.local import LocalBatch, Script, ScriptedExecutor
from tests import support

QUICK = PollPolicy(min_interval=0.02, max_interval=0.1, unknown_grace=0.2)
QUICK_LOGS = LogPolicy(interval=0.02, drain=0.05)

WriteLog = Callable[[str, str, list[str]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """An endpoint with one job queue and one job definition.

    Attributes:
        session: A session whose clients reach it.
        url: Its URL; None for the in-process door.
        queue: Name of the job queue.
        job_definition: Name of the job definition.
        write_log: Writes lines to a log stream of a log group.
        is_moto: Whether it is moto.
    """

    session: AioSession
    url: str | None
    queue: str
    job_definition: str
    write_log: WriteLog
    is_moto: bool = False

    def client(self) -> AsyncBatchClient:
        """Return a client of the endpoint, not open yet."""
        return AsyncBatchClient(
            session=self.session, endpoint_url=self.url, poll=QUICK, logs=QUICK_LOGS
        )


@asynccontextmanager
async def _engine() -> AsyncIterator[tuple[LocalBatch, WriteLog]]:
    executor = ScriptedExecutor(_script)
    async with LocalBatch(executor=executor, vcpus=1_000) as local:

        async def write(group: str, stream: str, lines: list[str]) -> None:
            into = local.logs.create_stream(group, stream)
            for line in lines:
                local.logs.append(into, line)

        yield local, write


def _script(launch: object) -> Script:
    """End immediately; jobs whose name begins with ``long`` run until they are terminated."""
    name: str = launch.name  # type: ignore[attr-defined]
    return Script(startup=0, duration=None if name.startswith("long") else 0)


@asynccontextmanager
async def in_process(_: str) -> AsyncIterator[Endpoint]:
    """Yield the engine behind its in-process door."""
    async with _engine() as (local, write):
        endpoint = Endpoint(
            session=local.session,
            url=None,
            queue="default",
            job_definition="hello",
            write_log=write,
        )
        await _define(endpoint)
        yield endpoint


@asynccontextmanager
async def loopback(_: str) -> AsyncIterator[Endpoint]:
    """Yield the engine behind its loopback HTTP door."""
    async with _engine() as (local, write), local.serve() as door:
        session = support.new_session()
        session.set_config_variable("region", door.environment["AWS_REGION"])
        session.set_credentials(
            door.environment["AWS_ACCESS_KEY_ID"], door.environment["AWS_SECRET_ACCESS_KEY"]
        )
        endpoint = Endpoint(
            session=session, url=door.url, queue="default", job_definition="hello", write_log=write
        )
        await _define(endpoint)
        yield endpoint


@asynccontextmanager
async def moto(url: str) -> AsyncIterator[Endpoint]:
    """Yield moto, whose jobs end immediately."""
    session = support.new_session()
    setup = await support.set_up_batch(session, url)

    async def write(group: str, stream: str, lines: list[str]) -> None:
        await support.write_log(session, url, group, stream, lines)

    yield Endpoint(
        session=session,
        url=url,
        queue=setup.queue,
        job_definition=setup.job_definition,
        write_log=write,
        is_moto=True,
    )


async def _define(endpoint: Endpoint) -> None:
    async with endpoint.session.create_client("batch", endpoint_url=endpoint.url) as raw:
        await raw.register_job_definition(
            jobDefinitionName=endpoint.job_definition,
            type="container",
            containerProperties={
                "image": "busybox",
                "vcpus": 1,
                "memory": 128,
                "command": ["true"],
            },
        )


ENGINE_DOORS = {"in-process": in_process, "loopback": loopback}
ENDPOINTS = {**ENGINE_DOORS, "moto": moto}


@pytest.fixture(params=ENDPOINTS)
async def endpoint(request: pytest.FixtureRequest) -> AsyncIterator[Endpoint]:
    """Yield each endpoint in turn; with `@pytest.mark.engine_doors`, only the local engine."""
    name = request.param
    if request.node.get_closest_marker("engine_doors") and name not in ENGINE_DOORS:
        pytest.skip("moto does not simulate this")
    url = request.getfixturevalue("moto") if name == "moto" else ""
    async with ENDPOINTS[name](url) as opened:
        yield opened


@pytest.fixture
async def batch(endpoint: Endpoint) -> AsyncIterator[AsyncBatchClient]:
    """Open a client of the endpoint."""
    async with endpoint.client() as opened:
        yield opened
