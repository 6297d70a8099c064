"""Compares the engine's ledger with the reports of the drivers. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.plan import Plan

Lines = Sequence[Mapping[str, Any]]


@dataclass(slots=True, kw_only=True)
class Verdict:
    """The problems of a run; none if all lists are empty.

    Attributes:
        lost: Requests without a job, or whose end was not delivered to the last driver.
        doubled: Requests with more than one job, or ends that were delivered twice.
        wrong: Any other violation.
    """

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def judge(plan: Plan, ledger: Mapping[str, Any], reports: Sequence[Lines]) -> Verdict:
    """Return the problems of a run that was completed.

    Args:
        plan: The run.
        ledger: What the engine wrote at its end.
        reports: The report of each driver process, in order.
    """
    verdict = Verdict()
    jobs_of: dict[int, list[str]] = {work.number: [] for work in plan.work}
    for job in ledger["jobs"]:
        jobs_of[job["number"]].append(job["id"])
    for number, ids in jobs_of.items():
        if not ids:
            verdict.lost.append(f"request {number} has no job")
        if len(ids) > 1:
            verdict.doubled.append(f"request {number} has the jobs {', '.join(ids)}")
    for number, lines in enumerate(reports):
        ends = Counter(line["finished"] for line in lines if "finished" in line)
        twice = [job_id for job_id, count in ends.items() if count > 1]
        verdict.doubled += [f"driver {number} was notified twice that {one} ended" for one in twice]
    _judge_results(plan, jobs_of, reports[-1], verdict)
    return verdict


def _judge_results(
    plan: Plan, jobs_of: Mapping[int, Sequence[str]], last: Lines, verdict: Verdict
) -> None:
    """Check that the last driver received the result of each request, in order."""
    results = next((line["results"] for line in last if "results" in line), None)
    if results is None or len(results) != len(plan.work):
        count = "no" if results is None else len(results)
        verdict.lost.append(f"the last driver received {count} results")
        return
    for work, result in zip(plan.work, results, strict=True):
        if result["id"] not in jobs_of[work.number]:
            verdict.wrong.append(f"request {work.number} received the result of {result['id']}")
        if result["succeeded"] != (work.exit_code == 0):
            verdict.wrong.append(f"request {work.number} was reported with another end")
