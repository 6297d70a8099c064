"""The plain JSON parser returns what botocore's parser returns."""

import functools
import json
from typing import Any

import botocore.session
import pytest
from botocore.model import Shape, StructureShape
from botocore.parsers import create_parser
from hypothesis import given
from hypothesis import strategies as st

from asyncbatch._aws.sdk_hooks import UnreadableBody, parse_plain_json

_SESSION = botocore.session.Session()
OPERATIONS = [
    ("batch", "SubmitJob"),
    ("batch", "DescribeJobs"),
    ("batch", "ListJobs"),
    ("batch", "TerminateJob"),
    ("batch", "DescribeJobQueues"),
    ("batch", "DescribeJobDefinitions"),
    ("batch", "RegisterJobDefinition"),
    ("logs", "GetLogEvents"),
    ("logs", "FilterLogEvents"),
]
SCALARS: dict[str, st.SearchStrategy[Any]] = {
    "string": st.text(max_size=8),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(allow_nan=False, allow_infinity=False),
    "double": st.floats(allow_nan=False, allow_infinity=False),
    "boolean": st.booleans(),
}


def values(shape: Shape, depth: int = 0) -> st.SearchStrategy[Any]:
    """Generate responses of a shape with any of its members."""
    if shape.type_name == "structure":
        members = {} if depth > 8 else shape.members
        return st.fixed_dictionaries(
            {}, optional={name: values(member, depth + 1) for name, member in members.items()}
        )
    if shape.type_name == "list":
        return st.lists(values(shape.member, depth + 1), max_size=1)
    if shape.type_name == "map":
        return st.dictionaries(st.text(max_size=4), values(shape.value, depth + 1), max_size=2)
    return SCALARS[shape.type_name]


@functools.cache  # it takes longer than the drawing
def responses(service: str, operation: str) -> st.SearchStrategy[Any]:
    """Generate responses of an operation."""
    return values(_shape(service, operation)[1])


@functools.cache
def _shape(service: str, operation: str) -> tuple[str, StructureShape]:
    model = _SESSION.get_service_model(service)
    return model.metadata["protocol"], model.operation_model(operation).output_shape


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
def test_responses_of_these_operations_are_plain_json(service: str, operation: str) -> None:
    """A timestamp or a blob would need conversion, which the plain parser does not do."""
    leaves: set[str] = set()

    def walk(shape: Shape, depth: int = 0) -> None:
        if depth > 12:
            return
        if shape.type_name == "structure":
            for member in shape.members.values():
                walk(member, depth + 1)
        elif shape.type_name == "list":
            walk(shape.member, depth + 1)
        elif shape.type_name == "map":
            walk(shape.value, depth + 1)
        else:
            leaves.add(shape.type_name)

    walk(_shape(service, operation)[1])
    assert leaves <= set(SCALARS)


@pytest.mark.parametrize(("service", "operation"), OPERATIONS)
@given(data=st.data())
def test_plain_json_parser_equals_botocores_parser(
    service: str, operation: str, data: st.DataObject
) -> None:
    protocol, shape = _shape(service, operation)
    body = json.dumps(data.draw(responses(service, operation))).encode()
    response = {"status_code": 200, "headers": {}, "body": body}
    theirs = create_parser(protocol).parse(dict(response), shape)
    theirs.pop("ResponseMetadata")

    ours: dict[str, Any] = {}
    parse_plain_json(response_dict=response, customized_response_dict=ours)
    assert ours == theirs
    assert response["body"] == b"{}"


@pytest.mark.parametrize(
    "response",
    [
        {"status_code": 400, "body": b'{"message": "no"}'},
        {"status_code": 200, "body": b'{"jobs": ['},
        {"status_code": 200, "body": b"\xff"},
        {"status_code": 200},
        {},
    ],
)
def test_response_that_is_no_success_is_left_to_botocores_parser(response: dict[str, Any]) -> None:
    before = dict(response)
    ours: dict[str, Any] = {}
    parse_plain_json(response_dict=response, customized_response_dict=ours)
    assert (ours, response) == ({}, before)


@pytest.mark.parametrize("body", [b"[]", b"null", b"5", b'"text"'])
def test_json_that_is_no_object_is_a_parser_error(body: bytes) -> None:
    """Botocore's parser would fail with an AttributeError."""
    response = {"status_code": 200, "body": body}
    with pytest.raises(UnreadableBody, match="no JSON object"):
        parse_plain_json(response_dict=response, customized_response_dict={})


def test_hook_called_with_other_arguments_does_nothing() -> None:
    parse_plain_json(something_new=1)
