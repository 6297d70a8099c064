"""What the readers of text return: documents, and problems with their place in the file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.text import one_line, shortened

_SHOWN_PROBLEMS = 10
_LONGEST_PROBLEM = 400


@dataclass(frozen=True, slots=True)
class Document:
    """The members of one request, as they are in the file.

    Attributes:
        line: Where it begins, 1 for the first line.
        members: Names and values.
        lines: Lines of members that begin on another line.
    """

    line: int
    members: dict[str, Any]
    lines: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with a line of a file.

    Attributes:
        line: The line, 1 for the first one; None for the file as a whole.
        error: The field, its value and the rule.
    """

    line: int | None
    error: InvalidRequest


class MalformedText(InvalidRequest):
    """Text that is no request: no field is known to be the reason.

    Attributes:
        line: The line, where it is known.
    """

    def __init__(self, rule: str, line: int | None = None) -> None:
        """Make a message of the rule alone."""
        super().__init__("text", None, rule)
        self.line = line
        self.args = (rule,)


class MalformedFile(InvalidRequest):
    """Lines of a file are not requests; nothing was sent.

    Attributes:
        path: Name of the file.
        problems: All of them, in the order of the lines.
    """

    def __init__(self, path: str, problems: list[Problem]) -> None:
        """Make a message with a line for each of the first problems."""
        first = problems[0].error
        super().__init__(first.field, first.value, first.rule)
        self.path = path
        self.problems = tuple(problems)
        lines = [_shown(path, problem) for problem in problems[:_SHOWN_PROBLEMS]]
        if len(problems) > _SHOWN_PROBLEMS:
            lines.append(f"{len(problems) - _SHOWN_PROBLEMS} more lines are malformed.")
        self.args = ("\n".join(lines),)

    def renamed(self, field: str) -> InvalidRequest:  # noqa: ARG002 - of the base class
        """Return the error itself: it names the fields of the file."""
        return self


def _shown(path: str, problem: Problem) -> str:
    place = path if problem.line is None else f"{path}:{problem.line}"
    return shortened(one_line(f"{place}: {problem.error}"), _LONGEST_PROBLEM)
