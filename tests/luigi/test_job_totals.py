"""The line at the end of a build that says how many jobs there were."""

import logging

import luigi
import pytest

from asyncbatch import RetryStrategy
from tests.luigi.support import Aws, make
from tests.luigi.test_tracebacks import FailingCoroutine
from tests.luigi.workers import ONE_PROCESS, Marked, Threaded, Workers, configured

PREFIX = "AWS Batch jobs of this build: "


@pytest.fixture
def one_process(aws: Aws, caplog: pytest.LogCaptureFixture) -> Workers:
    """Return the worker whose client is shared by all tasks."""
    caplog.set_level(logging.INFO, logger="luigi-interface")
    return Workers(kind=ONE_PROCESS)


def totals(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the totals that were logged, and forget them."""
    found = [line.removeprefix(PREFIX) for line in caplog.messages if line.startswith(PREFIX)]
    caplog.clear()
    return found


class Retried(Marked):
    """A job that AWS Batch starts twice, and that fails both times."""

    job_definition = "fails"
    job_retry = RetryStrategy(attempts=2)


def test_ends_and_retries_are_counted(
    one_process: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    tasks = [make(kind, name="a") for kind in (Marked, Threaded, FailingCoroutine, Retried)]
    one_process.run(*tasks)
    assert totals(caplog) == ["4 submitted; 2 SUCCEEDED, 2 FAILED, 1 retried by AWS Batch"]


def test_jobs_of_the_journal_are_counted(
    aws: Aws, one_process: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    with configured("asyncbatch", {"journal": "run.db"}):
        first, second = make(Marked, name="a"), make(Marked, name="b")
        one_process.run(first)
        assert totals(caplog) == ["1 submitted; 1 SUCCEEDED"]
        first.mark.unlink()
        one_process.renew_scheduler()
        one_process.run(first, second)
        [found] = [line for line in caplog.messages if line.startswith("Found in the journal: ")]
        assert aws.local.ledger.submissions[0].job_id in found
        assert totals(caplog) == ["1 submitted, 1 found in the journal; 2 SUCCEEDED"]


def test_build_without_jobs_logs_no_totals(
    one_process: Workers, caplog: pytest.LogCaptureFixture
) -> None:
    class Plain(luigi.Task):
        pass

    one_process.run(make(Plain))
    assert totals(caplog) == []
