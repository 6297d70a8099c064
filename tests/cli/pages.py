"""Commands on pages of the documentation, and whether they print what the page shows."""

import re
import shlex
from collections.abc import Iterator

from tests.cli.harness import Called

FENCE = re.compile(
    r"(?:^`(?P<file>[^`\n]+)`:\n\n)?^```(?P<kind>\w+)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL
)


def shown(called: Called, expected: list[str]) -> bool:
    """Return whether each line was expected in its order: those of both streams are mixed."""
    out = called.out.splitlines()
    # The display draws when it likes.
    err = [line for line in called.err.splitlines() if not re.search("ended|^failed: ", line)]
    for line in expected:
        pattern = ".*".join(map(re.escape, line.split("...")))
        for stream in (out, err):
            if stream and re.fullmatch(pattern, stream[0]):
                del stream[0]
                break
        else:
            return False
    return not out and not err


def calls(body: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield the arguments of each command of a console fence, and the lines that it prints."""
    for part in re.split(r"^\$ asyncbatch ", body, flags=re.MULTILINE)[1:]:
        command, *lines = part.splitlines()
        yield shlex.split(command), lines
