"""The notebooks of the documentation run, and show what is kept in them."""

from pathlib import Path

import pytest

from tools import notebooks

# Kernels take seconds to start, and their channels run on a loop that nbclient blocks on.
pytestmark = [pytest.mark.timeout(180), pytest.mark.may_block]


def test_notebooks_show_the_outputs_that_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Keep Jupyter's files out of the home directory.
    for name in ("JUPYTER_RUNTIME_DIR", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    monkeypatch.setenv("PYTHONWARNINGS", "ignore")
    kept = [notebooks.outputs(notebooks.read(name)) for name in notebooks.NAMES]
    executed = [notebooks.read(name) for name in notebooks.NAMES]
    notebooks.execute(executed, tmp_path)
    assert [notebooks.outputs(each) for each in executed] == kept, "run `python -m tools.notebooks`"
