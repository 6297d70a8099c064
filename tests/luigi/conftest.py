"""Fixtures of the adapter's tests. Luigi reads its configuration when it is first imported."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.luigi.support import Aws, Run
    from tests.luigi.workers import Marked, Workers

os.environ["LUIGI_CONFIG_PATH"] = str(Path(__file__).with_name("luigi.cfg"))


@pytest.fixture(autouse=True)
def luigis_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep Luigi from adding a log handler, which would write to the stderr of the first test."""
    from luigi.setup_logging import InterfaceLogging

    monkeypatch.setattr(InterfaceLogging, "_configured", True)


@pytest.fixture(autouse=True)
def tasks_of_modules_only() -> None:
    """Forget the tasks of earlier tests: Luigi registers task classes and instances by name."""
    from tests.luigi.register import forget_local_tasks

    forget_local_tasks()


@pytest.fixture
def aws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator["Aws"]:
    """Run the test in an empty directory, with a local AWS Batch in the environment."""
    from tests.luigi.support import open_aws

    monkeypatch.chdir(tmp_path)
    with open_aws() as aws:
        for name, value in aws.environment.items():
            monkeypatch.setenv(name, value)
        yield aws


@pytest.fixture(scope="session")
def luigid() -> Iterator[str]:
    """Return the URL of a `luigid`, which all tests of this process use."""
    from tests.luigi.luigid import running_luigid

    with running_luigid() as url:
        yield url


@pytest.fixture(params=["ordinary", "one process"])
def workers(request: pytest.FixtureRequest, aws: "Aws") -> "Workers":
    """Run the test with either kind of worker: both must behave the same."""
    from tests.luigi.workers import Workers, notes

    notes.clear()
    return Workers(kind=request.param)


@pytest.fixture(params=["Marked", "Threaded"])
def kind(request: pytest.FixtureRequest) -> "type[Marked]":
    """Return a task class that the one-process worker runs as a coroutine, and one as a thread."""
    from tests.luigi import workers

    kind: type[Marked] = getattr(workers, request.param)
    return kind


@pytest.fixture
def run() -> "Run":
    """Return a runner of tasks with Luigi's real scheduler."""
    from tests.luigi.support import Run

    return Run()


@pytest.fixture
def section() -> Iterator[dict[str, str]]:
    """Return the section of Luigi's configuration, to be filled in by the test."""
    import luigi

    from tests.luigi.support import make

    parser = make(luigi.configuration.get_config)
    parser.add_section("asyncbatch")
    yield parser["asyncbatch"]
    parser.remove_section("asyncbatch")
