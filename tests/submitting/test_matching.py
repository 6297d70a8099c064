"""Unmarked submissions and jobs: which job can be whose."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncbatch import ArrayProperties, Container, JobDescription, JobRequest, JobStatus
from asyncbatch._submitting.marks import Submission
from asyncbatch._submitting.matching import Likeness, likeness, match

NOW = 1_000.0
BASE = JobRequest(
    "etl",
    parameters={"date": "1"},
    environment={"A": "1"},
    tags={"team": "red"},
    command=["run", "all"],
)


def submission(
    request: JobRequest | None = BASE, *, since: float = NOW, twins: int = 0
) -> Submission:
    return Submission(
        name="mine",
        queue="q",
        job_definition="etl",
        since=since,
        has_unique_name=False,
        request=request,
        twins=lambda: twins,
    )


def job(
    job_id: str = "j",
    *,
    at: float = NOW,
    definition: str = "etl:3",
    array_size: int | None = None,
    parameters: dict[str, str] | None = None,
    tags: dict[str, str] | None = None,
    containers: int = 1,
    environment: dict[str, str] | None = None,
    command: tuple[str, ...] = ("run", "all"),
    memory_mib: int | None = None,
) -> JobDescription:
    container = Container(
        memory_mib=memory_mib,
        environment={"A": "1", "PATH": "/bin"} if environment is None else environment,
        command=command,
    )
    return JobDescription(
        job_id=job_id,
        status=JobStatus.RUNNABLE,
        name="mine",
        job_definition=f"arn:aws:batch:r:0:job-definition/{definition}",
        created_at=datetime.fromtimestamp(at, UTC),
        array=None if array_size is None else ArrayProperties(size=array_size),
        parameters={"date": "1", "more": "2"} if parameters is None else parameters,
        tags={"team": "red", "cost": "x"} if tags is None else tags,
        containers=(container,) * containers,
    )


LIKENESS = {
    "the same, completed by the definition": (BASE, job(), Likeness.FULL),
    "another definition": (BASE, job(definition="other:1"), Likeness.NONE),
    "an array": (BASE, job(array_size=2), Likeness.NONE),
    "another parameter": (BASE, job(parameters={"date": "2"}), Likeness.NONE),
    "another tag": (BASE, job(tags={"team": "blue"}), Likeness.NONE),
    "another variable": (BASE, job(environment={"A": "2"}), Likeness.NONE),
    "another command": (BASE, job(command=("run", "one")), Likeness.NONE),
    "a command with placeholders": (
        BASE.replace(command=["run", "Ref::date"]),
        job(command=("run", "1")),
        Likeness.FULL,
    ),
    "no parameters": (BASE, job(parameters={}), Likeness.PARTIAL),
    "no tags": (BASE, job(tags={}), Likeness.PARTIAL),
    "no variables": (BASE, job(environment={}), Likeness.PARTIAL),
    "no command": (BASE, job(command=()), Likeness.PARTIAL),
    "several containers": (BASE, job(containers=2), Likeness.PARTIAL),
    "no content to compare": (None, job(), Likeness.PARTIAL),
    "no content, another definition": (None, job(definition="other:1"), Likeness.NONE),
}


@pytest.mark.parametrize("case", LIKENESS)
def test_likeness_of_a_job(case: str) -> None:
    request, described, expected = LIKENESS[case]
    assert likeness(submission(request), described) is expected


OTHER = BASE.replace(environment={"A": "2"})
LESS = BASE.replace(environment={})
MORE_MEMORY = BASE.replace(memory_mib=256)
MATCHES = {
    "one job": ([submission()], [job("a")], {0: "a"}, {}),
    "no job": ([submission()], [], {}, {}),
    "only another's": ([submission()], [job(environment={"A": "2"})], {}, {}),
    "a job that was submitted again with more memory, and an equal one": (
        [submission(), submission(MORE_MEMORY)],
        [job("more", memory_mib=256), job("usual", memory_mib=128)],
        {0: "usual", 1: "more"},
        {},
    ),
    "equal ones, oldest first": (
        [submission(since=NOW + 1), submission(since=NOW)],
        [job("late", at=NOW + 1), job("early", at=NOW)],
        {0: "late", 1: "early"},
        {},
    ),
    "one job for two: the older gets it": (
        [submission(since=NOW - 1), submission(since=NOW - 2)],
        [job("a")],
        {1: "a"},
        {},
    ),
    "more jobs than submissions": (
        [submission()],
        [job("a"), job("b")],
        {},
        {0: "several such jobs"},
    ),
    "the second is an undecided twin's": (
        [submission(twins=1)],
        [job("b", at=NOW + 1), job("a")],
        {0: "a"},
        {},
    ),
    "different ones": (
        [submission(OTHER), submission()],
        [job("a"), job("b", environment={"A": "2"})],
        {0: "b", 1: "a"},
        {},
    ),
    "one that asks for less": (
        [submission(LESS), submission()],
        [job("a"), job("less", environment={})],
        {0: "less", 1: "a"},
        {},
    ),
    "created shortly before": ([submission()], [job(at=NOW - 60)], {}, {0: "shortly before"}),
    "perhaps another's": (
        [submission()],
        [job(containers=2)],
        {},
        {0: "another submission's"},
    ),
}


@pytest.mark.parametrize("case", MATCHES)
def test_match_gives_jobs_to_submissions(case: str) -> None:
    submissions, jobs, expected, doubts = MATCHES[case]
    found = match(submissions, jobs, now=NOW + 5)
    assert found.jobs == expected
    assert found.doubts.keys() == doubts.keys()
    assert all(doubts[place] in found.doubts[place] for place in doubts)


requests = st.sampled_from([BASE, OTHER, LESS, BASE.replace(command=None), None])
times = st.floats(min_value=NOW, max_value=NOW + 10)
jobs_ = st.builds(
    job,
    job_id=st.uuids().map(str),
    at=times,
    environment=st.sampled_from([{}, {"A": "1"}, {"A": "2"}]),
    command=st.sampled_from([(), ("run", "all"), ("other",)]),
    containers=st.integers(0, 2),
)


@given(
    st.lists(st.builds(submission, requests, since=times, twins=st.integers(0, 2)), max_size=6),
    st.lists(jobs_, max_size=6),
)
def test_match_gives_no_job_twice_and_none_that_differs(
    submissions: list[Submission], jobs: list[JobDescription]
) -> None:
    found = match(submissions, jobs, now=NOW + 10)
    assert len(set(found.jobs.values())) == len(found.jobs)
    assert not found.jobs.keys() & found.doubts.keys()
    by_id = {each.job_id: each for each in jobs}
    for place, job_id in found.jobs.items():
        assert likeness(submissions[place], by_id[job_id]) is Likeness.FULL
