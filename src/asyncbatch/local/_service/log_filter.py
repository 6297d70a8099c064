"""Filter patterns of FilterLogEvents: plain-text terms.

`error timeout` matches messages with both words, `"connection reset"` with the phrase,
`?warn ?error` with at least one of the two, `-debug` without the word. JSON, space-delimited and
regular-expression patterns are not supported.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

import re
from collections.abc import Callable

from asyncbatch.local._engine.errors import invalid_parameter

_TERM = re.compile(r'([?-]?)(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))\s*')
_OTHER_SYNTAX = ("{", "[", "%")


def parse_pattern(pattern: str) -> Callable[[str], bool]:
    """Return a function that matches messages; an empty pattern matches every message.

    Raises:
        ServiceError: The pattern is invalid or not supported.
    """
    text = pattern.strip()
    if text.startswith(_OTHER_SYNTAX):
        raise invalid_parameter(
            "Invalid filter pattern: the local engine supports plain-text terms only,"
            f" not patterns that start with {text[0]!r}."
        )
    required: list[str] = []
    excluded: list[str] = []
    optional: list[str] = []
    position = 0
    while position < len(text):
        found = _TERM.match(text, position)
        if found is None:
            raise invalid_parameter("Invalid filter pattern.")
        term = found[3] if found[2] is None else re.sub(r"\\(.)", r"\1", found[2])
        {"": required, "-": excluded, "?": optional}[found[1]].append(term)
        position = found.end()

    def matches(message: str) -> bool:
        return (
            all(term in message for term in required)
            and not any(term in message for term in excluded)
            and (not optional or any(term in message for term in optional))
        )

    return matches
