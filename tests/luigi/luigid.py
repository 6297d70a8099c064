"""A `luigid` in a process of its own, for tests that need one or end it."""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.fixtures.programs import Program
from tests.luigi.processes import start

_PROGRAM = """
from luigi.cmdline import luigid

luigid(["--address", "127.0.0.1", "--port", "{port}"])
"""


@dataclass(frozen=True)
class Luigid:
    """A running `luigid`.

    Attributes:
        url: Its address.
        program: Its process.
    """

    url: str
    program: Program

    def kill(self) -> None:
        """End it for good."""
        self.program.send_signal(signal.SIGKILL)
        self.program.wait()


@contextmanager
def open_luigid() -> Iterator[Luigid]:
    """Start `luigid` on the loopback address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = start(_PROGRAM.format(port=port))
    reader = threading.Thread(target=program.stdout.read)
    output = ""
    try:
        while "Scheduler starting up" not in output:
            line = program.stdout.readline()
            assert line, f"luigid did not start:\n{output}"
            output += line
        # It logs each request, and would block if the pipe were not read.
        reader.start()
        yield Luigid(f"http://127.0.0.1:{port}", program)
    finally:
        program.kill()
        if reader.ident is not None:
            reader.join()
        program.stdout.close()


@contextmanager
def running_luigid() -> Iterator[str]:
    """Start `luigid` and return its URL."""
    with open_luigid() as luigid:
        yield luigid.url
