"""Reprs without the values of environment variables, which often are passwords and tokens."""

import dataclasses
from collections.abc import Mapping
from typing import Any

_MASK = "***"
# Of requests and ECS containers, and of the containers of EKS pods.
_ENVIRONMENTS = frozenset({"environment", "env"})


class MaskedRepr:
    """Base of dataclasses whose repr shows the names of environment variables, not their values.

    The values themselves stay as they are: identities of requests are hashes of them.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        """Show the fields as a dataclass does."""
        fields: Any = dataclasses.fields(self)  # type: ignore[arg-type] # of subclasses
        shown = (f"{f.name}={_masked_member(f.name, getattr(self, f.name))!r}" for f in fields)
        return f"{type(self).__qualname__}({', '.join(shown)})"


def masked(value: object) -> object:
    """Return a value to show: values of environment variables that it contains are masked."""
    if isinstance(value, Mapping):
        return {name: _masked_member(name, member) for name, member in value.items()}
    if type(value) in (list, tuple):
        return type(value)(masked(item) for item in value)  # type: ignore[attr-defined,call-arg]
    return value


def _masked_environment(value: object) -> object:
    """Return environment variables without their values: a mapping, or AWS's list of pairs."""
    if isinstance(value, Mapping):
        return dict.fromkeys(value, _MASK)
    if isinstance(value, list | tuple):
        return [
            {name: item if name == "name" else _MASK for name, item in pair.items()}
            if isinstance(pair, Mapping)
            else _MASK
            for pair in value
        ]
    return value if value is None else _MASK


def _masked_member(name: object, value: object) -> object:
    return _masked_environment(value) if name in _ENVIRONMENTS else masked(value)
