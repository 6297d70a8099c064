"""What botocore's model of AWS Batch says: checks of arguments, and answers with every member."""

import functools
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import botocore.session
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator


@functools.cache
def batch_model() -> Any:  # noqa: ANN401 - botocore has no types
    """Return botocore's service model of AWS Batch; read once, as that takes 0.1 s."""
    return botocore.session.get_session().get_service_model("batch")


@functools.cache
def output_shape(operation: str, *members: str) -> Any:  # noqa: ANN401 - as above
    """Return a part of an operation's answer: its members one in another, lists looked through."""
    shape = batch_model().operation_model(operation).output_shape
    for member in members:
        shape = shape.members[member]
        shape = shape.member if shape.type_name == "list" else shape
    return shape


def objections(operation: str, arguments: Mapping[str, Any]) -> str:
    """Return what botocore's own validator finds wrong with arguments; nothing if they are fine."""
    shape = batch_model().operation_model(operation).input_shape
    report = ParamValidator().validate(arguments, shape)
    return str(report.generate_report())


def body_of(operation: str, arguments: Mapping[str, Any]) -> bytes:
    """Return the request body that botocore would send."""
    model = batch_model()
    serializer = create_serializer(model.metadata["protocol"], include_validation=False)
    request = serializer.serialize_to_request(arguments, model.operation_model(operation))
    body: bytes = request["body"]
    return body


_INDEX = re.compile(r"\[\d+\]")
_DATA_KEY = "key of "
_RESOURCES = [
    {"type": "VCPU", "value": "7001"},
    {"type": "MEMORY", "value": "7002"},
    {"type": "GPU", "value": "7003"},
    {"type": "a type of tomorrow", "value": "7004"},
]


def filled(shape: Any, *, leave_out: Sequence[str] = ()) -> Any:  # noqa: ANN401 - as above
    """Return an answer that has every member of a shape, each leaf with a value of its own.

    Text and truth values are the leaf's path, numbers are counted up. Members that an answer never
    has together can be left out, by their paths without indexes.
    """
    return _Filler(leave_out).value(shape, "")


def leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Give the leaves of a filled answer with their paths; keys that are data count as leaves."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            if name.startswith(_DATA_KEY):
                yield path, name
            yield from leaves(inner, f"{path}.{name}")
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            yield from leaves(inner, path)
    else:
        yield path, value


class _Filler:
    def __init__(self, leave_out: Sequence[str]) -> None:
        self._leave_out = leave_out
        self._numbers = itertools.count(1001)

    def value(self, shape: Any, path: str) -> Any:  # noqa: ANN401 - as above
        if shape.name == "ResourceRequirements":
            return _RESOURCES
        if shape.type_name == "structure":
            return self._structure(shape, path)
        if shape.type_name == "list":
            return [self.value(shape.member, f"{path}[{i}]") for i in range(2)]
        if shape.type_name == "map":
            return {f"{_DATA_KEY}{path}": self.value(shape.value, f"{path}.key")}
        if shape.type_name in ("integer", "long", "double"):
            return next(self._numbers)
        assert shape.type_name in ("string", "boolean"), shape
        return path

    def _structure(self, shape: Any, path: str) -> dict[str, Any]:  # noqa: ANN401 - as above
        return {
            name: self.value(member, f"{path}.{name}")
            for name, member in shape.members.items()
            if _INDEX.sub("", f"{path}.{name}") not in self._leave_out
        }
