"""Fixtures of the tests of telemetry."""

import pytest

from tests.telemetry.recorded import Recorded


@pytest.fixture
def recorded() -> Recorded:
    return Recorded()
