"""Rules for every test: no AWS account, no network, no blocking calls, no waiting.

* The environment contains no AWS account, profile or endpoint, whatever the machine has.
* A connection to another machine fails the test.
* A blocking call of the library on an event loop fails the test; `may_block` allows it.
* `@pytest.mark.virtual_time` runs an async test on an event loop in virtual time.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Iterator, Mapping

import pytest
from aiobotocore.session import AioSession
from blockbuster import BlockBuster
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
    support.remember_event_names()
    # A shell starts what it runs in the background with SIGINT ignored, and children inherit that.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_asyncio_loop_factories(
    item: pytest.Item,
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Choose the event loop of an async test by its markers."""
    if item.get_closest_marker("virtual_time") is None:
        return {"real": asyncio.new_event_loop}
    from asyncbatch.local import VirtualTimeLoop

    return {"virtual": VirtualTimeLoop}


@pytest.fixture(autouse=True)
def aws_isolation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reset the AWS variables before each test: earlier tests may have changed them."""
    for name in support.aws_variables(os.environ):
        monkeypatch.delenv(name)
    for name, value in support.NO_AWS_ACCOUNT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def detector() -> BlockBuster:
    """Make the detector of blocking calls, which a test activates."""
    detector = BlockBuster(scanned_modules=["asyncbatch"])
    support.allow_blocking_in_dependencies(detector)
    return detector


@pytest.fixture(autouse=True)
def blocking_calls_fail(request: pytest.FixtureRequest, detector: BlockBuster) -> Iterator[None]:
    """Raise an error when the library calls a blocking function on an event loop."""
    if request.node.get_closest_marker("may_block"):
        yield
        return
    detector.activate()
    try:
        yield
    finally:
        detector.deactivate()


@pytest.fixture(scope="session")
def aio_session() -> AioSession:
    """Share one session of the SDK."""
    return support.new_session()


@pytest.fixture(scope="session")
def moto_server() -> Iterator[str]:
    """Start a moto server, once per test session."""
    with support.moto_server() as url:
        yield url


@pytest.fixture
def moto(moto_server: str) -> str:
    """Return the URL of the moto server after a reset; its jobs end immediately."""
    support.reset_moto(moto_server)
    return moto_server


@pytest.fixture
def bench() -> MakeBench:
    """Return a context manager that opens a local engine and a client of it."""
    return open_bench
