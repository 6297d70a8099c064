"""The oracle of the chaos runs finds each kind of problem, and a plan depends on its seed only."""

from typing import Any

import pytest

from tests.chaos.oracle import Verdict, judge
from tests.chaos.plan import Plan, draw

PLAN: Plan = draw(7, jobs=4, most_kills=2)


def _ledger() -> dict[str, Any]:
    return {"jobs": [{"number": work.number, "id": f"j-{work.number}"} for work in PLAN.work]}


def _report() -> list[dict[str, Any]]:
    ends: list[dict[str, Any]] = [{"finished": f"j-{work.number}"} for work in PLAN.work]
    results = [{"id": f"j-{w.number}", "succeeded": w.exit_code == 0} for w in PLAN.work]
    return [*ends, {"results": results}]


def _problems(verdict: Verdict) -> str:
    return " ".join([*verdict.lost, *verdict.doubled, *verdict.wrong])


def test_judge_finds_nothing_in_a_correct_run() -> None:
    assert _problems(judge(PLAN, _ledger(), [[], _report()])) == ""


def test_judge_reports_a_request_without_a_job_as_lost() -> None:
    ledger = _ledger()
    del ledger["jobs"][2]
    assert judge(PLAN, ledger, [_report()]).lost == ["request 2 has no job"]


def test_judge_reports_a_request_with_two_jobs_as_doubled() -> None:
    ledger = _ledger()
    ledger["jobs"].append({"number": 1, "id": "again"})
    assert judge(PLAN, ledger, [_report()]).doubled == ["request 1 has the jobs j-1, again"]


def test_judge_reports_an_end_reported_twice_to_one_driver_as_doubled() -> None:
    verdict = judge(PLAN, _ledger(), [[{"finished": "j-1"}], _report()])
    assert verdict.doubled == []
    verdict = judge(PLAN, _ledger(), [[{"finished": "j-1"}, *_report()]])
    assert verdict.doubled == ["driver 0 was notified twice that j-1 ended"]


@pytest.mark.parametrize("kept", [0, 3])
def test_judge_reports_a_result_that_was_not_delivered_as_lost(kept: int) -> None:
    report = _report()
    del report[-1]["results"][kept:]
    assert judge(PLAN, _ledger(), [report]).lost == [f"the last driver received {kept} results"]
    del report[-1]
    assert judge(PLAN, _ledger(), [report]).lost == ["the last driver received no results"]


def test_judge_reports_a_result_of_another_job_or_end_as_wrong() -> None:
    report = _report()
    report[-1]["results"][0]["id"] = "j-3"
    report[-1]["results"][1]["succeeded"] ^= True
    assert judge(PLAN, _ledger(), [report]).wrong == [
        "request 0 received the result of j-3",
        "request 1 was reported with another end",
    ]


def test_draw_returns_the_same_plan_for_the_same_seed() -> None:
    assert draw(7, jobs=4, most_kills=2) == PLAN
    assert draw(8, jobs=4, most_kills=2) != PLAN


def test_draw_without_kills_plans_no_kills() -> None:
    assert draw(7, jobs=4, most_kills=0).kills == ()
