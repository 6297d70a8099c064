"""Decoding is total: any member of any response may be missing, null, or of another type."""

import dataclasses
import random
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Any

import pytest

from asyncbatch import JobDescription, JobStatus
from asyncbatch._aws.wire import definitions, responses
from asyncbatch._aws.wire.sharing import SharedValues
from asyncbatch._values.failures import result_of, wait_reason_of
from tests.fixtures.odd_values import ODD_VALUES, Path, member_paths, with_single_items
from tests.fixtures.shapes import filled, output_shape

SHARED = SharedValues()


def _detail() -> dict[str, Any]:
    """Return a JobDetail with every member that AWS documents."""
    detail: dict[str, Any] = with_single_items(filled(output_shape("DescribeJobs", "jobs")))
    return {**detail, "status": "FAILED"}


def _summary() -> dict[str, Any]:
    summary: dict[str, Any] = filled(output_shape("ListJobs", "jobSummaryList"))
    return {**summary, "status": "RUNNING"}


@contextmanager
def _replaced(response: dict[str, Any], path: Path, value: object) -> Iterator[None]:
    """Replace a member of a response in the block."""
    parent: Any = response
    for step in path[:-1]:
        parent = parent[step]
    before = parent[path[-1]]
    parent[path[-1]] = value
    try:
        yield
    finally:
        parent[path[-1]] = before


def _require_typed(value: Any, hint: Any, where: str) -> None:  # noqa: ANN401 - an annotation
    """Require that a decoded value is what its annotation promises, with all of its fields."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any or (origin is types.UnionType and value is None):
        return
    if origin is types.UnionType:
        hint = next(each for each in arguments if each is not types.NoneType)
        _require_typed(value, hint, where)
        return
    kinds: dict[Any, Any] = {Mapping: dict, float: (int, float)}
    assert isinstance(value, kinds.get(origin or hint, origin or hint)), (where, value)
    for name, part, part_hint in _parts(value, hint, arguments):
        _require_typed(part, part_hint, f"{where}.{name}")


def _parts(value: Any, hint: Any, arguments: Any) -> Iterator[tuple[object, Any, Any]]:  # noqa: ANN401
    """Yield the parts of a decoded value, with their annotations."""
    if isinstance(value, tuple):
        yield from ((place, each, arguments[0]) for place, each in enumerate(value))
    elif isinstance(value, dict):
        yield from (("key", key, arguments[0]) for key in value)
        yield from ((key, each, arguments[1]) for key, each in value.items())
    elif dataclasses.is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        yield from (
            (f.name, getattr(value, f.name), hints[f.name]) for f in dataclasses.fields(hint)
        )


def _decode_and_use(
    decode: Callable[[Any], JobDescription],
    response: Any,  # noqa: ANN401 - whatever JSON has
) -> None:
    """Decode a response, and do with it what the client does."""
    try:
        description = decode(response)
    except responses.Unreadable:
        return
    _require_typed(description, JobDescription, "description")
    assert result_of(dataclasses.replace(description, status=JobStatus.FAILED)).failure
    wait_reason_of(dataclasses.replace(description, status=JobStatus.RUNNABLE))
    for moment in (description.created_at, description.started_at, description.stopped_at):
        assert moment is None or isinstance(moment.isoformat(), str)
    assert isinstance(description.exit_code, int | None)
    assert isinstance(description.reason, str | None)


def detail(response: Any) -> JobDescription:  # noqa: ANN401 - whatever JSON has
    responses.mark(response) if isinstance(response, dict) else None
    return responses.job_description(response, SHARED)


def summary(response: Any) -> JobDescription:  # noqa: ANN401 - as above
    responses.summary_mark(response) if isinstance(response, dict) else None
    return responses.job_summary(response, SHARED)


@pytest.mark.parametrize(("decode", "whole"), [(detail, _detail()), (summary, _summary())])
def test_each_member_may_be_anything(
    decode: Callable[[Any], JobDescription], whole: dict[str, Any]
) -> None:
    for number, path in enumerate(list(member_paths(whole))):
        # Members of the job itself meet all odd values, deeper ones two of them in turn.
        odd_values = ODD_VALUES if len(path) == 1 else ODD_VALUES[number % 12 :: 12]
        for odd in odd_values:
            with _replaced(whole, path, odd):
                _decode_and_use(decode, whole)


@pytest.mark.parametrize("odd", ODD_VALUES, ids=repr)
@pytest.mark.parametrize("decode", [detail, summary])
def test_a_job_may_be_anything(decode: Callable[[Any], JobDescription], odd: object) -> None:
    _decode_and_use(decode, odd)


@pytest.mark.parametrize(("decode", "whole"), [(detail, _detail()), (summary, _summary())])
@pytest.mark.parametrize("seed", range(8))
def test_several_members_may_be_anything(
    decode: Callable[[Any], JobDescription], whole: dict[str, Any], seed: int
) -> None:
    rng = random.Random(seed)
    paths = list(member_paths(whole))
    for _ in range(40):
        with ExitStack() as stack:
            # Deepest first: a member that is replaced has no members any longer.
            for path in sorted(rng.sample(paths, rng.randint(2, 6)), key=len, reverse=True):
                odd = ODD_VALUES[rng.randrange(len(ODD_VALUES))]
                stack.enter_context(_replaced(whole, path, odd))
            _decode_and_use(decode, whole)


def test_an_odd_member_is_kept_and_the_others_are_decoded(
    caplog: pytest.LogCaptureFixture,
) -> None:
    odd = {"jobId": "j", "status": "RUNNING", "statusReason": 5, "createdAt": 1_700_000_000_000}
    description = responses.job_description(odd, SharedValues())
    assert description.status_reason is None
    assert description.extra == {"statusReason": 5}
    assert description.created_at == datetime.fromisoformat("2023-11-14T22:13:20+00:00")
    assert "members ignored: statusReason" in caplog.text


def test_an_odd_attempt_keeps_the_numbers_of_the_others() -> None:
    attempts = [None, {"container": {"exitCode": 3}}]
    odd = {"jobId": "j", "status": "FAILED", "attempts": attempts}
    description = responses.job_description(odd, SharedValues())
    assert [(a.number, a.exit_code) for a in description.attempts] == [(1, None), (2, 3)]


@pytest.mark.parametrize("missing", ["jobId", "status"])
@pytest.mark.parametrize("value", [None, "", 5, []])
def test_a_job_without_an_id_or_a_state_is_unreadable(missing: str, value: object) -> None:
    with pytest.raises(responses.Unreadable, match="no jobId or no status"):
        responses.job_description(
            {"jobId": "j", "status": "RUNNING", missing: value}, SharedValues()
        )


@pytest.mark.parametrize("odd", ODD_VALUES, ids=repr)
def test_answers_of_bulk_calls_queues_and_definitions_may_be_anything(odd: object) -> None:
    for response in ({"successful": odd}, {"errors": odd}, {"errors": [odd]}):
        assert set(responses.refusals("TerminateJobs", ["a"], response)) <= {"a"}
    for decode in (responses.job_queue, responses.job_definition):
        with pytest.raises(responses.Unreadable):
            decode(odd)  # type: ignore[arg-type]
    for detail in (
        odd,
        {"tags": odd},
        {"type": odd},
        {"containerProperties": {"environment": odd}},
    ):
        assert not definitions.has_content(detail, {"jobDefinitionName": "etl"}, "hash")
