"""A plan depends on its seed only, and few plans have all kinds of faults."""

import pytest

from tests.chaos.plan import ALL_KINDS, RefusedTags, draw


def test_draw_returns_the_same_plan_for_the_same_seed() -> None:
    assert draw(7, jobs=4, most_kills=2) == draw(7, jobs=4, most_kills=2)
    assert draw(8, jobs=4, most_kills=2) != draw(7, jobs=4, most_kills=2)


@pytest.mark.parametrize("seed", range(1, 15))
def test_draw_without_kills_plans_no_kills(seed: int) -> None:
    assert draw(seed, jobs=4, most_kills=0).kills == ()


@pytest.mark.parametrize("first", range(1, 15))
def test_six_seeds_in_a_row_have_all_kinds_of_faults(first: int) -> None:
    plans = [draw(seed, jobs=30, most_kills=3) for seed in range(first, first + 6)]
    labels = {fault.label for each in plans for fault in each.faults}
    assert len(labels) == len(ALL_KINDS) - 3
    assert any(each.refused_tags for each in plans)
    assert any(each.full_disks for each in plans)
    assert any(kill.at_journal_step for each in plans for kill in each.kills)


def test_the_requests_have_own_names_shared_names_and_equal_contents() -> None:
    works = draw(1, jobs=100, most_kills=0).work
    contents = {work.content for work in works}
    names = {work.name for work in works if work.content == work.number}
    assert len(contents) < len(works)
    assert None in names
    assert {name.partition("-")[0] for name in names if name} == {"own", "shared"}
    assert all(
        (work.name, work.exit_code) == (works[work.content].name, works[work.content].exit_code)
        for work in works
    )


def test_refused_tags_affect_requests_of_their_time() -> None:
    for_a_while = RefusedTags(begins=3, lasts=2)
    assert [for_a_while.affects(n) for n in range(1, 7)] == [0, 0, 1, 1, 0, 0]
    to_the_end = RefusedTags(begins=3, lasts=None)
    assert [to_the_end.affects(n) for n in range(1, 7)] == [0, 0, 1, 1, 1, 1]
