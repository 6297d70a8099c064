"""Which calls find jobs: AWS allows one filter, and the others are checked here."""

from datetime import UTC, datetime
from typing import Any

import pytest

from asyncbatch import JobDescription, JobStatus
from asyncbatch._jobs.finding import search

AT = datetime(2024, 1, 15, 12, tzinfo=UTC)
MS = int(AT.timestamp() * 1000)
LIVE = (JobStatus.RUNNABLE, JobStatus.RUNNING)
NOTHING: dict[str, Any] = {
    **dict.fromkeys(("name", "definition", "created_after", "created_before", "share_identifier")),
    "states": None,
}

LISTINGS = {
    "nothing": ({}, [(None, state) for state in JobStatus]),
    "states": ({"states": LIVE}, [(None, state) for state in LIVE]),
    "a name": ({"name": "etl*", "states": LIVE}, [(("JOB_NAME", "etl*"), None)]),
    "a name before all others": (
        {"name": "x", "definition": "etl", "created_after": AT, "share_identifier": "s"},
        [(("JOB_NAME", "x"), None)],
    ),
    "a definition": ({"definition": "etl*"}, [(("JOB_DEFINITION", "etl*"), None)]),
    "a revision": ({"definition": "etl:3"}, [(("JOB_DEFINITION", "etl"), None)]),
    "an ARN": (
        {"definition": "arn:aws:batch:r:0:job-definition/etl:3", "created_after": AT},
        [(("JOB_DEFINITION", "arn:aws:batch:r:0:job-definition/etl:3"), None)],
    ),
    "a share": ({"share_identifier": "s"}, [(("SHARE_IDENTIFIER", "s"), None)]),
    "a share and states": (
        {"share_identifier": "s", "states": LIVE, "created_after": AT},
        [(("SHARE_IDENTIFIER", "s"), state) for state in LIVE],
    ),
    "later": (
        {"created_after": AT, "states": LIVE},
        [(("AFTER_CREATED_AT", str(MS - 1)), None)],
    ),
    "earlier": ({"created_before": AT}, [(("BEFORE_CREATED_AT", str(MS + 1)), None)]),
    "earlier and states": (
        {"created_before": AT, "states": LIVE},
        [(None, state) for state in LIVE],
    ),
}


@pytest.mark.parametrize(("conditions", "expected"), LISTINGS.values(), ids=LISTINGS)
def test_one_filter_is_left_to_aws(conditions: dict[str, Any], expected: list[Any]) -> None:
    assert list(search(**{**NOTHING, **conditions}).listings()) == expected


MATCHES = {
    "nothing": ({}, True),
    "the name in another case": ({"name": "NIGHTLY"}, True),
    "its beginning": ({"name": "Night*"}, True),
    "another name": ({"name": "night"}, False),
    "the definition": ({"definition": "etl"}, True),
    "its beginning, case-sensitive": ({"definition": "E*"}, False),
    "the revision": ({"definition": "etl:3"}, True),
    "another revision": ({"definition": "etl:4"}, False),
    "the ARN": ({"definition": "arn:aws:batch:r:0:job-definition/etl:3"}, True),
    "the ARN without a revision": ({"definition": "arn:aws:batch:r:0:job-definition/etl"}, True),
    "the share": ({"share_identifier": "s"}, True),
    "another share": ({"share_identifier": "t"}, False),
    "the moment itself": ({"created_after": AT}, True),
    "before the moment itself": ({"created_before": AT}, False),
    "the state": ({"states": LIVE}, True),
    "another state": ({"states": (JobStatus.FAILED,)}, False),
}


@pytest.mark.parametrize(("conditions", "expected"), MATCHES.values(), ids=MATCHES)
def test_listed_job_meets_all_conditions(conditions: dict[str, Any], expected: object) -> None:
    job = JobDescription(
        job_id="j",
        status=JobStatus.RUNNING,
        name="nightly",
        job_definition="arn:aws:batch:r:0:job-definition/etl:3",
        share_identifier="s",
        created_at=AT,
    )
    assert search(**{**NOTHING, **conditions}).matches(job) is expected


def test_job_without_a_time_meets_no_condition_on_it() -> None:
    job = JobDescription(job_id="j", status=JobStatus.RUNNING)
    assert search(**NOTHING).matches(job)
    assert not search(**{**NOTHING, "created_after": AT}).matches(job)
