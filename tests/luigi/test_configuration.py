"""Where a task gets its account and Region from, how often it asks, what importing it does."""

import subprocess
import sys
from collections.abc import Iterator

import luigi
import pytest

from asyncbatch_luigi.config import poll_policy
from tests.luigi.support import Aws, make
from tests.luigi.tasks import Quick


@pytest.fixture
def section() -> Iterator[dict[str, str]]:
    """Give the section of Luigi's configuration to be filled in by a test."""
    parser = make(luigi.configuration.get_config)
    parser.add_section("asyncbatch")
    yield parser["asyncbatch"]
    parser.remove_section("asyncbatch")


def test_luigis_configuration_says_where_aws_is(
    aws: Aws, section: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name)
    section["endpoint_url"] = aws.environment["AWS_ENDPOINT_URL"]
    section["region"] = aws.environment["AWS_DEFAULT_REGION"]
    make(Quick, job_definition="succeeds").run()
    assert len(aws.started) == 1


def test_a_profile_that_does_not_exist_is_an_error(aws: Aws, section: dict[str, str]) -> None:
    from asyncbatch import NoCredentials

    section["profile"] = "nobody"
    with pytest.raises(NoCredentials, match="nobody"):
        make(Quick, job_definition="succeeds").run()


@pytest.mark.parametrize("poll_time", [0, 1, 10, 300])
def test_a_job_is_never_asked_about_less_often_than_poll_time_says(poll_time: int) -> None:
    policy = poll_policy(poll_time)
    assert policy.min_interval <= policy.max_interval <= max(poll_time, 0.2)


def python(program: str) -> str:
    """Run a program in a fresh interpreter and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.strip()


def test_importing_it_imports_no_sdk() -> None:
    program = "import sys, asyncbatch_luigi; print({'botocore', 'boto3'} & set(sys.modules))"
    assert python(program) == "set()"


def test_without_luigi_the_import_says_what_to_install() -> None:
    program = """
import sys
sys.modules["luigi"] = None
try:
    import asyncbatch_luigi
except ImportError as error:
    print(error)
"""
    assert python(program) == "asyncbatch_luigi needs Luigi: pip install 'asyncbatch[luigi]'"


FORKS = """
import os, sys
import luigi
from asyncbatch_luigi import BatchTask

{make}
child = os.fork()
if child == 0:
    os._exit("aiobotocore" in sys.modules)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize(("make", "inherits"), [("", "0"), ("BatchTask('etl')", "1")])
def test_forked_workers_inherit_the_sdk_if_there_are_tasks(make: str, inherits: str) -> None:
    """Importing it takes most of a second, in each child."""
    assert python(FORKS.format(make=make)) == inherits
