"""A plan depends on its seed only, and few plans have all kinds of faults."""

import pytest

from tests.chaos.plan import ALL_KINDS, COVERED, Course, Ending, RefusedTags, draw


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


def test_every_third_seed_recovers_and_others_only_if_asked() -> None:
    plans = [draw(seed, jobs=4, most_kills=2) for seed in range(1, 7)]
    assert [each.recovery is not None for each in plans] == [False, False, True] * 2
    assert draw(1, jobs=4, most_kills=2, recovers=True).recovery is not None


def test_about_a_third_of_the_jobs_of_a_run_with_recovery_fail_in_covered_ways() -> None:
    works = [
        w for seed in range(20) for w in draw(seed, jobs=100, most_kills=0, recovers=True).work
    ]
    plain = [work.courses[0].endings() for work in works if work.array_size is None]
    covered = sum(endings[0] in COVERED for endings in plain)
    assert 0.27 < covered / len(plain) < 0.33
    found = {ending for endings in plain for ending in endings}
    assert found == set(Ending)


@pytest.mark.parametrize(
    ("course", "endings"),
    [
        (Course(), [Ending.SUCCEEDED]),
        (Course(exit_code=3), [Ending.EXIT_CODE]),
        (Course(is_terminated=True), [Ending.TERMINATED]),
        (Course(hosts_lost=3), [Ending.HOST_LOST] * 3),
        (Course(needs_mib=1024), [Ending.OUT_OF_MEMORY] * 3),
        (
            Course(hosts_lost=1, needs_mib=256),
            [Ending.HOST_LOST, Ending.OUT_OF_MEMORY, Ending.SUCCEEDED],
        ),
    ],
)
def test_a_course_has_as_many_endings_as_the_policy_allows(
    course: Course, endings: list[Ending]
) -> None:
    assert course.endings() == endings
