"""What a line of POSIX sh before a job's command can do, and when it cannot. Pure.

The line runs as ``sh -c LINE sh COMMAND...``, and ends with ``exec "$@"``, which executes the
command in its place.
"""

import re
from collections.abc import Sequence

from asyncbatch._values.requests import JobRequest

ARRAY_INDEX = "AWS_BATCH_JOB_ARRAY_INDEX"
ARRAY_SIZE = "AWS_BATCH_JOB_ARRAY_SIZE"

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
# Variables that shells set themselves, so they would not reach the command unchanged.
_SET_BY_SHELLS = re.compile(
    r"_|IFS|(OLD)?PWD|PPID|E?UID|GROUPS|OPT(ARG|ERR|IND)|LINENO|SH(LVL|ELLOPTS)|S?RANDOM|SECONDS"
    r"|BASH\w*|COMP_\w+|COMPREPLY|DIRSTACK|EPOCH(REALTIME|SECONDS)|EXECIGNORE|FUNC(NAME|NEST)"
    r"|HISTCMD|PIPESTATUS|POSIXLY_CORRECT|PS[0-9]"
)


def after_line(line: str, command: Sequence[str]) -> list[str]:
    """Return the command that executes another one after a line of sh."""
    return ["sh", "-c", f'{line}; exec "$@"', "sh", *command]


def why_not_in_sh(request: JobRequest) -> str | None:
    """Return why sh cannot execute a request's command unchanged; None where it can."""
    if not request.command:
        return "the command is the job definition's or the image's, which is not known here"
    if request.command[0].startswith("-"):
        return f"the command begins with {request.command[0]!r}, an option for the image's program"
    for name in request.environment:
        if not _VARIABLE.fullmatch(name) or _SET_BY_SHELLS.fullmatch(name):
            return f"the variable {name!r} would not reach the command through a shell"
    return None
