"""The `answers` fixture."""

import pytest

from tests.logs.answers import Answers


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Answers:
    """Rewrite responses of CloudWatch Logs."""
    return Answers(monkeypatch)
