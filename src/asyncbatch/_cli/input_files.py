"""Files that a command reads, or standard input."""

import sys
from pathlib import Path

import anyio

from asyncbatch._cli.errors import UsageError
from asyncbatch._cli.request_files.reading import Format, Source
from asyncbatch._values.text import one_line

STDIN = "-"


async def read_file(path: str, form: Format | None = None) -> Source:
    """Return a file; ``-`` is standard input.

    Raises:
        UsageError: It cannot be read.
    """
    name = "standard input" if path == STDIN else path
    try:
        content = await anyio.to_thread.run_sync(_read, path)
    except (OSError, ValueError) as error:  # ValueError: a name with NUL
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError(f"cannot read {one_line(name)}: {reason}. Check the path.") from None
    return Source(name, content, form)


async def exists(path: Path | None) -> bool:
    """Return whether there is a file; False for None."""
    return path is not None and await anyio.to_thread.run_sync(path.is_file)


async def require_journal(journal: str) -> None:
    """Raise if there is no journal, which opening it would create.

    Raises:
        UsageError: There is none.
    """
    if not await exists(Path(journal)):
        raise UsageError(f"there is no journal {one_line(journal)}. Check the path.")


def _read(path: str) -> bytes:
    return sys.stdin.buffer.read() if path == STDIN else Path(path).read_bytes()
