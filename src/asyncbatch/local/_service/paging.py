"""Pages of a list, and the opaque tokens that lead from one to the next."""

import base64
import binascii
from collections.abc import Iterable
from itertools import islice
from typing import TypeVar

from asyncbatch.local._engine.errors import client_error

T = TypeVar("T")

_PREFIX = "place:"


def encode_token(place: int) -> str:
    """Return a token that means a place."""
    return base64.urlsafe_b64encode(f"{_PREFIX}{place}".encode()).decode()


def decode_token(token: str | None) -> int | None:
    """Return the place that a token means; None for no token."""
    if token is None:
        return None
    try:
        text = base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, UnicodeError):
        text = ""
    place = text.removeprefix(_PREFIX)
    if place == text or not place.isdecimal():
        raise client_error("The nextToken is not valid.")
    return int(place)


def take_page(items: Iterable[T], size: int, token: str | None) -> tuple[list[T], str | None]:
    """Return a page of a list that grows at its front only, and the token of the next page."""
    listed = list(items)
    # Counted from the end, a place stays what it is when something new comes first.
    left = decode_token(token)
    start = 0 if left is None else max(0, len(listed) - left)
    page = list(islice(listed, start, start + size))
    rest = len(listed) - start - len(page)
    return page, encode_token(rest) if rest else None
