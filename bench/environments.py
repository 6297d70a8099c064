"""Virtual environments of the peers, created by uv from PyPI when they are needed.

Versions are pinned here. The report lists the versions that were installed.
"""

import functools
import importlib.metadata
import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.workloads import JOURNALLED, LUIGI, LUIGI_FLOOR, LUIGI_OURS, OURS

_HOME = Path(sys.prefix, "bench-peers")
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
_REPORTED = ("asyncbatch", "aio-aws", "luigi", "aiobotocore", "aiohttp", "boto3", "botocore")
_REPORTED_OF_OURS = ("asyncbatch", "luigi", "aiobotocore", "aiohttp", "botocore")


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Requirements of a contender.

    Attributes:
        module: The program.
        requires: Packages to install; empty if it runs in the environment of the benchmark.
        overrides: Versions that replace those that its packages require.
    """

    module: str
    requires: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()


PEERS = {
    OURS: Peer(module="bench.contenders.ours"),
    JOURNALLED: Peer(module="bench.contenders.journalled"),
    "floor": Peer(module="bench.contenders.floor"),
    "gather": Peer(module="bench.contenders.gather"),
    LUIGI_OURS: Peer(module="bench.contenders.luigi_ours"),
    LUIGI_FLOOR: Peer(module="bench.contenders.luigi_floor"),
    LUIGI: Peer(module="bench.contenders.luigi_batch", requires=("luigi==3.8.1", "boto3==1.44.5")),
    "aio-aws": Peer(
        module="bench.contenders.aio_aws",
        requires=("aio-aws==0.22.1", "aiobotocore==2.26.0"),
        # It requires a version of PyYAML that can no longer be built.
        overrides=("pyyaml==6.0.3",),
    ),
}


@functools.cache
def python_of(contender: str) -> str:
    """Return the interpreter of a contender, after creating its environment if necessary."""
    peer = PEERS[contender]
    if not peer.requires:
        return sys.executable
    return environment_of(contender, peer.requires, peer.overrides)


def environment_of(name: str, requires: Sequence[str], overrides: Sequence[str] = ()) -> str:
    """Return the interpreter of an environment with packages, after creating it if necessary.

    Args:
        name: Name of its directory.
        requires: Packages to install.
        overrides: Versions that replace those that the packages require.
    """
    home = _HOME / name
    python = home / "bin" / "python"
    marker = home / "requirements.txt"
    requirements = "\n".join([*requires, *overrides])
    if not marker.exists() or marker.read_text(encoding="utf-8") != requirements:
        _make(home, python, requires, overrides)
        marker.write_text(requirements, encoding="utf-8")
    return str(python)


def compile_environment() -> None:
    """Compile the packages of this environment, as uv compiles those of the peers.

    Contenders write no bytecode. Compiling all modules anew would take a second of each run.
    """
    names = ("asyncbatch", "asyncbatch_luigi", "bench")
    files = [spec.origin for spec in map(importlib.util.find_spec, names) if spec]
    folders = [sysconfig.get_path("purelib"), *(str(Path(file).parent) for file in files if file)]
    # Some packages contain files that do not compile: templates, and tests of syntax errors.
    subprocess.run([sys.executable, "-m", "compileall", "-qq", *folders], check=False)


@functools.cache
def versions_of(contender: str) -> dict[str, str]:
    """Return the versions of the relevant packages in the environment of a contender."""
    if not PEERS[contender].requires:
        return {name: importlib.metadata.version(name) for name in _REPORTED_OF_OURS}
    listing = subprocess.run(
        [_uv(), "pip", "freeze", "--python", python_of(contender)],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    pairs = dict(line.split("==") for line in listing if "==" in line)
    return {name: pairs[name] for name in _REPORTED if name in pairs}


def _make(home: Path, python: Path, requires: Sequence[str], overrides: Sequence[str]) -> None:
    tool = _uv()
    subprocess.run([tool, "venv", "--quiet", "--clear", "--python", _PYTHON, home], check=True)
    replaced = home / "overrides.txt"
    replaced.write_text("\n".join(overrides), encoding="utf-8")
    install = [tool, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python)]
    subprocess.run([*install, "--overrides", str(replaced), *requires], check=True)


def _uv() -> str:
    """Return the path of uv: beside the running interpreter, or on PATH."""
    beside = Path(sys.executable).parent
    found = shutil.which("uv", path=f"{beside}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        raise FileNotFoundError(
            "uv not found: it creates the environments of the peers. Install it, or use nox"
        )
    return found
