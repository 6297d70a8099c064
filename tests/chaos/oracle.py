"""Compares what the engine's ledger says with what the drivers were told. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.plan import Plan

Lines = Sequence[Mapping[str, Any]]


@dataclass(slots=True, kw_only=True)
class Verdict:
    """What went wrong in a run; nothing, if all is empty.

    Attributes:
        lost: Requests without a job, or whose end was not delivered to the last driver.
        doubled: Requests with more than one job, or ends that were delivered twice.
        wrong: Anything else that is not as it should be.
    """

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def judge(plan: Plan, ledger: Mapping[str, Any], lives: Sequence[Lines]) -> Verdict:
    """Return what is wrong about a run that was driven to its end.

    Args:
        plan: The run.
        ledger: What the engine wrote at its end.
        lives: What each life of the driver told, in order.
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
    for life, lines in enumerate(lives):
        ends = Counter(line["finished"] for line in lines if "finished" in line)
        twice = [job_id for job_id, count in ends.items() if count > 1]
        verdict.doubled += [f"life {life} heard twice that {one} ended" for one in twice]
    _judge_results(plan, jobs_of, lives[-1], verdict)
    return verdict


def _judge_results(
    plan: Plan, jobs_of: Mapping[int, Sequence[str]], last: Lines, verdict: Verdict
) -> None:
    """Look whether the last life was given the result of each request, in order."""
    results = next((line["results"] for line in last if "results" in line), None)
    if results is None or len(results) != len(plan.work):
        count = "no" if results is None else len(results)
        verdict.lost.append(f"the last driver was given {count} results")
        return
    for work, result in zip(plan.work, results, strict=True):
        if result["id"] not in jobs_of[work.number]:
            verdict.wrong.append(f"request {work.number} was given the result of {result['id']}")
        if result["succeeded"] != (work.exit_code == 0):
            verdict.wrong.append(f"request {work.number} ended otherwise than was told")
