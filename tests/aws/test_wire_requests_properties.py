"""Any request either raises `InvalidRequest` or passes the validation of botocore's model."""

import pickle
from typing import Any

from hypothesis import event, given

from asyncbatch import InvalidRequest, JobRequest
from asyncbatch._aws.wire import requests
from tests.fixtures import shapes, strategies


@given(strategies.wild_fields)
def test_any_request_is_invalid_here_or_valid_for_botocore(fields: dict[str, Any]) -> None:
    try:
        arguments = requests.submit_job(JobRequest("etl", **fields), name="etl-1", queue="default")
    except InvalidRequest as error:
        event(f"refused: {error.field}")
        return
    event("sent")
    assert shapes.objections("SubmitJob", arguments) == ""
    assert len(shapes.body_of("SubmitJob", arguments)) <= 30 * 1024


@given(strategies.sensible_fields)
def test_valid_request_is_accepted(fields: dict[str, Any]) -> None:
    request = JobRequest("etl", **fields)
    arguments = requests.submit_job(request, name="etl-1", queue="default")
    assert shapes.objections("SubmitJob", arguments) == ""


@given(strategies.sensible_fields, strategies.sensible_fields)
def test_replace_equals_a_new_request_with_the_changed_fields(
    fields: dict[str, Any], changes: dict[str, Any]
) -> None:
    replaced = JobRequest("etl", **fields).replace(**changes)
    assert replaced == JobRequest("etl", **{**fields, **changes})
    assert pickle.loads(pickle.dumps(replaced)) == replaced  # noqa: S301 - our own
