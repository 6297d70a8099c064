"""Some rounds of the tally of mutated responses; `nox -s mutations` plays enough for 20,000."""

import pytest

from tests.mutations.rounds import play


@pytest.mark.parametrize("seed", range(2))
def test_mutated_responses_affect_only_what_they_are_about(seed: int) -> None:
    outcome = play(seed, seconds=60)
    assert outcome.problems == []
    assert outcome.mutated.total() > 100


def test_a_round_repeats_exactly() -> None:
    first, second = (play(3, seconds=5).mutated for _ in range(2))
    assert first == second
    assert first.total() > 20
