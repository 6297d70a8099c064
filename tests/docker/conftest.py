"""moto with real containers: an endpoint that this project did not write, and jobs that run.

Docker Engine comes from the distribution (Debian: docker.io, busybox-static). It is started here,
without a network, and stopped at the end. No image is pulled: a busybox root is imported.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiobotocore.session import AioSession

from asyncbatch import AsyncBatchClient, LogPolicy, PollPolicy
from tests import support

IMAGE = "asyncbatch-test:latest"
_COMMANDS = ("sh", "echo", "sleep", "true", "false", "seq")
_START_SECONDS = 60


def _missing() -> str | None:
    """Return why there can be no Docker Engine here; None if there can be one."""
    if os.geteuid() != 0:
        return "dockerd needs root"
    programs = [name for name in ("dockerd", "docker", "busybox") if shutil.which(name) is None]
    return f"not installed: {', '.join(programs)}" if programs else None


@pytest.fixture(scope="session")
def docker_host() -> Iterator[str]:
    """Start Docker Engine with one image and yield its address."""
    if reason := _missing():
        pytest.skip(f"no Docker Engine: {reason}")
    # A short path: the address of a Unix socket has at most 108 characters.
    with tempfile.TemporaryDirectory(prefix="docker-") as directory:
        place = Path(directory)
        host = f"unix://{place}/socket"
        log = place / "log"
        with log.open("wb") as output:
            engine = subprocess.Popen(
                [
                    *("dockerd", "--host", host, "--data-root", f"{place}/data"),
                    *("--exec-root", f"{place}/exec", "--pidfile", f"{place}/pid"),
                    *("--bridge", "none", "--iptables=false"),
                ],
                stdout=output,
                stderr=output,
            )
        try:
            if not _is_up(engine, host):
                last = log.read_text(errors="replace").splitlines()[-1:]
                pytest.skip(f"no Docker Engine: dockerd did not start: {last}")
            _import_image(place / "root", host)
            yield host
        finally:
            _remove_containers(host)
            engine.send_signal(signal.SIGTERM)
            engine.wait(_START_SECONDS)


def _docker(host: str, *arguments: str, input: bytes | None = None) -> bytes:  # noqa: A002
    command = ["docker", "--host", host, *arguments]
    return subprocess.run(command, input=input, capture_output=True, check=True).stdout


def _is_up(engine: "subprocess.Popen[bytes]", host: str) -> bool:
    """Wait until the engine answers; False if it does not."""
    give_up_at = time.monotonic() + _START_SECONDS
    while engine.poll() is None and time.monotonic() < give_up_at:
        command = ["docker", "--host", host, "info"]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            return True
        time.sleep(0.2)  # dockerd reports readiness in no other way
    return False


def _import_image(root: Path, host: str) -> None:
    programs = root / "bin"
    programs.mkdir(parents=True)
    shutil.copy(str(shutil.which("busybox")), programs / "busybox")
    for name in _COMMANDS:
        (programs / name).symlink_to("busybox")
    archive = subprocess.run(
        ["tar", "--create", "--directory", str(root), "."], capture_output=True, check=True
    )
    _docker(host, "import", "-", IMAGE, input=archive.stdout)


def _remove_containers(host: str) -> None:
    ids = subprocess.run(
        ["docker", "--host", host, "ps", "--all", "--quiet"],
        capture_output=True,
        check=False,
        text=True,
    ).stdout.split()
    if ids:
        command = ["docker", "--host", host, "rm", "--force", *ids]
        subprocess.run(command, capture_output=True, check=False)


@pytest.fixture
async def batch(
    docker_host: str, moto: str, monkeypatch: pytest.MonkeyPatch, aio_session: AioSession
) -> AsyncIterator[AsyncBatchClient]:
    """Yield a client of moto, whose jobs are containers."""
    monkeypatch.setenv("DOCKER_HOST", docker_host)
    support.run_moto_jobs_in_docker(moto)
    await support.set_up_batch(aio_session, moto)
    client = AsyncBatchClient(
        session=aio_session,
        endpoint_url=moto,
        poll=PollPolicy(min_interval=0.2, max_interval=0.5),
        logs=LogPolicy(interval=0.2, drain=1.0),
    )
    async with client as opened:
        await opened.register_job_definition(
            {
                "jobDefinitionName": "shell",
                "type": "container",
                "containerProperties": {
                    "image": IMAGE,
                    "vcpus": 1,
                    "memory": 128,
                    "command": ["sh", "-c", "true"],
                },
            }
        )
        yield opened
