"""The oracle of the chaos runs finds each kind of problem."""

from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.oracle import Verdict, judge
from tests.chaos.plan import Plan, Work, draw

_WORK = Work(number=0, content=0, name=None, seconds=1, exit_code=0, array_size=None)
# Requests 2 and 3 are equal; 4 has their name and another content.
PLAN: Plan = replace(
    draw(7, jobs=1, most_kills=2),
    work=(
        _WORK,
        replace(_WORK, number=1, content=1, name="own", exit_code=3),
        replace(_WORK, number=2, content=2, name="shared"),
        replace(_WORK, number=3, content=2, name="shared"),
        replace(_WORK, number=4, content=4, name="shared"),
    ),
)


def _ledger() -> dict[str, Any]:
    jobs = [
        {
            "content": work.content,
            "id": f"j-{work.number}",
            "name": work.name or "chaos-1a2b3c4d5e6f",
            "tag": None,
            "created_at": 1000.0,
        }
        for work in PLAN.work
    ]
    return {"jobs": jobs, "refused_look_ups": []}


def _report() -> list[dict[str, Any]]:
    ends: list[dict[str, Any]] = [{"finished": f"j-{work.number}"} for work in PLAN.work]
    results = [{"id": f"j-{w.number}", "succeeded": w.exit_code == 0} for w in PLAN.work]
    return [*ends, {"results": results}]


def _problems(verdict: Verdict) -> str:
    return " ".join([*verdict.lost, *verdict.doubled, *verdict.undecided, *verdict.wrong])


def test_judge_finds_nothing_in_a_correct_run() -> None:
    verdict = judge(PLAN, _ledger(), [[], _report()])
    assert _problems(verdict) == ""
    assert not verdict.has_problems


def test_judge_accepts_equal_requests_with_each_others_jobs() -> None:
    report = _report()
    results = report[-1]["results"]
    results[2], results[3] = results[3], results[2]
    assert _problems(judge(PLAN, _ledger(), [report])) == ""


@pytest.mark.parametrize(
    ("missing", "problem"),
    [(1, "request 1 has no job"), (2, "the 2 requests equal to 2 have 1 jobs")],
)
def test_judge_reports_a_request_without_a_job_as_lost(missing: int, problem: str) -> None:
    ledger = _ledger()
    del ledger["jobs"][missing]
    verdict = judge(PLAN, ledger, [_report()])
    assert verdict.lost == [problem]
    assert verdict.has_problems


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (1, "request 1 has the jobs j-1, again"),
        (2, "the 2 requests equal to 2 have 3 jobs: j-2, j-3, again"),
    ],
)
def test_judge_reports_a_request_with_two_jobs_as_doubled(content: int, problem: str) -> None:
    ledger = _ledger()
    ledger["jobs"].append({"content": content, "id": "again"})
    verdict = judge(PLAN, ledger, [_report()])
    assert verdict.doubled == [problem]
    assert verdict.has_problems


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
    report[-1]["results"][0]["id"] = "j-4"
    report[-1]["results"][1]["succeeded"] ^= True
    report[-1]["results"][3]["id"] = "j-2"
    verdict = judge(PLAN, _ledger(), [report])
    assert verdict.wrong == [
        "request 0 received the result of j-4",
        "request 1 was reported with another end",
        "request 3 received j-2 as another did",
        "request 4 received j-4 as another did",
    ]
    assert verdict.has_problems


# -- uncertain submissions -------------------------------------------------------------------------


def _uncertain(**changes: object) -> dict[str, Any]:
    """Return the report of a submission of content 2, whose job was created at 1000.0."""
    return {
        "uncertain": "submit",
        "content": 2,
        "name": "shared",
        "mark": None,
        "since": 999.0,
        "until": 1100.0,
        "at": 1100.0,
        "known": [],
        "doubt": "AWS said so",
        **changes,
    }


def _undecided(
    *lines: dict[str, Any], extra_jobs: tuple[dict[str, Any], ...] = (), **ledger: object
) -> list[str]:
    facts = {**_ledger(), **ledger}
    facts["jobs"] = [*facts["jobs"], *extra_jobs]
    return judge(PLAN, facts, [[], list(lines), _report()]).undecided


@pytest.mark.parametrize(
    "line",
    [
        _uncertain(),  # two equal submissions have two jobs: oldest first
        _uncertain(at=999.5),  # it has no job yet
        _uncertain(name="own", content=1),
        _uncertain(uncertain="run", content=None),
        _uncertain(mark="chaos-1a2b3c4d5e6f", name="chaos-1a2b3c4d5e6f", content=0),
        _uncertain(mark="chaos-000000000000", name="chaos-000000000000", content=0),
        _uncertain(mark="asyncbatch-submission=1a2b", since=1050.0),
        _uncertain(uncertain="resume", content=None, at=999.5),
        _uncertain(uncertain="resume", content=None, known=["j-2", "j-3", "j-4"]),
        _uncertain(uncertain="resume", mark="asyncbatch-submission=1a2b", content=None),
    ],
)
def test_judge_reports_an_uncertain_submission_that_a_look_up_could_have_settled(
    line: dict[str, Any],
) -> None:
    [problem] = _undecided(line)
    assert problem == (
        f"driver 1: {line['name']} ({line['mark'] or 'no mark'}) was uncertain in"
        f" {line['uncertain']}: AWS said so"
    )


def test_judge_reports_each_uncertain_submission_as_a_problem() -> None:
    verdict = judge(PLAN, _ledger(), [[_uncertain(), _uncertain()], _report()])
    assert len(verdict.undecided) == 2
    assert verdict.has_problems


@pytest.mark.parametrize("during", ["submit", "run", "resume"])
@pytest.mark.parametrize("mark", [None, "asyncbatch-submission=1a2b"])
def test_judge_accepts_an_uncertain_submission_if_aws_refused_to_list_or_describe(
    during: str, mark: str | None
) -> None:
    line = _uncertain(uncertain=during, mark=mark)
    assert _undecided(line, refused_look_ups=[(1, 1060.0)]) == []


@pytest.mark.parametrize("refused", [(0, 1060.0), (1, 700.0), (1, 1101.0)])
def test_judge_reports_it_if_aws_refused_another_driver_or_at_another_time(
    refused: tuple[int, float],
) -> None:
    assert len(_undecided(_uncertain(at=1100.0), refused_look_ups=[refused])) == 1


def test_judge_accepts_a_submission_without_a_mark_that_resume_cannot_compare() -> None:
    line = _uncertain(uncertain="resume", content=None, known=["j-2", "j-3"])
    assert _undecided(line) == []
    # A driver received it, but the journal has not got it.
    assert _undecided({"submitted": "j-4"}, line) == []


def test_judge_accepts_a_submission_with_more_equal_jobs_than_requests() -> None:
    strangers = {**_ledger()["jobs"][2], "id": "j-stranger"}
    assert _undecided(_uncertain(), extra_jobs=(strangers,)) == []
    # That one belongs to another submission.
    assert len(_undecided({"submitted": "j-2"}, _uncertain(), extra_jobs=(strangers,))) == 1


@pytest.mark.parametrize(("since", "until"), [(1002.1, 1100.0), (900.0, 997.9)])
def test_judge_accepts_a_submission_whose_job_was_created_at_another_time(
    since: float, until: float
) -> None:
    assert _undecided(_uncertain(since=since, until=until)) == []
    known = [{"submitted": "j-2"}, {"submitted": "j-3"}]
    assert len(_undecided(*known, _uncertain(since=since, until=until))) == 1


def test_judge_accepts_an_unknown_request_of_a_name_with_an_ambiguous_content() -> None:
    strangers = {**_ledger()["jobs"][4], "id": "j-stranger"}
    line = _uncertain(uncertain="run", content=None)
    assert _undecided(line, extra_jobs=(strangers,)) == []
    assert len(_undecided(_uncertain(), extra_jobs=(strangers,))) == 1
