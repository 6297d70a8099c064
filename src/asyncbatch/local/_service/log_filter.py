"""Filter patterns: the plain-text terms of FilterLogEvents.

`error timeout` wants both words, `"connection reset"` wants the phrase, `?warn ?error` wants one of
the two, `-debug` wants it absent. JSON, space-delimited and regular-expression patterns are
refused.

Source: https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

import re
from collections.abc import Callable

from asyncbatch.local._engine.errors import invalid_parameter

_TERM = re.compile(r'([?-]?)(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))\s*')
_OTHER_SYNTAX = ("{", "[", "%")


def parse_pattern(pattern: str) -> Callable[[str], bool]:
    """Return what tells whether a message matches a pattern; an empty one matches everything."""
    text = pattern.strip()
    if text.startswith(_OTHER_SYNTAX):
        raise invalid_parameter(
            "Invalid filter pattern: the local engine knows plain-text terms only,"
            f" not {text[0]!r} patterns."
        )
    needed: list[str] = []
    excluded: list[str] = []
    optional: list[str] = []
    place = 0
    while place < len(text):
        found = _TERM.match(text, place)
        if found is None:
            raise invalid_parameter("Invalid filter pattern.")
        term = found[3] if found[2] is None else re.sub(r"\\(.)", r"\1", found[2])
        {"": needed, "-": excluded, "?": optional}[found[1]].append(term)
        place = found.end()

    def matches(message: str) -> bool:
        return (
            all(term in message for term in needed)
            and not any(term in message for term in excluded)
            and (not optional or any(term in message for term in optional))
        )

    return matches
