"""Compares the engine's ledger with the reports of the drivers. Pure.

Requests of equal content and name are interchangeable: n of them must have n jobs, and each of them
the result of another one of these jobs.

Uncertain submissions
---------------------
A client may raise `SubmitUncertain` only where a look-up could not have settled the submission. The
jobs that it may have made are those of the ledger with its unique name; or with its name and tag;
or, if it has no mark, with its name and the same content, that no driver has received before. A
look-up could have settled it, because every planned lag and every passing fault is shorter than the
four minutes that it may take, unless

refused
    AWS refused a ListJobs or DescribeJobs of this driver in the last five minutes, for another
    reason than its rate: expired credentials, for example.
no content
    It has no mark, it was raised by `resume`, which does not know the content of requests, and
    there is a job with its name that the journal does not have: a driver may have received it and
    died before it was written.
ambiguous
    It has no mark, and there are more such jobs than requests of that content.
other time
    It has no mark, and such a job was created more than two seconds before the submission began, or
    after the look-up ended, by the clock of the client.

That it has no job can be settled as well. Equal submissions are settled oldest first, so several
such jobs are decidable as long as they are not more than the requests. If the content of a request
is not known, as `run` does not say which one failed, each content of its name has to be decidable.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.chains import judge_chains
from tests.chaos.plan import Plan

Lines = Sequence[Mapping[str, Any]]

_REFUSED_WITHIN = 300.0  # seconds; a look-up takes at most 240
_SKEW = 2.0  # seconds between two clocks that are synchronised


@dataclass(slots=True, kw_only=True)
class Verdict:
    """The problems of a run; none if all lists are empty.

    Attributes:
        lost: Requests without a job, or whose end was not delivered to the last driver.
        doubled: Requests with more than one job, or ends that were delivered twice.
        undecided: Submissions that were uncertain although a look-up could have settled them.
        wrong: Any other violation.
    """

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    undecided: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    @property
    def has_problems(self) -> bool:
        """Whether there is any."""
        return bool(self.lost or self.doubled or self.undecided or self.wrong)


def judge(plan: Plan, ledger: Mapping[str, Any], reports: Sequence[Lines]) -> Verdict:
    """Return the problems of a run that was completed.

    Args:
        plan: The run.
        ledger: What the engine wrote at its end.
        reports: The report of each driver process, in order.
    """
    verdict = Verdict()
    requests = Counter(work.content for work in plan.work)
    jobs_of: dict[int, list[str]] = {content: [] for content in requests}
    for job in ledger["jobs"]:
        jobs_of[job["content"]].append(job["id"])
    if plan.recovery is None:
        for content, ids in jobs_of.items():
            _judge_jobs(content, requests[content], ids, verdict)
    else:
        for kind, problem in judge_chains(plan, ledger["submissions"], drivers=len(reports)):
            getattr(verdict, kind).append(problem)
        _judge_children(plan, reports[-1], verdict)
    for number, lines in enumerate(reports):
        ends = Counter(line["finished"] for line in lines if "finished" in line)
        twice = [job_id for job_id, count in ends.items() if count > 1]
        verdict.doubled += [f"driver {number} was notified twice that {one} ended" for one in twice]
    verdict.undecided += decidable(plan, ledger, reports)
    _judge_results(plan, jobs_of, reports[-1], verdict)
    return verdict


def _judge_jobs(content: int, requests: int, ids: Sequence[str], verdict: Verdict) -> None:
    """Check that there is one job for each of the requests of a content."""
    if requests == 1:
        if not ids:
            verdict.lost.append(f"request {content} has no job")
        if len(ids) > 1:
            verdict.doubled.append(f"request {content} has the jobs {', '.join(ids)}")
        return
    which = f"the {requests} requests equal to {content} have {len(ids)} jobs"
    if len(ids) < requests:
        verdict.lost.append(which)
    if len(ids) > requests:
        verdict.doubled.append(f"{which}: {', '.join(ids)}")


def _judge_results(
    plan: Plan, jobs_of: Mapping[int, Sequence[str]], last: Lines, verdict: Verdict
) -> None:
    """Check that the last driver received the result of each request, in order."""
    results = next((line["results"] for line in last if "results" in line), None)
    if results is None or len(results) != len(plan.work):
        count = "no" if results is None else len(results)
        verdict.lost.append(f"the last driver received {count} results")
        return
    received: set[str] = set()
    for work, result in zip(plan.work, results, strict=True):
        if result["id"] not in jobs_of[work.content]:
            verdict.wrong.append(f"request {work.number} received the result of {result['id']}")
        if result["id"] in received:
            verdict.wrong.append(f"request {work.number} received {result['id']} as another did")
        if result["succeeded"] != work.succeeds:
            verdict.wrong.append(f"request {work.number} was reported with another end")
        received.add(result["id"])


def _judge_children(plan: Plan, last: Lines, verdict: Verdict) -> None:
    """Check that the last driver received the end of each child of an array that it awaited."""
    works = {work.number: work for work in plan.work}
    for line in last:
        if "children" in line:
            wanted = [course.succeeds for course in works[line["request"]].courses]
            if line["children"] != wanted:
                verdict.wrong.append(f"request {line['request']}: other ends of its children")


# -- uncertain submissions -------------------------------------------------------------------------


def decidable(plan: Plan, ledger: Mapping[str, Any], reports: Sequence[Lines]) -> Iterable[str]:
    """Yield the submissions that a driver called uncertain, and that a look-up could have settled.

    The rule is at the top of this module.
    """
    received: set[str] = set()
    for number, lines in enumerate(reports):
        for line in lines:
            if "submitted" in line:
                received.add(line["submitted"])
            if "uncertain" in line and _is_decidable(plan, ledger, number, line, received):
                yield (
                    f"driver {number}: {line['name']} ({line['mark'] or 'no mark'}) was uncertain"
                    f" in {line['uncertain']}: {line['doubt']}"
                )


def _is_decidable(
    plan: Plan,
    ledger: Mapping[str, Any],
    driver: int,
    line: Mapping[str, Any],
    received: set[str],
) -> bool:
    """Return whether a look-up could have settled a submission.

    Args:
        plan: The run.
        ledger: What the engine wrote.
        driver: Number of the driver that called it uncertain.
        line: What it reported.
        received: Ids of the jobs that drivers had received before.
    """
    if any(
        by == driver and line["at"] - _REFUSED_WITHIN <= at <= line["at"]
        for by, at in ledger["refused_look_ups"]
    ):
        return False
    if line["mark"] is not None or plan.recovery is not None:
        # One job at most has a unique name or a tag of ours: it is there or not. Without a mark, a
        # further submission has a content that its request does not have, such as its memory.
        return line["mark"] is not None
    jobs = [
        job
        for job in ledger["jobs"]
        if job["name"] == line["name"] and job["tag"] is None and job["created_at"] <= line["at"]
    ]
    if line["uncertain"] == "resume":
        return all(job["id"] in line["known"] for job in jobs)
    jobs = [job for job in jobs if job["id"] not in received]
    works = [work.content for work in plan.work if work.name == line["name"]]
    contents = set(works) if line["content"] is None else {line["content"]}
    for content in contents:
        alike = [job for job in jobs if job["content"] == content]
        if len(alike) > works.count(content):
            return False
        window = (line["since"] - _SKEW, line["until"] + _SKEW)
        if any(not window[0] <= job["created_at"] <= window[1] for job in alike):
            return False
    return True
