"""The notebooks of the documentation: `python -m tools.notebooks` runs them, and keeps outputs.

A local AWS Batch outside the kernel is the account of the notebooks, so its jobs survive a kernel.
All notebooks share one kernel, as a kernel takes seconds to start. At a cell with the tag
`kernel-dies` the kernel is killed, and the following cells run in a new one.
"""

import importlib
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anyio.from_thread import start_blocking_portal

from asyncbatch import AsyncBatchClient
from asyncbatch.local import LocalBatch

# Imported as Any, so that type checkers work without these packages.
nbclient: Any = importlib.import_module("nbclient")
nbformat: Any = importlib.import_module("nbformat")
Notebook = Any
Cell = Any

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"
NAMES = ("first-steps", "fan-out", "resume")

_DIES = "kernel-dies"
_RESET = "%reset -f"
_ETL: dict[str, Any] = {
    "jobDefinitionName": "etl",
    "type": "container",
    "containerProperties": {
        "image": "busybox",
        "command": ["echo", "hello"],
        "resourceRequirements": [
            {"type": "VCPU", "value": "1"},
            {"type": "MEMORY", "value": "128"},
        ],
    },
}


def read(name: str) -> Notebook:
    """Return a notebook of the documentation."""
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def execute(notebooks: Sequence[Notebook], folder: Path) -> None:
    """Run notebooks one after the other; their cells get the outputs.

    Args:
        notebooks: The notebooks.
        folder: Working directory of the kernel.
    """
    with _account():
        for cells in _until_kernel_dies(notebooks):
            part = nbformat.v4.new_notebook(cells=list(cells))
            resources = {"metadata": {"path": str(folder)}}
            client = nbclient.NotebookClient(part, resources=resources)
            with client.setup_kernel():
                for number, cell in enumerate(part.cells):
                    if _DIES not in cell.metadata.get("tags", ()):
                        client.execute_cell(cell, number)


def outputs(notebook: Notebook) -> list[str]:
    """Return what each cell shows, without what differs in each run: ids, times, numbers."""
    return [_constant_part(cell) for cell in notebook.cells if cell.cell_type == "code"]


@contextmanager
def _account() -> Iterator[None]:
    """Provide an account with the job definition `etl` to kernels that start in the block."""
    before = dict(os.environ)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(LocalBatch(vcpus=8)) as local,
        portal.wrap_async_context_manager(local.serve()) as door,
    ):
        portal.call(_register, local)
        os.environ.update(door.environment)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


async def _register(local: LocalBatch) -> None:
    async with AsyncBatchClient(session=local.session) as batch:
        await batch.register_job_definition(_ETL)


def _until_kernel_dies(notebooks: Sequence[Notebook]) -> Iterator[list[Cell]]:
    """Yield the cells that run in one kernel: of several notebooks, up to one that kills it."""
    cells: list[Cell] = []
    for notebook in notebooks:
        cells.append(nbformat.v4.new_code_cell(_RESET, id=f"reset-{len(cells)}"))
        for cell in notebook.cells:
            cell.id = f"cell-{len(cells)}"  # unique among the cells of a kernel
            cells.append(cell)
            if _DIES in cell.metadata.get("tags", ()):
                yield cells
                cells = []
    yield cells


def _constant_part(cell: Cell) -> str:
    shown = []
    for output in cell.outputs:
        data = output.get("data", {})
        text = output.get("text") or data.get("text/html") or data.get("text/plain") or ""
        text = re.sub(r"<[^>]*>", " ", text)
        text = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\b[0-9a-f]{12}\b", "ID", text)
        shown.append(re.sub(r"[\d.,\s]+", " ", text).strip())
    return " ".join(shown)


def _tidy(notebook: Notebook) -> None:
    """Remove what differs in each run, and count cells as in a kernel of the notebook's own."""
    count = 0
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        count = 0 if _DIES in cell.metadata.get("tags", ()) else count + 1
        cell.execution_count = count or None
        cell.outputs = _with_whole_streams(cell.outputs)
        for output in cell.outputs:
            if "execution_count" in output:
                output.execution_count = count


def _with_whole_streams(parts: Sequence[Any]) -> list[Any]:
    """Join what a cell has printed: a kernel sends it in parts of any length."""
    whole: list[Any] = []
    for part in parts:
        if whole and "name" in part and part.name == whole[-1].get("name"):
            whole[-1].text += part.text
        else:
            whole.append(part)
    return whole


def main() -> None:
    """Run all notebooks and write them with their outputs."""
    notebooks = {name: read(name) for name in NAMES}
    with tempfile.TemporaryDirectory() as folder:
        execute(list(notebooks.values()), Path(folder))
    for name, notebook in notebooks.items():
        _tidy(notebook)
        nbformat.write(notebook, FOLDER / f"{name}.ipynb")


if __name__ == "__main__":
    main()
