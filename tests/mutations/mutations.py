"""Mutated responses: an endpoint's response, and one or several things that are odd about it.

A mutation is either of a whole response, such as a body that is cut off, or of items that belong to
an odd job. What no client can detect is left out: a well-formed lie about another job.
"""

import copy
import functools
import gzip
import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from asyncbatch.local._service.messages import Response
from tests.fixtures.odd_values import ODD_VALUES, member_paths, with_single_items
from tests.fixtures.shapes import filled, output_shape

Wire = dict[str, Any]

ODD = "odd-"
"""How the names of odd jobs begin, and the messages of odd log events."""

ITEMS = {
    "DescribeJobs": "jobs",
    "ListJobs": "jobSummaryList",
    "GetLogEvents": "events",
    "FilterLogEvents": "events",
}
"""The member with the items of a response, by operation."""

_SERVICE = {"GetLogEvents": "logs", "FilterLogEvents": "logs"}
_TOKENS = ("nextToken", "nextForwardToken")
_OTHER_YEARS = [0, 1, -1, 10**12, 253_402_300_800_000, 10**18, 2**63, 1e18, 1.5e12]
_TIMES = {"createdAt", "startedAt", "stoppedAt", "timestamp"}
_STATES = ["FAILED", "SUCCEEDED", "SUBMITTED", "RUNNING", "HIBERNATING", "failed", " "]
_NOT_UTF8 = "\ue000"  # is replaced by bytes that are no UTF-8
_NESTED = "\ue001"  # is replaced by lists in lists, which Python's own encoder refuses
_DEEP = 3_000


@dataclass(slots=True)
class Mutator:
    """Mutates responses.

    Attributes:
        rng: Draws the mutations.
    """

    rng: random.Random

    # -- whole responses --------------------------------------------------------------------------

    def whole(self, operation: str, response: Response, earlier: Sequence[str] = ()) -> Response:
        """Return a response that is odd as a whole.

        Args:
            operation: The operation.
            response: Its response.
            earlier: Tokens that led to this page.
        """
        if self.rng.random() < 0.5:
            return self.rng.choice(_OF_BYTES)(self, response)
        body = json.loads(response.body)
        if self.rng.random() < 0.25:
            self._odd_token(body, earlier)
            return _with_body(response, _encoded(body))
        self.rng.choice(_OF_MEMBERS)(self, operation, body)
        return _with_body(response, _encoded(body))

    def _cut_off(self, response: Response) -> Response:
        return _with_body(response, response.body[: self.rng.randrange(len(response.body))])

    def _wrapped(self, response: Response) -> Response:
        before = self.rng.choice([b"\xff\xfe", b")]}'\n", b"\x00", b"[", b"<?xml ?>", b""])
        return _with_body(response, before + response.body + (b"" if before else b"}{"))

    def _other_encoding(self, response: Response) -> Response:
        text = response.body.decode()
        encoding = self.rng.choice(["utf-16", "utf-32", "utf-8-sig", "utf-7", "utf-16-be"])
        return _with_body(response, text.encode(encoding))

    def _gzip(self, response: Response) -> Response:
        headers = dict(self.rng.choice([{}, {"content-encoding": "gzip"}]))
        return _with_body(response, gzip.compress(response.body), **headers)

    def _other_body(self, response: Response) -> Response:
        html = b"<html><body>Please log in</body></html>"
        bodies = [
            b"",
            b"{}",
            b"null",
            b"[]",
            b'"text"',
            b"5",
            b"NaN",
            b"\xff",
            html,
            b'{"message":1}',
        ]
        return _with_body(response, self.rng.choice(bodies))

    def _content_type(self, response: Response) -> Response:
        kind = self.rng.choice(["text/html", "application/cbor", "", "\u20ac"])
        return _with_body(response, response.body, **{"content-type": kind})

    def _deep(self, response: Response) -> Response:
        depth = self.rng.choice([900, _DEEP, 100_000])
        nested = b"[" * depth + b"]" * depth
        if self.rng.random() < 0.5:
            return _with_body(response, nested)
        return _with_body(response, b'{"deep":' + nested + b"," + response.body[1:])

    def _huge_number(self, response: Response) -> Response:
        number = self.rng.choice([b"9" * 5_000, b"1e999", b"-Infinity", b"9" * 4_000])
        return _with_body(response, b'{"huge":' + number + b"," + response.body[1:])

    def _status(self, response: Response) -> Response:
        """Return a fault with a body of another operation, or none that AWS would send."""
        bodies = [
            response.body,
            b"",
            b"[]",
            b"null",
            b'{"__type":5,"message":[]}',
            b"<html>",
            b"\xff",
        ]
        bodies += [b'{"message":{"a":1},"code":[]}', b"[" * 100_000, b'{"Error":5}']
        status = self.rng.choice([500, 502, 503, 504, 302, 307, 599])
        headers = {"location": "https://example.invalid/"} if status < 400 else {}
        changed = _with_body(response, self.rng.choice(bodies), **headers)
        return replace(changed, status=status)

    def _odd_member(self, operation: str, body: Wire) -> None:
        name = ITEMS.get(operation, "jobId")
        odd = [value for value in ODD_VALUES if value not in ([], "text", "2024-01-01T00:00:00Z")]
        if name == "events":  # a list with an odd event says that there were no others
            odd = [value for value in odd if not isinstance(value, list)]
        body[name] = copy.deepcopy(self.rng.choice(odd))

    def _no_member(self, operation: str, body: Wire) -> None:
        body.pop(ITEMS.get(operation, "jobId"), None)

    def _odd_token(self, body: Wire, earlier: Sequence[str]) -> None:
        # A listing without a token would be complete, so `nextToken` is never null.
        odd = [5, {}, [], "", "no token of this service", *earlier[-8:]]
        for name in _TOKENS:
            if name in body:
                body[name] = self.rng.choice(odd if name == "nextToken" else [None, *odd])

    def _more_items(self, operation: str, body: Wire) -> None:
        """Jobs that the client does not know, items that are none, and items that come twice."""
        items = body.get(ITEMS.get(operation, ""))
        if not isinstance(items, list):
            body["jobArn"] = self._odd_value()
            return
        more = [self._odd_value(), self._filled(operation), self._filled(operation)]
        if operation != "GetLogEvents" and items:  # whose events have no ids
            more.append(self.rng.choice(items))
        self.rng.shuffle(more)
        place = self.rng.randrange(len(items) + 1)
        items[place:place] = more[: self.rng.randint(1, 4)]

    def _odd_value(self) -> Any:  # noqa: ANN401 - whatever JSON has
        return copy.deepcopy(self.rng.choice(ODD_VALUES))  # a later mutation may be inside of it

    # -- items ------------------------------------------------------------------------------------

    def items(self, operation: str, response: Response, *, is_look_up: bool) -> Response:
        """Return a response in which the items of odd jobs are odd; the same one without any."""
        body = json.loads(response.body)
        items = body.get(ITEMS[operation])
        places = [place for place, item in enumerate(items) if _is_odd(item)]
        if not places:
            return response
        others = [item["jobId"] for item in items if "jobId" in item and not _is_odd(item)]
        if operation == "ListJobs" and is_look_up:
            others = []  # a listing in which a known job took the place of another proves that
        for place in places:
            items[place] = _without_lies(
                items[place], self._mutated(operation, copy.deepcopy(items[place]), others)
            )
        return _with_body(response, _encoded(body))

    def submitted(self, response: Response) -> Response:
        """Return an odd response of SubmitJob."""
        if self.rng.random() < 0.5:
            return self.whole("SubmitJob", response)
        body = json.loads(response.body)
        if self.rng.random() < 0.5:
            body["jobId"] = self.rng.choice(
                [f"{_NOT_UTF8}", " ", "a b", "\ud800", "x" * 5_000, "é"]
            )
        else:
            self._replace_members(body)
        return _with_body(response, _encoded(body))

    def _mutated(self, operation: str, item: Wire, others: list[str]) -> object:
        kind = self.rng.randrange(10)
        if kind == 0:
            return self._odd_value()
        if kind == 1:
            return {**self._filled(operation), **item}
        if kind == 2:
            return {**self._filled(operation), **_identity(operation, item)}
        changed = item
        if kind == 3 and others:
            changed["jobId"] = self.rng.choice(others)
            changed["status"] = self.rng.choice(_STATES)
        elif kind == 4:
            for name in sorted(changed.keys() & _TIMES):
                changed[name] = self.rng.choice(_OTHER_YEARS)
        elif kind == 5:
            changed["status"] = self.rng.choice(_STATES)
        elif kind == 6:
            self._replace_text(changed)
        else:
            self._replace_members(changed)
        return changed

    def _replace_members(self, changed: Wire) -> None:
        for _ in range(self.rng.randint(1, 4)):
            path = self.rng.choice(list(member_paths(changed)) or [("more",)])
            parent: Any = changed
            for step in path[:-1]:
                parent = parent[step]
            if self.rng.random() < 0.2 and isinstance(parent, dict):
                parent.pop(path[-1], None)
            else:
                parent[path[-1]] = self._odd_value()

    def _replace_text(self, changed: Wire) -> None:
        """Make a text what no service should write: no UTF-8, half a character, very long, deep."""
        names = [name for name, value in changed.items() if isinstance(value, str)]
        odd = [f"a{_NOT_UTF8}b", "\udc00", "\x1b]0;title\x07", "x" * 300_000, _NESTED, "\u202e"]
        changed[self.rng.choice(names or ["more"])] = self.rng.choice(odd)

    def _filled(self, operation: str) -> Wire:
        """Return an item with every member that the SDK's model has."""
        item = copy.deepcopy(_filled_item(operation))
        if "status" in item:
            item["status"] = self.rng.choice(_STATES)
        for parent, size in (("arrayProperties", "size"), ("nodeProperties", "numNodes")):
            if parent in item:
                item[parent][size] = 2  # each child or node may be polled
        return item


@functools.cache
def _filled_item(operation: str) -> Wire:
    service = _SERVICE.get(operation, "batch")
    shape = output_shape(operation, ITEMS[operation], service=service)
    item: Wire = with_single_items(filled(shape))
    return item


def _is_odd(item: Wire) -> bool:
    return str(item.get("jobName", item.get("message"))).startswith(ODD)


def _without_lies(item: Wire, changed: Any) -> object:  # noqa: ANN401 - whatever JSON has
    """Return a mutated item without readable lies about what a submission is looked up by."""
    if not isinstance(changed, dict):
        return changed
    name, tags = changed.get("jobName"), changed.get("tags", {})
    if isinstance(name, str) and name.isascii() and name.isprintable() and name:
        changed["jobName"] = item.get("jobName", name)
    if "tags" in item and (
        isinstance(tags, dict) and all(isinstance(value, str) for value in tags.values())
    ):
        changed["tags"] = item["tags"]
    return changed


def _identity(operation: str, item: Wire) -> Wire:
    kept = ("jobId", "status", "eventId", "logStreamName", "message", "timestamp")
    return {name: item[name] for name in kept if name in item}


def _encoded(body: Wire) -> bytes:
    text = json.dumps(body).encode()
    return text.replace(_escaped(_NOT_UTF8), b"\xff\xc3").replace(
        b'"' + _escaped(_NESTED) + b'"', b"[" * _DEEP + b"]" * _DEEP
    )


def _escaped(character: str) -> bytes:
    return json.dumps(character).strip('"').encode()


def _with_body(response: Response, body: bytes, **headers: str) -> Response:
    length = {"content-length": str(len(body))}
    return replace(response, body=body, headers={**response.headers, **headers, **length})


_OF_BYTES: list[Callable[[Mutator, Response], Response]] = [
    Mutator._cut_off,
    Mutator._wrapped,
    Mutator._other_encoding,
    Mutator._gzip,
    Mutator._other_body,
    Mutator._content_type,
    Mutator._deep,
    Mutator._huge_number,
    Mutator._status,
]
_OF_MEMBERS: list[Callable[[Mutator, str, Wire], None]] = [
    Mutator._odd_member,
    Mutator._no_member,
    Mutator._more_items,
]
