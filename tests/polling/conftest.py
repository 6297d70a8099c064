"""Fixtures for tests of polling."""

import pytest

from asyncbatch._polling import queues


@pytest.fixture
def half_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Halve the number of jobs from which a queue is listed, to keep tests short."""
    monkeypatch.setattr(queues, "_ENOUGH_JOBS", 100)
    monkeypatch.setattr(queues, "_TOO_FEW_JOBS", 60)
