"""Names for shell completion: job queues and job definitions of the account.

A person who presses Tab waits for them, so they are kept for some minutes, and a look-up has a
time limit: without a network, completion offers nothing instead of hanging. The look-up is the
command `asyncbatch queues --json` in a process of its own, since a process can be ended whatever
it waits for, such as the resolution of a host name.
"""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import typer

_LIMIT = 3.0  # seconds for a look-up
_KEPT = 300.0  # seconds for which names are used again
_KEPT_FAILURE = 30.0  # seconds without another look-up after one that failed


def queues(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of job queues that begin with what was typed."""
    return _beginning_with(incomplete, _names(ctx, "queues", "--no-depth"))


def definitions(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the names of job definitions that begin with what was typed."""
    return _beginning_with(incomplete, _names(ctx, "definitions"))


def _beginning_with(incomplete: str, names: Iterable[str]) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _names(ctx: typer.Context, command: str, *flags: str) -> list[str]:
    """Return the names in what a command prints as JSON; none if it fails."""
    arguments = [command, *flags]
    arguments += [
        f"{option}={value}"
        for option, name in (
            ("--region", "region"),
            ("--profile", "profile"),
            ("--endpoint-url", "endpoint_url"),
        )
        if (value := ctx.params.get(name))
    ]
    kept = _file(arguments)
    names = _kept(kept)
    if names is None:
        document = _looked_up(arguments)
        names = list(dict.fromkeys(item["name"] for item in document.get(command, ())))
        _keep(kept, names)
    return names


def _kept(file: Path) -> list[str] | None:
    """Return the names that were kept and are new enough; None if there are none."""
    try:
        age = time.time() - file.stat().st_mtime
        names: list[str] = json.loads(file.read_text())
    except (OSError, ValueError):
        return None
    return names if age < (_KEPT if names else _KEPT_FAILURE) else None


def _looked_up(arguments: list[str]) -> dict[str, list[dict[str, str]]]:
    """Run a command, and return what it prints; nothing if it fails or takes too long."""
    try:
        done = subprocess.run(  # noqa: S603 - this command itself
            [sys.executable, "-m", "asyncbatch", *arguments, "--json"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_LIMIT,
            check=True,
            env={name: value for name, value in os.environ.items() if "COMPLETE" not in name},
        )
        document: dict[str, list[dict[str, str]]] = json.loads(done.stdout)
    except (OSError, ValueError, subprocess.SubprocessError):
        return {}
    return document


def _file(arguments: list[str]) -> Path:
    """Return the file that keeps the names of one account, Region and endpoint."""
    selects = sorted(item for item in os.environ.items() if item[0].startswith("AWS_"))
    key = hashlib.sha256(repr((arguments, selects)).encode()).hexdigest()[:16]
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "asyncbatch" / f"{arguments[0]}-{key}.json"


def _keep(file: Path, document: object) -> None:
    """Write a file completely or not at all; without a writable directory, nothing is kept."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=file.parent, delete=False) as part:
            json.dump(document, part)
        Path(part.name).replace(file)
    except OSError:
        return
