"""The oracle of runs with recovery finds each kind of problem."""

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.chains import judge_chains
from tests.chaos.oracle import judge
from tests.chaos.plan import (
    Course,
    Ending,
    Plan,
    PlannedRecovery,
    PolicyPlace,
    Work,
    draw,
)

_WORK = Work(
    number=0,
    content=0,
    name=None,
    seconds=1,
    exit_code=0,
    array_size=None,
    courses=(Course(hosts_lost=1),),
)
LOST_TWICE = Course(hosts_lost=3)
# Requests 1 and 2 are equal; 3 is an array whose second child needs more memory.
PLAN: Plan = replace(
    draw(7, jobs=1, most_kills=2),
    work=(
        _WORK,
        replace(_WORK, number=1, content=1, courses=(Course(needs_mib=256),)),
        replace(_WORK, number=2, content=1, courses=(Course(needs_mib=256),)),
        replace(
            _WORK, number=3, content=3, array_size=2, courses=(Course(), Course(needs_mib=256))
        ),
        replace(_WORK, number=4, content=4, courses=(Course(exit_code=3),)),
        replace(_WORK, number=5, content=5, courses=(LOST_TWICE,)),
    ),
    recovery=PlannedRecovery(place=PolicyPlace.CLIENT, delay=1, reruns_failed=False),
)
RERUNS = replace(PLAN, recovery=replace(PLAN.recovery, reruns_failed=True))  # type: ignore[type-var]


def _submission(
    content: int, at: int, ending: Ending | None, memory: int = 128, **changes: Any
) -> dict[str, Any]:
    """Return a submission that is created at a time and ends five later."""
    return {
        "id": f"{content}-{at}",
        "content": content,
        "index": None,
        "is_whole": True,
        "memory": memory,
        "ending": ending,
        "status": "SUCCEEDED" if ending is Ending.SUCCEEDED else "FAILED",
        "created_at": at,
        "stopped_at": at + 5,
        **changes,
    }


LOST, OOM, GOOD, BAD = (
    Ending.HOST_LOST,
    Ending.OUT_OF_MEMORY,
    Ending.SUCCEEDED,
    Ending.EXIT_CODE,
)


def _submissions() -> list[dict[str, Any]]:
    return [
        _submission(0, 0, LOST),
        _submission(0, 10, GOOD),
        _submission(1, 0, OOM),
        _submission(1, 1, OOM),
        _submission(1, 10, GOOD, 256),
        _submission(1, 11, GOOD, 256),
        _submission(3, 0, GOOD, index=0),
        _submission(3, 0, OOM, index=1),
        _submission(3, 10, GOOD, 256, index=1, is_whole=False),
        _submission(4, 0, BAD),
        *(_submission(5, at, LOST) for at in (0, 10, 20)),
    ]


def _problems(*more: dict[str, Any], plan: Plan = PLAN, drivers: int = 2) -> list[tuple[str, str]]:
    return list(judge_chains(plan, [*_submissions(), *more], drivers=drivers))


def test_judge_chains_finds_nothing_in_a_correct_run() -> None:
    assert _problems() == []


@pytest.mark.parametrize(
    ("more", "kind", "text"),
    [
        (_submission(0, 20, GOOD), "doubled", "although it had succeeded"),
        (_submission(0, 12, LOST), "doubled", "before an earlier submission ended"),
        (_submission(5, 30, LOST), "doubled", "more often than the policy allows"),
        (_submission(4, 10, BAD), "wrong", "although no rule covers exit code"),
        (_submission(1, 20, OOM), "doubled", "although it had succeeded"),
        (_submission(3, 20, GOOD, index=0), "doubled", "although it had succeeded"),
        (_submission(9, 0, GOOD), "wrong", "unexpected submissions"),
    ],
)
def test_judge_chains_reports_a_submission_too_many(
    more: dict[str, Any], kind: str, text: str
) -> None:
    [(found, problem)] = _problems(more)
    assert found == kind
    assert text in problem


@pytest.mark.parametrize(
    ("missing", "text"),
    [
        (1, "request 0 ended FAILED after host lost instead of host lost, succeeded: 0-0"),
        (9, "request 4 has no job for 1 of 1"),
        (12, "request 5 ended FAILED after host lost, host lost instead of"),
        (8, "request 3[1] ended FAILED after out of memory instead of out of memory, succeeded"),
    ],
)
def test_judge_chains_reports_a_job_without_its_scripted_end_as_lost(
    missing: int, text: str
) -> None:
    submissions = _submissions()
    del submissions[missing]
    [(kind, problem)] = judge_chains(PLAN, submissions, drivers=2)
    assert kind == "lost"
    assert text in problem


def test_judge_chains_reports_a_job_that_has_not_ended_as_lost() -> None:
    submissions = _submissions()
    submissions[1] |= {"status": "RUNNING", "stopped_at": None}
    [(kind, problem)] = judge_chains(PLAN, submissions, drivers=2)
    assert kind == "lost"
    assert "request 0 ended RUNNING" in problem


def test_judge_chains_reports_a_submission_without_the_memory_of_the_policy() -> None:
    submissions = _submissions()
    submissions[8]["memory"] = 512
    found = list(judge_chains(PLAN, submissions, drivers=2))
    assert [kind for kind, _ in found] == ["wrong", "lost"]
    assert "with 512 MiB" in found[0][1]


def test_judge_chains_accepts_a_failed_job_that_a_rerun_starts_over() -> None:
    again = [_submission(5, at, LOST) for at in (30, 40, 50)]
    assert _problems(*again, _submission(4, 10, BAD), plan=RERUNS) == []
    # One driver starts it over once, and only after it FAILED.
    assert len(_problems(_submission(4, 10, BAD), _submission(4, 20, BAD), plan=RERUNS)) == 1
    assert len(_problems(_submission(4, 10, BAD), plan=RERUNS, drivers=1)) == 1
    assert len(_problems(_submission(4, 2, BAD), plan=RERUNS)) == 1
    assert len(_problems(_submission(0, 20, GOOD), plan=RERUNS)) == 1
    assert len(_problems(*again[:2], plan=RERUNS)) == 1


def test_judge_reports_other_ends_of_children_and_jobs() -> None:
    jobs = [{"id": f"{content}-0", "content": content, "tag": None} for content in (0, 3, 4, 5)]
    jobs += [{"id": f"1-{at}", "content": 1, "tag": None} for at in (0, 1)]
    ids = ["0-0", "1-0", "1-1", "3-0", "4-0", "5-0"]
    ledger = {"jobs": jobs, "submissions": _submissions(), "refused_look_ups": []}
    report: list[dict[str, Any]] = [
        {"children": [True, True], "request": 3},
        {"results": [{"id": each, "succeeded": each[0] not in "45"} for each in ids]},
    ]
    assert not judge(PLAN, ledger, [report]).has_problems
    report[0]["children"][1] = False
    report[1]["results"][5]["succeeded"] = True
    assert judge(PLAN, ledger, [report]).wrong == [
        "request 3: other ends of its children",
        "request 5 was reported with another end",
    ]
