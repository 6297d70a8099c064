"""The progress display: what it counts, when it prints, how it draws."""

import io
import re
import sys
from collections.abc import Mapping
from typing import TextIO

import anyio
import pytest
from rich.console import Console

from asyncbatch import (
    ArrayProperties,
    AsyncBatchClient,
    Event,
    InvalidRequest,
    JobDescription,
    JobLost,
    JobRequest,
    JobStatus,
    JobSubmitted,
    RequestThrottled,
    StatusChanged,
)
from asyncbatch.local import LocalBatch, ScriptedExecutor
from asyncbatch.progress import display

SUBMITTED, RUNNING = JobStatus.SUBMITTED, JobStatus.RUNNING
SUCCEEDED, FAILED = JobStatus.SUCCEEDED, JobStatus.FAILED

pytestmark = pytest.mark.virtual_time


def plain_console() -> tuple[Console, io.StringIO]:
    file = io.StringIO()
    return Console(file=file, width=80, force_terminal=False, get_time=lambda: 0.0), file


def submitted(job_id: str = "job", array_size: int | None = None) -> JobSubmitted:
    return JobSubmitted(job_id=job_id, name="job", queue="default", array_size=array_size)


def changed(job_id: str, status: JobStatus) -> StatusChanged:
    return StatusChanged(
        job_id=job_id, previous=None, description=JobDescription(job_id=job_id, status=status)
    )


def array_changed(status: JobStatus, size: int, children: Mapping[JobStatus, int]) -> StatusChanged:
    array = ArrayProperties(size=size, status_summary=children)
    description = JobDescription(job_id="job", status=status, array=array)
    return StatusChanged(job_id="job", previous=None, description=description)


async def last_line(*events: Event) -> str:
    """Show events and return the last line of the display, without the time."""
    console, file = plain_console()
    with display(console) as observer:
        for event in events:
            observer(event)
    return file.getvalue().splitlines()[-1].partition(" ")[2]


# -- counting -------------------------------------------------------------------------------------


async def test_display_without_jobs_says_so() -> None:
    assert await last_line() == "0/0 jobs ended: no jobs yet"


async def test_each_job_is_counted_once_in_its_latest_state() -> None:
    events: list[Event] = [
        submitted("a"),
        submitted("b"),
        changed("a", RUNNING),
        changed("a", SUCCEEDED),
    ]
    assert await last_line(*events) == "1/2 jobs ended: 1 SUBMITTED, 1 SUCCEEDED"


async def test_retried_job_is_counted_as_runnable_again() -> None:
    events = [changed("a", RUNNING), changed("a", JobStatus.RUNNABLE)]
    assert await last_line(*events) == "0/1 jobs ended: 1 RUNNABLE"


async def test_unknown_state_is_shown_by_its_name() -> None:
    assert await last_line(changed("a", JobStatus("MELTING"))) == ("0/1 jobs ended: 1 MELTING")


async def test_array_is_counted_as_its_children() -> None:
    assert await last_line(submitted(array_size=10)) == "0/10 jobs ended: 10 SUBMITTED"


async def test_children_missing_in_the_status_summary_are_counted_as_submitted() -> None:
    event = array_changed(JobStatus.PENDING, 10, {RUNNING: 2, SUCCEEDED: 3, FAILED: 0})
    assert await last_line(event) == "3/10 jobs ended: 5 SUBMITTED, 2 RUNNING, 3 SUCCEEDED"


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (SUCCEEDED, "10/10 jobs ended: 10 SUCCEEDED"),
        (FAILED, "10/10 jobs ended: 7 SUCCEEDED, 3 FAILED"),
    ],
)
async def test_children_of_an_ended_array_are_counted_as_ended(
    status: JobStatus, expected: str
) -> None:
    """The status summary may lag behind the parent's own status."""
    assert await last_line(array_changed(status, 10, {RUNNING: 2, SUCCEEDED: 7})) == expected


async def test_child_is_not_counted_in_addition_to_its_parent() -> None:
    events: list[Event] = [submitted("job", array_size=2), changed("job:0", RUNNING)]
    assert await last_line(*events) == "0/2 jobs ended: 2 SUBMITTED"


async def test_children_followed_without_their_parent_are_counted() -> None:
    events = [changed("job:0", RUNNING), changed("job:1", SUCCEEDED)]
    assert await last_line(*events) == "1/2 jobs ended: 1 RUNNING, 1 SUCCEEDED"


async def test_lost_job_is_counted_as_ended() -> None:
    assert await last_line(submitted("a"), JobLost(job_id="a")) == "1/1 jobs ended: 1 LOST"


# -- plain lines ----------------------------------------------------------------------------------


async def test_lines_are_at_least_the_interval_apart() -> None:
    console, file = plain_console()
    with display(console, interval=2) as observer:
        for number in range(100):
            observer(submitted(str(number)))
            await anyio.sleep(0.1)
        assert len(file.getvalue().splitlines()) in (4, 5)
    assert file.getvalue().endswith("0/100 jobs ended: 100 SUBMITTED\n")


async def test_nothing_is_printed_without_a_change() -> None:
    console, file = plain_console()
    with display(console) as observer:
        observer(submitted())
        await anyio.sleep(3600)
        observer(changed("job", SUBMITTED))
        observer(RequestThrottled(operation="DescribeJobs", per_second=1.0))
        await anyio.sleep(3600)
        assert len(file.getvalue().splitlines()) == 1


async def test_last_change_is_printed_after_the_interval() -> None:
    console, file = plain_console()
    with display(console) as observer:
        observer(submitted())
        await anyio.sleep(2)
        observer(changed("job", RUNNING))
        await anyio.sleep(2.5)
        assert file.getvalue().endswith("1 RUNNING\n")


async def test_interval_of_zero_is_rejected() -> None:
    with pytest.raises(InvalidRequest, match="interval"), display(interval=0):
        pass


async def test_display_observes_a_client() -> None:
    console, file = plain_console()
    async with LocalBatch(executor=ScriptedExecutor()) as local:
        with display(console) as observer:
            async with AsyncBatchClient(session=local.session, observers=[observer]) as batch:
                definition = {
                    "jobDefinitionName": "job",
                    "type": "container",
                    "containerProperties": {"image": "i", "vcpus": 1, "memory": 64},
                }
                await batch.register_job_definition(definition)
                await batch.run(
                    [JobRequest("job", array_size=5), JobRequest("job"), JobRequest("job")]
                )
    assert file.getvalue().endswith("7/7 jobs ended: 7 SUCCEEDED\n")


# -- drawn ----------------------------------------------------------------------------------------


def draw(file: TextIO, *events: Event, width: int = 60) -> None:
    """Show events on a console that is treated as a terminal."""
    console = Console(file=file, width=width, force_terminal=True, color_system=None)
    with display(console) as observer:
        for event in events:
            observer(event)


def last_picture(file: io.StringIO) -> list[str]:
    """Return the two lines that remain on the screen."""
    text = re.sub(r"\x1b\[[?0-9;]*[a-zA-Z]", "", file.getvalue())
    return [line.strip() for line in text.splitlines() if line.strip()][-2:]


async def test_bar_fills_the_width_of_the_terminal_in_proportion_to_the_states() -> None:
    file = io.StringIO()
    draw(file, changed("a", SUCCEEDED), changed("b", RUNNING), submitted("c"), submitted("d"))
    bar, states = last_picture(file)
    assert bar == "━" * 9 + "╍" * 9 + "─" * 19 + " 0:00:00 1/4 jobs ended"
    assert states == "2 SUBMITTED  1 RUNNING  1 SUCCEEDED"


async def test_bar_in_an_ascii_terminal_is_ascii() -> None:
    file = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    draw(file, changed("a", SUCCEEDED), changed("b", RUNNING), submitted("c"), submitted("d"))
    file.seek(0)
    assert "=" * 9 + "-" * 9 + "." * 18 in file.read()


async def test_lines_are_cut_to_the_width_of_a_narrow_terminal() -> None:
    file = io.StringIO()
    draw(file, *(changed(status, status) for status in JobStatus), width=30)
    bar, states = last_picture(file)
    assert (len(bar), len(states)) == (30, 30)
    assert states.endswith("…")


async def test_text_printed_meanwhile_appears_above_the_bar() -> None:
    file = io.StringIO()
    console = Console(file=file, width=60, force_terminal=True, color_system=None)
    with display(console) as observer:
        observer(submitted())
        console.print("a line of a log")
    assert file.getvalue().index("a line of a log") < file.getvalue().rindex("jobs ended")


async def test_display_in_a_notebook_updates_one_output(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    class Handle:
        def update(self, drawn: object) -> None:
            shown.append(text_of(drawn))

    def fake_display(drawn: object, *, display_id: bool) -> Handle:
        assert display_id
        shown.append(text_of(drawn))
        return Handle()

    monkeypatch.setattr("IPython.display.display", fake_display)
    with display(Console(force_jupyter=True)) as observer:
        observer(submitted())
        await anyio.sleep(1)
        observer(changed("job", SUCCEEDED))
    first, second, last = shown
    assert "0/0 jobs ended" in first
    assert "1 SUBMITTED" in second
    assert "1 SUCCEEDED" in last


def text_of(drawn: object) -> str:
    assert hasattr(drawn, "_repr_mimebundle_")  # which is how a notebook shows it
    file = io.StringIO()
    Console(file=file, width=80).print(drawn)
    return file.getvalue()


# -- rich is an extra -----------------------------------------------------------------------------


async def test_missing_rich_raises_an_error_that_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'asyncbatch\[cli\]'"), display():
        pass


async def test_import_of_progress_does_not_import_rich() -> None:
    code = "import sys, asyncbatch.progress; sys.exit('rich' in sys.modules)"
    assert (await anyio.run_process([sys.executable, "-c", code])).returncode == 0
