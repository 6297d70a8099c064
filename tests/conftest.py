"""What holds for every test: no AWS account, no network, no blocking, no waiting.

* The environment names no AWS account, profile or endpoint, whatever the machine has.
* A connection to anything but this machine fails the test that tries it.
* Library code that blocks the event loop fails the test; `@pytest.mark.may_block` lifts that.
* `@pytest.mark.virtual_time` runs an async test on a loop that jumps from timer to timer.
"""

import asyncio
import os
from collections.abc import Callable, Iterator, Mapping

import pytest
from aiobotocore.session import AioSession
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import settings

from tests import support
from tests.fixtures.bench import MakeBench, open_bench

# Property tests: the same examples in each run. `HYPOTHESIS_PROFILE=explore` draws many new ones;
# what it finds becomes a row of a test. No deadlines: timings depend on the machine, not the code.
settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.register_profile("explore", max_examples=2000, deadline=None, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


def pytest_configure() -> None:
    """Isolate the process before any test module is imported."""
    for name in support.aws_variables(os.environ):
        del os.environ[name]
    os.environ.update(support.NO_AWS_ACCOUNT)
    support.forbid_network()


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Choose the event loop of an async test by its marks."""
    if item.get_closest_marker("virtual_time") is None:
        return {"real": asyncio.new_event_loop}
    from asyncbatch.local import VirtualTimeLoop

    return {"virtual": VirtualTimeLoop}


@pytest.fixture(autouse=True)
def aws_isolation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo, before each test, whatever code under test did to the AWS variables."""
    for name in support.aws_variables(os.environ):
        monkeypatch.delenv(name)
    for name, value in support.NO_AWS_ACCOUNT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(autouse=True)
def blocking_detector(request: pytest.FixtureRequest) -> Iterator[BlockBuster | None]:
    """Turn a blocking call of the library on an event loop into an error."""
    if request.node.get_closest_marker("may_block"):
        yield None
        return
    with blockbuster_ctx(scanned_modules=["asyncbatch"]) as detector:
        support.allow_blocking_in_dependencies(detector)
        yield detector


@pytest.fixture(scope="session")
def aio_session() -> AioSession:
    """Share one session: a new one reads botocore's service models again (0.1 s and more)."""
    return support.new_session()


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """Start moto, the independent endpoint, once."""
    with support.moto_server() as url:
        yield url


@pytest.fixture
def moto(moto_server: str) -> str:
    """Return the URL of a moto without jobs, queues or memories; its jobs end at once."""
    support.reset_moto(moto_server)
    return moto_server


@pytest.fixture
def bench() -> MakeBench:
    """Return a context manager that opens a local engine and a client of it."""
    return open_bench
