"""Luigi's configuration of the client and of tasks, and what importing the adapter does."""

import json
import subprocess
import sys
from configparser import SectionProxy
from typing import Any

import pytest

from asyncbatch import InvalidRequest
from asyncbatch_luigi import BatchJobException
from asyncbatch_luigi._request import build_request, plan_run
from asyncbatch_luigi.config import asyncbatch as configuration
from asyncbatch_luigi.config import new_client, poll_policy
from tests.luigi.support import Aws, make
from tests.luigi.tasks import Quick


def test_endpoint_and_region_are_read_from_luigis_configuration(
    aws: Aws, section: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ENDPOINT_URL_BATCH", "AWS_DEFAULT_REGION", "AWS_REGION"):
        monkeypatch.delenv(name)
    section["endpoint_url"] = aws.environment["AWS_ENDPOINT_URL_BATCH"]
    section["region"] = aws.environment["AWS_DEFAULT_REGION"]
    make(Quick, job_definition="succeeds").run()
    assert len(aws.started) == 1


def test_profile_that_does_not_exist_raises(aws: Aws, section: dict[str, str]) -> None:
    from asyncbatch import NoCredentials

    section["profile"] = "nobody"
    with pytest.raises(NoCredentials, match="nobody"):
        make(Quick, job_definition="succeeds").run()


def test_tasks_without_a_queue_use_the_configured_one(aws: Aws, section: dict[str, str]) -> None:
    aws.create_queue("night")
    section["job_queue"] = "night"
    make(Quick, job_definition="succeeds").run()
    make(Quick, job_definition="succeeds", job_queue="default").run()
    assert [job.queue for job in aws.started] == ["night", "default"]


def test_failure_log_lines_limits_the_lines_of_the_error(aws: Aws, section: dict[str, str]) -> None:
    section["failure_log_lines"] = "1"
    with pytest.raises(BatchJobException) as caught:
        make(Quick, job_definition="fails").run()
    assert [event.message for event in caught.value.log_tail] == ["no such table: users"]


def test_tag_jobs_false_adds_no_tags(aws: Aws, section: dict[str, str]) -> None:
    section["tag_jobs"] = "false"
    make(Quick, job_definition="succeeds").run()
    assert [tag for tag in aws.started[0].tags if tag.startswith("luigi")] == []


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("submit_per_second", "0"),
        ("describe_per_second", "-1"),
        ("list_per_second", "0"),
        ("terminate_per_second", "-2.5"),
        ("log_drain", "-1"),
        ("log_interval", "0"),
        ("poll_time", "-1"),
        ("poll_time", "nan"),
        ("poll_time", "inf"),
    ],
)
def test_number_out_of_range_is_reported_with_the_options_name(
    section: dict[str, str], option: str, value: str
) -> None:
    section[option] = value
    with pytest.raises(InvalidRequest) as caught:
        new_client()
    assert caught.value.field == option


def test_job_options_are_defaults_of_all_tasks(aws: Aws, section: dict[str, str]) -> None:
    plain = make(Quick, job_definition="succeeds")
    settings = make(configuration)
    name = plan_run(plain, build_request(plain, settings), settings).request.name
    section["job_tags"] = '{"team": "data", "floor": 3}'
    section["job_propagate_tags"] = "true"
    section["job_retry"] = "spot:3"
    plain.run()
    own = type("Own", (Quick,), {"job_tags": {"team": "web"}, "job_retry": 2})
    make(own, job_definition="succeeds").run()
    described = [aws.call("describe_jobs", jobs=[job.id])["jobs"][0] for job in aws.started]
    assert [job["tags"]["team"] for job in described] == ["data", "web"]
    assert [job["tags"]["floor"] for job in described] == ["3", "3"]
    assert [job["propagateTags"] for job in described] == [True, True]
    assert [job["retryStrategy"]["attempts"] for job in described] == [3, 2]
    assert aws.started[0].name == name  # a default changes no identity


def test_job_share_identifier_is_the_share_of_tasks_without_one(section: dict[str, str]) -> None:
    section["job_share_identifier"] = "research"
    assert new_client()._settings.defaults.share_identifier == "research"


def test_tags_of_the_configuration_leave_room_for_those_of_tasks(
    aws: Aws, section: dict[str, str]
) -> None:
    """AWS allows 50: without that room, the tags that the adapter adds are left out."""
    section["job_tags"] = json.dumps({f"tag{number}": "x" for number in range(49)})
    make(Quick, job_definition="succeeds").run()
    tags = aws.started[0].tags
    assert sum(tag.startswith("tag") for tag in tags) == 49
    assert not any(tag.startswith("luigi:") for tag in tags)


@pytest.mark.parametrize(
    ("option", "value", "field"),
    [
        ("job_tags", '["team"]', "job_tags"),
        ("job_tags", '{"team": null}', "job_tags['team']"),
        ("job_tags", '{"aws:team": "x"}', "job_tags"),
        ("job_retry", "often", "job_retry"),
        ("job_share_identifier", "a b", "job_share_identifier"),
    ],
)
@pytest.mark.filterwarnings("ignore:OptionalDictParameter:UserWarning")
def test_job_option_with_a_wrong_value_is_reported_with_its_name(
    section: dict[str, str], option: str, value: str, field: str
) -> None:
    section[option] = value
    with pytest.raises(InvalidRequest) as caught:
        new_client()
    assert caught.value.field == field


@pytest.mark.parametrize("value", ["", "10", None, True, [], 1j])
def test_poll_time_of_a_task_that_is_no_number_is_refused(value: Any) -> None:  # noqa: ANN401 - of a wrong type
    with pytest.raises(InvalidRequest, match=r"poll_time=.*must be 0 or more seconds"):
        poll_policy(value)


@pytest.mark.parametrize(
    ("option", "value", "rule"),
    [
        ("poll_time", "soon", "a number"),
        ("failure_log_lines", "1.5", "a whole number"),
        ("stream_logs", "yess", "true or false"),
        ("job_propagate_tags", "yess", "true or false"),
        ("job_tags", "team", 'a JSON object, such as {"team": "data"},'),
    ],
)
def test_unreadable_option_is_reported_with_its_name(
    section: dict[str, str], option: str, value: str, rule: str
) -> None:
    section[option] = value
    with pytest.raises(InvalidRequest) as caught:
        make(Quick, job_definition="etl").run()
    message = f"{option}={value!r}: must be {rule} in section [asyncbatch] of Luigi's configuration"
    assert str(caught.value) == message


@pytest.mark.parametrize("value", ["100%", "a%(b)s", "%x"])
def test_percent_sign_in_the_configuration_is_reported_with_the_options_name(
    section: SectionProxy, value: str
) -> None:
    # As from a file: assigning would check the value.
    section.parser.read_string(f"[asyncbatch]\nprofile = {value}\n")
    with pytest.raises(InvalidRequest, match="write %% for a percent sign") as caught:
        new_client()
    assert (caught.value.field, caught.value.value) == ("profile", value)


class Decided(Quick):
    stream_logs = False
    on_interrupt = "leave"
    follow_live_job = False


def test_task_attributes_take_precedence_over_the_configuration(section: dict[str, str]) -> None:
    section["stream_logs"] = section["follow_live_job"] = "true"
    section["on_interrupt"] = "terminate"
    settings = make(configuration)
    decided, undecided = [
        plan_run(task, build_request(task, settings), settings)
        for task in (make(Decided, "etl"), make(Quick, "etl"))
    ]
    assert (undecided.stream_logs, undecided.follow_live_job) == (True, True)
    assert undecided.terminate_on_interrupt
    assert (decided.stream_logs, decided.follow_live_job) == (False, False)
    assert not decided.terminate_on_interrupt


@pytest.mark.parametrize("poll_time", [0, 1, 10, 300])
def test_poll_policy_never_exceeds_poll_time(poll_time: int) -> None:
    policy = poll_policy(poll_time)
    assert policy.min_interval <= policy.max_interval <= max(poll_time, 0.2)


def python(program: str) -> str:
    """Run a program in a fresh interpreter and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.strip()


def test_import_does_not_import_the_sdk() -> None:
    program = "import sys, asyncbatch_luigi; print({'botocore', 'boto3'} & set(sys.modules))"
    assert python(program) == "set()"


def test_import_without_luigi_says_what_to_install() -> None:
    program = """
import sys
sys.modules["luigi"] = None
try:
    import asyncbatch_luigi
except ImportError as error:
    print(error)
"""
    assert python(program) == "asyncbatch_luigi needs Luigi: pip install 'luigi>=3.6,<4'"


NAMESPACE = """
import luigi
luigi.namespace("etl")
from asyncbatch_luigi import BatchTask
from asyncbatch_luigi.config import new_client, settings_of

luigi.configuration.get_config().set("asyncbatch", "job_queue", "night")
class Extract(BatchTask): job_definition = "etl"
print(settings_of(new_client()).job_queue, Extract().task_family)
"""


def test_namespace_set_before_the_import_does_not_rename_the_section() -> None:
    assert python(NAMESPACE) == "night etl.Extract"


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
def test_forked_workers_inherit_the_sdk_only_if_there_are_tasks(make: str, inherits: str) -> None:
    """Importing the SDK takes most of a second."""
    assert python(FORKS.format(make=make)) == inherits
