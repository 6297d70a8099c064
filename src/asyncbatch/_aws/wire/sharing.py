"""One copy of what many jobs have in common.

A hundred thousand jobs of one job definition have the same command, environment, parameters and
tags. Decoded one by one, each would hold its own copies, which takes twice the memory. Only the
last value of each kind is remembered: jobs of one definition come in long runs, and comparing with
one value is cheaper than hashing it.
"""

import sys
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

Fields = Mapping[str, Any]

_MAX_IMAGES = 100
"""Container images whose fields are remembered; a limit, for accounts with very many images."""


_MAX_ODD_PATHS = 1_000
"""Paths of odd members that are remembered: keys that are data may make very many."""


class SharedValues:
    """Remembers values that were decoded, and returns them again for equal ones.

    A connection has one, and an open journal has one, so nothing outlives them.
    """

    __slots__ = ("_by_image", "_last", "_odd_paths")

    def __init__(self) -> None:
        """Begin with nothing remembered."""
        self._last: dict[str, Any] = {}
        self._by_image: dict[str | None, tuple[Mapping[str, Any], Fields]] = {}
        self._odd_paths: set[str] = set()

    def one(self, kind: str, value: T) -> T:
        """Return the last value of this kind if it is equal, else remember and return `value`.

        Args:
            kind: What the value is, such as ``"command"``; values of two kinds are never compared.
            value: The value; it must not be changed later.
        """
        last = self._last
        if kind in last and last[kind] == value:
            return last[kind]  # type: ignore[no-any-return] # it was put in as a T
        last[kind] = value
        return value

    def new_odd_paths(self, paths: Iterable[str]) -> list[str]:
        """Return the paths of odd members that were not given before: each is logged once."""
        new = [path for path in dict.fromkeys(paths) if path not in self._odd_paths]
        if len(self._odd_paths) < _MAX_ODD_PATHS:
            self._odd_paths.update(new)
        return new

    def container_fields(
        self,
        container: Mapping[str, Any],
        decode: "Callable[[Mapping[str, Any], SharedValues], Fields]",
    ) -> Fields:
        """Return the fields that `decode` makes of a container, made once for equal containers.

        To see that two containers are equal takes a third of the time of decoding one.

        Args:
            container: A container in AWS's spelling, without what differs from job to job.
            decode: Decodes it.
        """
        image = container.get("image")
        known = self._by_image.get(image)
        if known is not None and known[0] == container:
            return known[1]
        fields = decode(container, self)
        if len(self._by_image) >= _MAX_IMAGES:
            self._by_image.clear()
        self._by_image[image] = (container, fields)
        return fields


def interned(text: str | None) -> str | None:
    """Return the interpreter's one copy of a text that many jobs have, such as a queue's ARN."""
    return None if text is None else sys.intern(text)
