"""Clients that this project did not write, each in a virtual environment of its own."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.environments import environment_of

PROGRAMS = Path(__file__).parent / "programs"
_NOWHERE = "http://127.0.0.1:9"
"""A proxy address without a server: requests to any other host fail."""

# Requirements, and versions that replace what they require: the version of PyYAML that two of them
# name can no longer be built.
_PYYAML = ("pyyaml==6.0.3",)
CLIENTS = {
    "aws-cli": (("awscli==1.46.3",), _PYYAML),
    "luigi": (("luigi==3.8.1", "boto3==1.44.5"), ()),
    "aio-aws": (("aio-aws==0.22.1", "aiobotocore==2.26.0"), _PYYAML),
    "redun": (("redun==0.44.1", "boto3==1.43.117"), _PYYAML),
}

RunClient = Callable[..., list[str]]


@pytest.fixture
def run_client(tmp_path: Path) -> RunClient:
    """Return a function that runs a command of a client in `asyncbatch local`.

    It takes the client, the command and variables to add, and returns the lines that the command
    printed. The test fails if the exit code is not 0.
    """

    def run(client: str, *command: str, **variables: str) -> list[str]:
        requires, overrides = CLIENTS[client]
        python = environment_of(f"stranger-{client}", requires, overrides)
        programs = os.pathsep.join([str(Path(python).parent), os.environ["PATH"]])
        environment = {
            **os.environ,
            "PATH": programs,
            "HOME": str(tmp_path),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HTTP_PROXY": _NOWHERE,
            "HTTPS_PROXY": _NOWHERE,
            "NO_PROXY": "127.0.0.1",
            **variables,
        }
        done = subprocess.run(
            [sys.executable, "-m", "asyncbatch", "local", "--", *command],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.splitlines()

    return run


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], str]:
    """Return a function that copies a program to the working directory and returns its name."""

    def copy(name: str) -> str:
        shutil.copy(PROGRAMS / name, tmp_path)
        return name

    return copy
