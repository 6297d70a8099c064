"""The engine's end of the socket to its guardian: starts it, sends requests, receives messages.

The protocol is described in `guardian.py`.
"""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import anyio

_SCRIPT = Path(__file__).with_name("guardian.py")
_READ = 65536
_EXIT_TIMEOUT = 10.0  # seconds to wait for the guardian's exit; it needs little more than one

Message = Mapping[str, Any]


class GuardianLink:
    """A connection to a guardian, which is started for it.

    Args:
        engine: The engine's end of the socket.
        process: The guardian.
        on_message: Called with each message of the guardian.
        on_lost: Called when the guardian ends although the link was not closed.
    """

    def __init__(
        self,
        engine: socket.socket,
        process: "subprocess.Popen[bytes]",
        on_message: Callable[[Message], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._socket = engine
        self._process = process
        self._on_message = on_message
        self._on_lost = on_lost
        self._received = b""
        self._outbox: deque[tuple[bytes, int | None]] = deque()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(engine, self._receive)

    @classmethod
    async def start(
        cls, scratch: str, on_message: Callable[[Message], None], on_lost: Callable[[], None]
    ) -> Self:
        """Start a guardian and connect to it.

        Args:
            scratch: Directory for the commands' own working directories; the guardian removes it.
            on_message: As for the class.
            on_lost: As for the class.
        """
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        try:
            with theirs:
                process = await asyncio.to_thread(_start_guardian, theirs, scratch)
        except BaseException:
            ours.close()
            raise
        return cls(ours, process, on_message, on_lost)

    def spawn(
        self,
        key: str,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: str,
        output: int,
        memory: int | None = None,
    ) -> None:
        """Request the start of a command.

        Args:
            key: Identifies the command in later messages.
            argv: The command.
            environment: Its complete environment.
            directory: Its working directory; created if it is directly in `scratch`.
            output: The file descriptor for its output; closed here after it was sent.
            memory: Its memory limit in bytes; None for none.
        """
        request = {
            "spawn": key,
            "argv": list(argv),
            "env": dict(environment),
            "cwd": directory,
            "memory": memory,
        }
        self._send(request, output)

    def signal(self, key: str, number: int) -> None:
        """Request a signal to a command's process group; ignored if the command has ended."""
        self._send({"signal": key, "number": number}, None)

    async def aclose(self) -> None:
        """Disconnect, which makes the guardian end all commands and exit; wait for that."""
        self._disconnect()
        with anyio.move_on_after(_EXIT_TIMEOUT, shield=True):
            await asyncio.to_thread(self._process.wait)

    @property
    def is_lost(self) -> bool:
        """Whether the connection to the guardian is closed."""
        return self._socket.fileno() < 0

    def _send(self, request: Mapping[str, Any], descriptor: int | None) -> None:
        self._outbox.append((json.dumps(request).encode() + b"\n", descriptor))
        self._flush()

    def _flush(self) -> None:
        """Send as much as the socket accepts now; continue when it is writable again."""
        if self.is_lost:
            self._drop_outbox()
            return
        while self._outbox:
            data, descriptor = self._outbox[0]
            try:
                if descriptor is None:
                    sent = self._socket.send(data)
                else:
                    sent = socket.send_fds(self._socket, [data], [descriptor])
            except BlockingIOError:
                self._loop.add_writer(self._socket, self._flush)
                return
            except OSError:  # the guardian has ended: `_receive` will see it and report it
                self._drop_outbox()
                break
            if descriptor is not None:
                os.close(descriptor)
            if sent < len(data):
                # The descriptor went with the first byte; send only the rest of the text.
                self._outbox[0] = (data[sent:], None)
            else:
                self._outbox.popleft()
        self._loop.remove_writer(self._socket)

    def _receive(self) -> None:
        try:
            data = self._socket.recv(_READ)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._on_message(json.loads(line))
        if not data:
            self._disconnect()
            self._on_lost()

    def _disconnect(self) -> None:
        if not self.is_lost:
            self._loop.remove_reader(self._socket)
            self._loop.remove_writer(self._socket)
            self._socket.close()
        self._drop_outbox()

    def _drop_outbox(self) -> None:
        for _, descriptor in self._outbox:
            if descriptor is not None:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
        self._outbox.clear()


def _start_guardian(theirs: socket.socket, scratch: str) -> "subprocess.Popen[bytes]":
    # A path, not `-m`: importing the package would load aiobotocore into a process that has to be
    # small and quick to start. -I and -S keep the environment, site-packages and the modules next
    # to the script (`lines`, `base`) off its import path: it imports the standard library only.
    # A new session keeps a terminal's Ctrl-C away from it.
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(_SCRIPT), str(os.getpid()), scratch],
        stdin=theirs.fileno(),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
