"""Fields that a request does not have: the error names the one that was meant."""

import pickle
import re
from typing import Any

import pytest

from asyncbatch import InvalidRequest, JobDefaults, JobRequest, RecoveryRule, UnknownField
from asyncbatch._values.requests import JobFields
from asyncbatch._values.unknown_fields import _OTHER_NAMES
from tests.fixtures.bench import MakeBench

MEANT = [
    # misspelt
    ("comand", "command"),
    ("queu", "queue"),
    ("enviroment", "environment"),
    ("vpcus", "vcpus"),
    ("retires", "retry"),
    ("atempt_timeout", "attempt_timeout"),
    ("dependson", "depends_on"),
    ("tagss", "tags"),
    # other words for it
    ("timeout", "attempt_timeout"),
    ("memory", "memory_mib"),
    ("retries", "retry"),
    ("env", "environment"),
    ("job_queue", "queue"),
    ("job_name", "name"),
    ("cpu", "vcpus"),
    ("gpu", "gpus"),
    ("size", "array_size"),
    ("priority", "scheduling_priority"),
    ("definition", "job_definition"),
    # in AWS's spelling
    ("jobQueue", "queue"),
    ("jobName", "name"),
    ("dependsOn", "depends_on"),
    ("propagateTags", "propagate_tags"),
    ("retryStrategy", "retry"),
    ("arrayProperties", "array_size"),
    ("shareIdentifier", "share_identifier"),
    ("schedulingPriorityOverride", "scheduling_priority"),
    ("nodeOverrides", "node_overrides"),
    ("ecsPropertiesOverride", "ecs_properties_override"),
    ("consumableResourcePropertiesOverride", "consumable_resources"),
    ("containerOverrides", "command or environment or gpus or memory_mib or vcpus"),
]


@pytest.mark.parametrize(("given", "meant"), MEANT)
def test_unknown_field_names_the_field_that_was_meant(given: str, meant: str) -> None:
    fields: dict[str, Any] = {given: "s3cret"}
    message = f"{given}: JobRequest has no such field; did you mean {meant}?"
    with pytest.raises(UnknownField) as raised:
        JobRequest("etl", **fields)
    assert str(raised.value) == message
    with pytest.raises(UnknownField, match=re.escape(message)):
        JobRequest("etl").replace(**fields)


def test_unknown_field_that_resembles_none_lists_all() -> None:
    with pytest.raises(UnknownField, match=r"^colour: .*; allowed are array_size, .*, vcpus$"):
        JobRequest("etl", colour="red")  # type: ignore[call-arg]


def test_unknown_field_is_an_invalid_request_and_a_type_error() -> None:
    error = UnknownField("env", "JobRequest has no such field")
    assert isinstance(error, InvalidRequest)
    assert isinstance(error, TypeError)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 # our own bytes
    assert (str(copy), copy.field, copy.rule) == (str(error), error.field, error.rule)


def test_control_characters_of_a_field_are_not_shown() -> None:
    fields: dict[str, Any] = {"env\x1b[2J\n": 1}
    with pytest.raises(UnknownField) as raised:
        JobRequest("etl", **fields)
    assert str(raised.value).isprintable()


def test_defaults_list_the_fields_that_they_have() -> None:
    with pytest.raises(UnknownField, match=r"^jobQueue: JobDefaults .* did you mean queue\?$"):
        JobDefaults(jobQueue="q")  # type: ignore[call-arg]
    with pytest.raises(UnknownField, match=r"^command: .*; allowed are propagate_tags, queue,"):
        JobDefaults(command=["true"])  # type: ignore[call-arg]


def test_rule_names_the_field_that_was_meant() -> None:
    with pytest.raises(InvalidRequest, match=r"^fields='timeout': .* mean attempt_timeout\?$"):
        RecoveryRule(exit_codes=[1], fields={"timeout": 5})
    with pytest.raises(InvalidRequest, match=r"^fields='key': .*; allowed are attempt_timeout"):
        RecoveryRule(exit_codes=[1], fields={"key": "a"})


@pytest.mark.virtual_time
async def test_methods_of_clients_groups_and_jobs_refuse_unknown_fields(bench: MakeBench) -> None:
    fields: dict[str, Any] = {"jobQueue": "q"}
    async with bench() as b, b.batch.job_group() as group:
        array = await b.batch.submit_array("hello", size=2)
        await array
        before = dict(b.local.calls)
        for call in (
            lambda: b.batch.submit("hello", **fields),
            lambda: b.batch.submit(JobRequest("hello"), **fields),
            lambda: b.batch.submit_array("hello", size=2, **fields),
            lambda: group.submit("hello", **fields),
            lambda: group.submit(JobRequest("hello"), **fields),
            # nothing failed, so that the changes would never be used
            lambda: b.batch.rerun_failed([array], **fields),
            lambda: array.rerun_failed(**fields),
        ):
            with pytest.raises(UnknownField, match=r"^jobQueue: .* did you mean queue\?$"):
                await call()
        with pytest.raises(UnknownField, match="did you mean queue"):
            b.batch.start_submit("hello", **fields)
        with pytest.raises(UnknownField, match="did you mean queue"):
            array.clone(**fields)
        assert b.local.calls == before


def test_other_names_belong_to_fields_and_are_none() -> None:
    known = {"job_definition", *JobFields.__annotations__}
    assert known >= set(_OTHER_NAMES)
    assert not known & {each for names in _OTHER_NAMES.values() for each in names}
