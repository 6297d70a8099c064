"""A real `luigid` for tests."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

PROGRAM = "from luigi.cmdline import luigid; luigid()"


@contextmanager
def running_luigid() -> Iterator[str]:
    """Start `luigid` on the loopback address; return its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "LUIGI_CONFIG_PATH": os.devnull, "PYTHONWARNINGS": "ignore"}
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "--address", "127.0.0.1", "--port", str(port)],
        env=environment,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    reader = threading.Thread(target=process.stderr.read)
    try:
        for line in process.stderr:
            if "Scheduler starting up" in line:
                break
        # It logs each request, and would block if the pipe were not read.
        reader.start()
        yield f"http://127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stderr.close()
