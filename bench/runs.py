"""Runs one contender with one workload and measures it."""

import contextlib
import dataclasses
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bench.endpoint import Account
from bench.environments import PEERS, python_of
from bench.measure import Known, Measurement, measurement
from bench.processes import Usage, observe, on_core
from bench.work import Work
from bench.workloads import Workload

ROOT = Path(__file__).parents[1]
_ENGINE_CORE = 1


@dataclass(frozen=True, slots=True)
class _Run:
    """A contender, its workload and its files."""

    workload: Workload
    contender: str
    folder: Path

    @property
    def setting(self) -> str:
        return json.dumps(dataclasses.asdict(self.workload.setting))

    @property
    def records(self) -> Path:
        return self.folder / "records"

    @property
    def output(self) -> Path:
        return self.folder / "output"

    def observe(self, command: list[str], environment: dict[str, str]) -> Usage:
        """Run the program of the contender and return its usage."""
        work = Work(
            jobs=self.workload.jobs,
            records=str(self.records),
            array=self.workload.array,
            submit_per_second=self.workload.submit_per_second,
            status_per_second=self.workload.status_per_second,
            hold=self.workload.hold,
            lines=self.workload.setting.lines,
            sleep=self.workload.sleep,
        )
        return observe(
            command,
            environment={**_plain_environment(), **environment, **work.to_environment()},
            output=self.output,
            timeout=self.workload.timeout,
        )


def run(workload: Workload, contender: str) -> Measurement:
    """Run a contender with a new engine, and measure it."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        order = _Run(workload, contender, Path(folder))
        order.records.touch()
        usage, account = (_in_virtual_time if workload.is_virtual else _on_loopback)(order)
        known = Known.parse(order.records.read_text(encoding="utf-8").splitlines())
        result = measurement(workload, contender, usage=usage, account=account, known=known)
        if result.error is not None:
            print(f"{contender}: {result.error}; end of its output:", file=sys.stderr)
            print(
                order.output.read_text(encoding="utf-8", errors="replace")[-2000:], file=sys.stderr
            )
        return result


def _on_loopback(order: _Run) -> tuple[Usage, Account]:
    python = python_of(order.contender)  # created before the measurement starts
    with _server(order) as server:
        environment = json.loads(server.stdout.readline() if server.stdout else "")
        usage = order.observe(
            [python, "-m", order.workload.module or PEERS[order.contender].module], environment
        )
        output, _ = server.communicate()
    return usage, Account(**json.loads(output))


def _in_virtual_time(order: _Run) -> tuple[Usage, Account]:
    command = [sys.executable, "-m", "bench.virtual", order.contender, order.setting]
    usage = order.observe(command, {})
    if usage.exit_code != 0:
        nothing = Account(calls={}, throttled=0, submissions=0, submit_seconds=0.0, ends={})
        return usage, nothing
    output = order.output.read_text(encoding="utf-8").splitlines()[-1]
    return usage, Account(**json.loads(output))


@contextlib.contextmanager
def _server(order: _Run) -> Iterator["subprocess.Popen[str]"]:
    """Serve a new engine on one core, which leaves the other cores to the contender.

    It ends when its standard input is closed, also if this process is killed.
    """
    with on_core(_ENGINE_CORE):
        server = subprocess.Popen(
            [sys.executable, "-m", "bench.endpoint", order.setting],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
    try:
        yield server
    finally:
        server.kill()
        server.wait()


def _plain_environment() -> dict[str, str]:
    """Return this environment without variables and files that select an AWS account."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
