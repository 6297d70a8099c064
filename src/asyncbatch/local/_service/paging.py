"""Pages of a list, and the opaque tokens of their successors.

A token is an encoded number. Its meaning belongs to the operation: the number of an entry into a
status (`listing`), a job's sequence, or a position counted from the end of a list (`take_page`).
"""

import base64
import binascii
from collections.abc import Iterable
from itertools import islice
from typing import TypeVar

from asyncbatch.local._engine.errors import client_error
from asyncbatch.local._engine.ids import number_of

T = TypeVar("T")

_PREFIX = "position:"


def encode_token(position: int) -> str:
    """Return the token of a position."""
    return base64.urlsafe_b64encode(f"{_PREFIX}{position}".encode()).decode()


def decode_token(token: str | None) -> int | None:
    """Return the position of a token; None without a token.

    Raises:
        ServiceError: The token was not made by `encode_token`.
    """
    if token is None:
        return None
    try:
        text = base64.urlsafe_b64decode(token.encode()).decode()
    except (binascii.Error, UnicodeError):
        text = ""
    position = number_of(text.removeprefix(_PREFIX)) if text.startswith(_PREFIX) else None
    if position is None:
        raise client_error("The nextToken is not valid.")
    return position


def take_page(items: Iterable[T], size: int, token: str | None) -> tuple[list[T], str | None]:
    """Return a page of a list that only grows at its front, and the token of the next page.

    Lists of queues and job definitions show the newest first. A token therefore counts from the
    end: items that are added while a caller reads pages neither repeat nor hide any item.
    """
    listed = list(items)
    remaining = decode_token(token)
    start = 0 if remaining is None else max(0, len(listed) - remaining)
    page = list(islice(listed, start, start + size))
    rest = len(listed) - start - len(page)
    return page, encode_token(rest) if rest else None
