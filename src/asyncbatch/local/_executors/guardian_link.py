"""The engine's end of the socket to its guardian: starts it, sends wishes, receives news."""

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
_PATIENCE = 10.0  # seconds for the guardian's own end; it needs little more than one

News = Mapping[str, Any]


class GuardianLink:
    """A connection to a guardian that was started for it.

    Args:
        engine: This end of the socket.
        process: The guardian.
        on_news: Called with each message of the guardian's.
        on_lost: Called when the guardian is gone although nobody closed the link.
    """

    def __init__(
        self,
        engine: socket.socket,
        process: "subprocess.Popen[bytes]",
        on_news: Callable[[News], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._socket = engine
        self._process = process
        self._on_news = on_news
        self._on_lost = on_lost
        self._received = b""
        self._outbox: deque[tuple[bytes, int | None]] = deque()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(engine, self._receive)

    @classmethod
    async def start(cls, on_news: Callable[[News], None], on_lost: Callable[[], None]) -> Self:
        """Start a guardian."""
        ours, theirs = socket.socketpair()
        ours.settimeout(0)
        try:
            with theirs:
                process = await asyncio.to_thread(_start_guardian, theirs)
        except BaseException:
            ours.close()
            raise
        return cls(ours, process, on_news, on_lost)

    def spawn(
        self,
        key: str,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        directory: str | None,
        mark: str,
        output: int,
    ) -> None:
        """Have a command started.

        Args:
            key: What the news about it is called.
            argv: The command.
            environment: All of its variables.
            directory: Where it starts; None is where the guardian was started.
            mark: The variable, as `NAME=value`, by which its descendants are known.
            output: The file descriptor that it writes to; closed once it was handed over.
        """
        wish = {
            "spawn": key,
            "argv": list(argv),
            "env": dict(environment),
            "cwd": directory,
            "mark": mark,
        }
        self._send(wish, output)

    def signal(self, key: str, number: int) -> None:
        """Have a signal sent to a command's process group, if it still runs."""
        self._send({"signal": key, "number": number}, None)

    async def aclose(self) -> None:
        """Let the guardian end whatever is left, and wait until it is gone."""
        self._disconnect()
        with anyio.move_on_after(_PATIENCE, shield=True):
            await asyncio.to_thread(self._process.wait)

    @property
    def is_lost(self) -> bool:
        """Whether the guardian is gone."""
        return self._socket.fileno() < 0

    def _send(self, wish: Mapping[str, Any], descriptor: int | None) -> None:
        self._outbox.append((json.dumps(wish).encode() + b"\n", descriptor))
        self._flush()

    def _flush(self) -> None:
        """Send what the socket takes; wait for room for the rest."""
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
            except OSError:  # the guardian is gone: `_receive` learns of it and tells
                self._drop_outbox()
                break
            if descriptor is not None:
                os.close(descriptor)
            if sent < len(data):
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
            self._on_news(json.loads(line))
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


def _start_guardian(theirs: socket.socket) -> "subprocess.Popen[bytes]":
    # -I and -S: neither the environment nor site-packages decide what the guardian is.
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(_SCRIPT), str(os.getpid())],
        stdin=theirs.fileno(),
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    )
