"""A `luigid` in a process of its own, for tests that need one or end it."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

_PROGRAM = "from luigi.cmdline import luigid; luigid()"


@dataclass(frozen=True)
class Luigid:
    """A running `luigid`.

    Attributes:
        url: Its address.
        process: Its process.
    """

    url: str
    process: "subprocess.Popen[str]"

    def kill(self) -> None:
        """End it for good."""
        self.process.kill()
        self.process.wait()


@contextmanager
def open_luigid() -> Iterator[Luigid]:
    """Start `luigid` on the loopback address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, "--address", "127.0.0.1", "--port", str(port)],
        env={**os.environ, "LUIGI_CONFIG_PATH": os.devnull, "PYTHONWARNINGS": "ignore"},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    reader = threading.Thread(target=process.stderr.read)
    output = ""
    try:
        while "Scheduler starting up" not in output:
            line = process.stderr.readline()
            assert line, f"luigid did not start:\n{output}"
            output += line
        # It logs each request, and would block if the pipe were not read.
        reader.start()
        yield Luigid(f"http://127.0.0.1:{port}", process)
    finally:
        process.kill()
        process.wait()
        if reader.ident is not None:
            reader.join()
        process.stderr.close()


@contextmanager
def running_luigid() -> Iterator[str]:
    """Start `luigid` and return its URL."""
    with open_luigid() as luigid:
        yield luigid.url
