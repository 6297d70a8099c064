"""How values and handles show themselves: short reprs, cards in notebooks and with rich."""

import io

import pytest
from rich.console import Console

from asyncbatch import (
    AsyncBatchClient,
    Explanation,
    Failure,
    FailureKind,
    Finding,
    FindingKind,
    JobDescription,
    JobResult,
    JobStatus,
)
from asyncbatch._values.showing import Card
from asyncbatch.local import Script
from tests.fixtures.bench import MakeBench

LONG = "x" * 500
HOSTILE = "<img src=x onerror=alert(1)>\x1b[31m\u202e\n\"'"
JOB = JobDescription(job_id="j-1", status=JobStatus.FAILED, name=LONG)
FAILURE = Failure(kind=FailureKind.EXIT_CODE, transient=False, message=f"exit code 3: {LONG}")


def explanation(text: str) -> Explanation:
    return Explanation(
        job_id="j-1",
        name=text,
        status=JobStatus.RUNNABLE,
        verdict=text,
        next_step=text,
        findings=(
            Finding(text=text, kind=FindingKind.CAUSE, source="s", value=text, resource=text),
        ),
        missing_permissions={"batch:GetJobQueueSnapshot": text},
        not_read={"DescribeJobQueues": text},
    )


VALUES = [FAILURE, JobResult(description=JOB, failure=FAILURE), explanation(LONG)]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_repr_is_one_short_line(value: object) -> None:
    assert len(repr(value)) < 160
    assert repr(value).startswith(f"<{type(value).__name__} ")
    assert repr(value).endswith("…>")


def test_repr_of_a_result_says_how_and_why_it_ended() -> None:
    failed = JobDescription(job_id="j-1", status=JobStatus.FAILED, name="etl")
    failure = Failure(kind=FailureKind.EXIT_CODE, transient=True, message="exit code 3")
    assert repr(failure) == "<Failure exit code, transient: exit code 3>"
    assert str(failure) == "exit code 3"
    assert str(Failure(kind=FailureKind.HOST_LOST, transient=True, message="gone")) == (
        "host lost: gone"
    )
    assert repr(JobResult(description=failed, failure=failure)) == (
        "<JobResult etl j-1 FAILED: exit code 3>"
    )


@pytest.mark.parametrize(
    "value",
    [
        Failure(kind=FailureKind.EXIT_CODE, transient=False, message=HOSTILE),
        JobResult(
            description=JobDescription(job_id=HOSTILE, status=JobStatus.FAILED, name=HOSTILE),
            failure=Failure(kind=FailureKind.UNKNOWN, transient=False, message=HOSTILE),
        ),
        explanation(HOSTILE),
    ],
    ids=lambda value: type(value).__name__,
)
def test_hostile_texts_are_shown_as_text(value: Failure | JobResult | Explanation) -> None:
    file = io.StringIO()
    Console(file=file, width=100).print(value)
    for shown in (value._repr_html_(), file.getvalue(), repr(value)):
        assert not set("\x1b\u202e") & set(shown)
    assert "<img" not in value._repr_html_()
    assert "onerror" in value._repr_html_()


def test_link_that_is_no_https_is_left_out() -> None:
    assert "href" not in Card(title="job", link="javascript:alert(1)").html()
    card = Card(title="job", link='https://example.com/"x')
    assert 'href="https://example.com/&quot;x"' in card.html()


@pytest.mark.virtual_time
async def test_handles_show_state_reason_and_children(bench: MakeBench) -> None:
    async with bench(Script(exit_code=3)) as made:
        job = await made.batch.submit("hello", name="etl-" + "n" * 120)
        array = await made.batch.submit_array("hello", size=3, name="many")
        await job.result(check=False)
        await array.result(check=False)
        assert len(repr(job)) < 160
        assert repr(array) == f"<ArrayJob many {array.id} FAILED of 3>"
        assert "exit code 3; " in job._repr_html_()
        assert "3: 3 FAILED" in array._repr_html_()
        file = io.StringIO()
        Console(file=file, width=100).print(array)
        assert "children" in file.getvalue()


@pytest.mark.virtual_time
async def test_client_shows_region_state_and_number_of_jobs(bench: MakeBench) -> None:
    assert repr(AsyncBatchClient()) == "<AsyncBatchClient not open yet>"
    assert repr(AsyncBatchClient(region_name="eu-west-1")) == (
        "<AsyncBatchClient eu-west-1 not open yet>"
    )
    async with bench(Script(duration=60)) as made:
        region = made.batch.region_name
        job = await made.batch.submit("hello")
        assert repr(made.batch) == f"<AsyncBatchClient {region} open, follows 1 job>"
        assert made.batch.followed_jobs == [job]
        await job
        assert repr(made.batch) == f"<AsyncBatchClient {region} open, follows 0 jobs>"
    assert repr(made.batch) == "<AsyncBatchClient closed>"
