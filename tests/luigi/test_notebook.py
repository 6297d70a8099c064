"""Luigi tasks in a notebook with a real kernel, whose event loop is running."""

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import pytest

from asyncbatch.local import Script
from tests.luigi.support import SCRIPTS, Aws, register_definition

# Imported as Any, so that type checkers work without these packages.
nbformat: Any = importlib.import_module("nbformat")
nbclient: Any = importlib.import_module("nbclient")
jupyter_client: Any = importlib.import_module("jupyter_client")
Manager = Any
Client = Any

ROOT = Path(__file__).parents[2]
NOTEBOOK = ROOT / "docs" / "_static" / "luigi.ipynb"

# A kernel takes seconds to start, and its channels run on a loop that nbclient blocks on.
pytestmark = [pytest.mark.timeout(90), pytest.mark.may_block]

ENDLESS = """
import asyncbatch_luigi
import luigi
from tests.luigi.tasks import Quick
{build}([Quick(job_definition="endless")], local_scheduler=True)
"""


@pytest.fixture(autouse=True)
def jupyter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep Jupyter's files out of the home directory, and let kernels import the tests."""
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")


def test_notebook_of_the_documentation_runs(
    aws: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SCRIPTS, "etl", Script(startup=0, duration=0))
    register_definition(aws, "etl")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [
        output.get("text") or output["data"]["text/plain"]
        for cell in notebook.cells
        for output in cell.get("outputs", ())
        if output.get("name") != "stderr"
    ]
    assert outputs == ["True", "True", "True", "8 jobs {'SUCCEEDED'}\n"]
    assert len(aws.started) == 8


class Kernel:
    """A kernel that runs a cell until its job is RUNNING."""

    def __init__(self, manager: Manager, client: Client) -> None:
        self.manager = manager
        self.client = client
        self.output = ""

    def run_until(self, text: str, cell: str) -> None:
        self.client.execute(cell)
        while text not in self.output:
            self.output += self._message()

    def end(self) -> str:
        """Read until the cell has ended; return the name of its error, or empty text."""
        reply = self.client.get_shell_msg(timeout=60)
        while reply["msg_type"] != "execute_reply":
            reply = self.client.get_shell_msg(timeout=60)
        while True:
            try:
                self.output += self._message(timeout=0.5)
            except Empty:
                return str(reply["content"].get("ename", ""))

    def _message(self, timeout: float = 60) -> str:
        message = self.client.get_iopub_msg(timeout=timeout)
        return str(message["content"].get("text", "")) if message["msg_type"] == "stream" else ""


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    manager = jupyter_client.KernelManager()
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


@pytest.mark.parametrize("build", ["luigi.build", "asyncbatch_luigi.build"])
def test_kernel_interrupt_ends_the_run_and_leaves_the_job(
    aws: Aws, kernel: Kernel, build: str
) -> None:
    kernel.run_until("is RUNNING", ENDLESS.format(build=build))
    kernel.manager.interrupt_kernel()
    assert kernel.end() == "KeyboardInterrupt"
    [job] = aws.started
    assert f"Interrupted: AWS Batch job {job.id}" in kernel.output
    assert aws.statuses() == ["RUNNING"]


def test_notebook_is_stored_without_outputs() -> None:
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert all(not cell.get("outputs") for cell in cells)
