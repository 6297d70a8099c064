"""Judges the submissions of logical jobs in runs with a recovery policy. Pure.

The submissions of a logical job are a *chain*. They are found by the content of its request, and of
an array by the original index of a child: each child is a logical job of its own. A submission
continues a chain if the last one of the chain

* ended FAILED before this one was created,
* in a way that the policy covers,
* and the chain is shorter than the policy allows,
* and this one has the memory that the policy gives it.

Otherwise it has to begin a chain: there is one for each request, and in a program that submits
failed jobs again, one more for each further driver, if the chain before ended FAILED. Of arrays,
only whole ones can begin a chain, not parts: these have a line of sh before the command. An array
whose children all failed runs again as a whole.

Any other submission is a problem: `doubled` where an earlier one may still run or has succeeded or
was the last one that the policy allows, `wrong` where no rule covers the failure. At the end, each
chain must have ended as its script says.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.chaos.plan import BASE_MEMORY_MIB, COVERED, MAX_SUBMISSIONS, Course, Ending, Plan

Submission = Mapping[str, Any]


def judge_chains(
    plan: Plan, submissions: Sequence[Submission], *, drivers: int
) -> Iterator[tuple[str, str]]:
    """Yield kind and text of each problem: ``lost``, ``doubled`` or ``wrong``.

    Args:
        plan: The run.
        submissions: Each job and each child of an array that AWS Batch received.
        drivers: Number of drivers.
    """
    assert plan.recovery is not None
    reruns = drivers - 1 if plan.recovery.reruns_failed else 0
    found: defaultdict[tuple[int, int | None], list[Submission]] = defaultdict(list)
    for each in submissions:
        found[each["content"], each["index"]].append(each)
    courses = {}
    counts: defaultdict[tuple[int, int | None], int] = defaultdict(int)
    for work in plan.work:
        for index, course in enumerate(work.courses):
            unit = work.content, None if work.array_size is None else index
            courses[unit] = course
            counts[unit] += 1
    # An array begins again if any of its children failed.
    failing = {
        work.content
        for work in plan.work
        if work.array_size is not None and not all(course.succeeds for course in work.courses)
    }
    for unit, course in courses.items():
        name = f"request {unit[0]}" + ("" if unit[1] is None else f"[{unit[1]}]")
        ordered = sorted(found.pop(unit, []), key=lambda each: each["created_at"])
        yield from _Chains(
            name, course, counts[unit], reruns, may_succeed=unit[0] in failing
        ).judge(ordered)
    for unit, others in found.items():
        yield "wrong", f"unexpected submissions of {unit}: {', '.join(e['id'] for e in others)}"


class _Chains:
    """The chains of equal logical jobs: usually of one.

    Args:
        name: What they are, for people.
        course: What happens to each of them.
        count: How many requests there are.
        reruns: How many times the program was run again and submitted failed jobs again.
        may_succeed: Whether one that succeeded may begin again, with an array that failed.
    """

    def __init__(
        self, name: str, course: Course, count: int, reruns: int, *, may_succeed: bool
    ) -> None:
        self._name = name
        self._course = course
        self._count = count
        self._reruns = reruns
        self._may_succeed = may_succeed
        self._chains: list[list[Submission]] = []
        self._replaced = 0

    def judge(self, submissions: Sequence[Submission]) -> Iterator[tuple[str, str]]:
        """Yield the problems of submissions in the order in which they were created."""
        for each in submissions:
            yield from self._add(each)
        if len(self._chains) < self._count:
            missing = self._count - len(self._chains)
            yield "lost", f"{self._name} has no job for {missing} of {self._count}"
        wanted = self._course.endings()
        for chain in self._chains:
            endings = [each["ending"] for each in chain]
            is_over = chain[-1]["status"] in ("SUCCEEDED", "FAILED")
            if not is_over or endings != wanted:
                what = f"{self._name} ended {chain[-1]['status']} after {_shown(endings)}"
                yield "lost", f"{what} instead of {_shown(wanted)}: {_ids(chain)}"

    def _add(self, submission: Submission) -> Iterator[tuple[str, str]]:
        chain = self._continued(submission)
        if chain is not None:
            chain.append(submission)
            return
        if submission["is_whole"]:
            if len(self._chains) < self._count:
                self._chains.append([submission])
                return
            again = self._begun_again(submission)
            if again is not None:
                self._replaced += 1
                again[:] = [submission]
                return
        yield self._problem(submission)

    def _continued(self, submission: Submission) -> list[Submission] | None:
        """Return the chain that a submission continues; None if there is none."""
        for chain in self._chains:
            last = chain[-1]
            if (
                last["ending"] in COVERED
                and _ended_before(last, submission)
                and len(chain) < MAX_SUBMISSIONS
                and submission["memory"] == _next_memory(last)
            ):
                return chain
        return None

    def _begun_again(self, submission: Submission) -> list[Submission] | None:
        """Return the chain after which a driver may begin a new one; None if there is none."""
        if self._replaced >= self._reruns * self._count:
            return None
        for chain in self._chains:
            last = chain[-1]
            is_final = last["ending"] not in COVERED or len(chain) == MAX_SUBMISSIONS
            has_failed = last["status"] == "FAILED" or self._may_succeed
            if is_final and has_failed and _ended_before(last, submission):
                return chain
        return None

    def _problem(self, submission: Submission) -> tuple[str, str]:
        ids = ", ".join(map(_ids, self._chains))
        what = f"{self._name} ({ids}) was submitted again as {submission['id']}"
        lasts = [chain[-1] for chain in self._chains]
        if not all(_ended_before(last, submission) for last in lasts):
            return "doubled", f"{what} before an earlier submission ended"
        if any(
            last["ending"] in COVERED and len(chain) < MAX_SUBMISSIONS
            for chain, last in zip(self._chains, lasts, strict=True)
        ):
            memory = submission["memory"]
            return "wrong", f"{what} with {memory} MiB, although its failure asks for another size"
        if any(last["status"] == "SUCCEEDED" for last in lasts):
            return "doubled", f"{what} although it had succeeded"
        if any(len(chain) == MAX_SUBMISSIONS for chain in self._chains):
            return "doubled", f"{what}, more often than the policy allows"
        return "wrong", f"{what} although no rule covers {_shown([e['ending'] for e in lasts])}"


def _next_memory(last: Submission) -> int:
    factor = 2 if last["ending"] == Ending.OUT_OF_MEMORY else 1
    memory: int = last["memory"] or BASE_MEMORY_MIB
    return memory * factor


def _ended_before(last: Submission, submission: Submission) -> bool:
    return last["stopped_at"] is not None and last["stopped_at"] <= submission["created_at"]


def _shown(endings: Sequence[str | None]) -> str:
    return ", ".join(each or "no start" for each in endings)


def _ids(chain: Sequence[Submission]) -> str:
    return " > ".join(each["id"] for each in chain)
