"""The fixture that calls commands in this process."""

import pytest

from tests.cli.harness import Terminal


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Return what calls commands against a bench."""
    return Terminal(monkeypatch)
