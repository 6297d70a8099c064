"""The progress display: where it is attached, what it counts, when it prints, how it draws."""

import asyncio
import io
import re
import sys
from collections.abc import Mapping
from typing import TextIO

import anyio
import pytest
from rich.console import Console
from rich.errors import LiveError
from rich.live import Live

from asyncbatch import (
    ArrayProperties,
    AsyncBatchClient,
    ClientClosed,
    Event,
    Failure,
    FailureKind,
    InvalidRequest,
    JobBlocked,
    JobDescription,
    JobFinished,
    JobLost,
    JobRequest,
    JobResult,
    JobStatus,
    JobSubmitted,
    RecoveryPolicy,
    RecoveryRule,
    RequestThrottled,
    StatusChanged,
)
from asyncbatch.local import Launch, LocalBatch, Script, ScriptedExecutor
from asyncbatch.progress import display
from asyncbatch.progress._notebook import Picture
from tests.fixtures.bench import MakeBench

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


def blocked(job_id: str, message: str) -> JobBlocked:
    reason = Failure(kind=FailureKind.CAPACITY, transient=True, message=message)
    description = JobDescription(job_id=job_id, status=JobStatus.RUNNABLE, name="job")
    return JobBlocked(job_id=job_id, reason=reason, description=description)


def failed(job_id: str, message: str) -> JobFinished:
    failure = Failure(kind=FailureKind.EXIT_CODE, transient=False, message=message)
    description = JobDescription(job_id=job_id, status=FAILED, name="job")
    return JobFinished(job_id=job_id, result=JobResult(description=description, failure=failure))


def array_changed(status: JobStatus, size: int, children: Mapping[JobStatus, int]) -> StatusChanged:
    array = ArrayProperties(size=size, status_summary=children)
    description = JobDescription(job_id="job", status=status, array=array)
    return StatusChanged(job_id="job", previous=None, description=description)


async def last_line(*events: Event) -> str:
    """Show events and return the last line of the display, without the time."""
    console, file = plain_console()
    with display(console=console) as observer:
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
    with display(console=console, interval=2) as observer:
        for number in range(100):
            observer(submitted(str(number)))
            await anyio.sleep(0.1)
        assert len(file.getvalue().splitlines()) in (4, 5)
    assert file.getvalue().endswith("0/100 jobs ended: 100 SUBMITTED\n")


async def test_nothing_is_printed_without_a_change() -> None:
    console, file = plain_console()
    with display(console=console) as observer:
        observer(submitted())
        await anyio.sleep(3600)
        observer(changed("job", SUBMITTED))
        observer(RequestThrottled(operation="DescribeJobs", per_second=1.0))
        await anyio.sleep(3600)
        assert len(file.getvalue().splitlines()) == 1


async def test_last_change_is_printed_after_the_interval() -> None:
    console, file = plain_console()
    with display(console=console) as observer:
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
        with display(console=console) as observer:
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


def terminal(file: TextIO) -> Console:
    return Console(file=file, width=60, force_terminal=True, color_system=None)


def screen(text: str) -> list[str]:
    """Return the lines that remain on the screen of a terminal."""
    lines = [""]
    row = 0
    for part in re.findall(r"\x1b\[[?0-9;]*[a-zA-Z]|\n|\r|[^\x1b\n\r]+", text):
        if part == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif up := re.fullmatch(r"\x1b\[(\d+)A", part):
            row -= int(up[1])
        elif part == "\x1b[2K":
            lines[row] = ""
        elif part[0] not in "\r\x1b":
            lines[row] += part
    return [line.rstrip() for line in lines if line.strip()]


def draw(file: TextIO, *events: Event, width: int = 60) -> None:
    """Show events on a console that is treated as a terminal."""
    console = Console(file=file, width=width, force_terminal=True, color_system=None)
    with display(console=console) as observer:
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


async def test_narrow_terminal_shows_why_a_job_failed_instead_of_its_id() -> None:
    file = io.StringIO()
    job_id = "7ce42c82-1807-4e8c-b5bf-992dc9e9c616"
    draw(file, changed(job_id, FAILED), failed(job_id, "exit code 3"), width=40)
    assert screen(file.getvalue())[-1] == "failed: job: exit code 3"


async def test_bar_without_jobs_says_so() -> None:
    file = io.StringIO()
    draw(file)
    assert screen(file.getvalue())[-1] == "no jobs yet"


async def test_text_printed_meanwhile_appears_above_the_bar() -> None:
    file = io.StringIO()
    console = Console(file=file, width=60, force_terminal=True, color_system=None)
    with display(console=console) as observer:
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
    with display(console=Console(force_jupyter=True)) as observer:
        observer(submitted())
        await anyio.sleep(1)
        observer(changed("job", SUCCEEDED))
    first, second, last = shown
    assert "0/0 jobs ended" in first
    assert "1 SUBMITTED" in second
    assert "1 SUCCEEDED" in last


def text_of(drawn: object) -> str:
    html: object = drawn._repr_html_()  # type: ignore[attr-defined] # how a notebook shows it
    assert isinstance(html, str)
    return re.sub("<[^>]*>", "", html)


async def test_notebook_shows_hostile_texts_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    class Handle:
        def update(self, drawn: Picture) -> None:
            shown.append(drawn._repr_html_())

    monkeypatch.setattr("IPython.display.display", lambda _drawn, display_id: Handle())
    hostile = '</div><script>alert(1)</script><img src=x onerror="alert(2)">\x1b[31m\u202e'
    with display(console=Console(force_jupyter=True), title=hostile) as progress:
        progress(submitted("job"))
        progress(failed("job", hostile))
        progress(blocked("other", hostile))
    (html,) = shown
    assert "<script" not in html
    assert "<img" not in html
    assert "\x1b" not in html
    assert "\u202e" not in html
    assert "&lt;script&gt;" in html


async def test_display_in_a_kernel_needs_no_rich(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shell:
        kernel = object()

    class Handle:
        def update(self, drawn: object) -> None:
            shown.append(str(drawn))

    shown: list[str] = []
    monkeypatch.setattr("IPython.core.getipython.get_ipython", Shell)
    monkeypatch.setattr("IPython.display.display", lambda _drawn, display_id: Handle())
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with display() as progress:
        progress(submitted("job"))
    assert shown == ["0:00:00 0/1 jobs ended: 1 SUBMITTED"]


async def test_times_in_a_notebook_change_without_events(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []

    class Handle:
        def update(self, drawn: object) -> None:
            shown.append(str(drawn))

    monkeypatch.setattr("IPython.display.display", lambda _drawn, display_id: Handle())
    clock = asyncio.get_running_loop().time
    with display(console=Console(force_jupyter=True, get_time=clock)) as progress:
        progress(submitted("job"))
        await anyio.sleep(60)
    assert 10 < len(shown) < 15
    assert shown[-2].startswith("0:00:5")


# -- several displays -----------------------------------------------------------------------------


async def test_displays_of_one_terminal_are_drawn_below_each_other() -> None:
    file = io.StringIO()
    first, second = terminal(file), terminal(file)
    with display(console=first, title="first") as one:
        one(submitted("a"))
        with display(console=second, title="second") as two:
            two(changed("b", SUCCEEDED))
        one(changed("a", RUNNING))
    lines = screen(file.getvalue())
    assert [line.split()[0] for line in lines if line.split()[0] in ("first", "second")] == [
        "second",
        "first",
    ]
    assert "1 SUCCEEDED" in lines[2]
    assert "1 RUNNING" in lines[5]
    assert len(lines) == 6


async def test_display_on_a_console_with_another_live_display_prints_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_live: Live, refresh: bool = False) -> None:  # noqa: FBT001, FBT002 - as rich's
        raise LiveError("Only one live display may be active at once")

    monkeypatch.setattr(Live, "start", refuse)
    file = io.StringIO()
    with display(console=terminal(file)) as progress:
        progress(submitted("a"))
    assert file.getvalue().endswith("0/1 jobs ended: 1 SUBMITTED\n")
    with display(console=terminal(io.StringIO())) as progress:
        assert progress.snapshot().total == 0


async def test_lines_of_several_displays_begin_with_their_titles() -> None:
    console, file = plain_console()
    with display(console=console, title="a") as one, display(console=console, title="b") as two:
        one(submitted("1"))
        two(changed("2", SUCCEEDED))
    assert file.getvalue().splitlines() == [
        "b: 0:00:00 1/1 jobs ended: 1 SUCCEEDED",
        "a: 0:00:00 0/1 jobs ended: 1 SUBMITTED",
    ]


# -- what is attached -----------------------------------------------------------------------------


async def test_display_of_an_open_client_shows_its_jobs_before_and_after(bench: MakeBench) -> None:
    console, file = plain_console()
    async with bench(Script(duration=60)) as made:
        batch = made.batch
        early = await batch.submit("hello")
        array = await batch.submit_array("hello", size=3)
        await early.wait(RUNNING)
        with display(batch, console=console) as progress:
            assert progress.snapshot().total == 4
            late = await batch.submit("hello")
            await early
            await array
            await late
        await batch.submit("hello")
    assert file.getvalue().splitlines()[-1].endswith("5/5 jobs ended: 5 SUCCEEDED")
    assert progress.snapshot().total == 5  # the last job was submitted after the block


async def test_display_of_jobs_shows_only_these(bench: MakeBench) -> None:
    console, _ = plain_console()
    async with bench() as made:
        batch = made.batch
        jobs = await batch.submit_many([JobRequest("hello")] * 3)
        others = await batch.submit_many([JobRequest("hello")] * 2)
        with display(jobs[:2], jobs[2], console=console) as progress:
            await batch.submit("hello")
            for job in [*others, *jobs]:
                await job
            assert progress.snapshot().counts == {SUCCEEDED: 3}
        assert (progress.snapshot().ended, progress.snapshot().total) == (3, 3)


async def test_display_of_jobs_follows_them_to_their_last_submission(bench: MakeBench) -> None:
    flaky = [Script(exit_code=1), Script()]

    def script(launch: Launch) -> Script:
        return flaky.pop(0) if launch.name == "flaky" else Script(exit_code=1)

    console, file = plain_console()
    rule = RecoveryRule(kinds=[FailureKind.EXIT_CODE])
    async with bench(script, recovery=RecoveryPolicy([rule])) as made:
        job = await made.batch.submit("hello", name="flaky")
        other = await made.batch.submit("hello", name="other")
        with display(job, console=console, interval=0.1) as progress:
            await job
            await other.result(check=False)
    shown = progress.snapshot()
    assert (shown.ended, shown.total, shown.failed, shown.resubmitted) == (1, 1, 0, 1)
    assert shown.last_resubmission == "flaky: submission 2 after exit code"
    assert "0/1 jobs ended: 1 FAILED" in file.getvalue()
    assert file.getvalue().endswith("1/1 jobs ended: 1 SUCCEEDED; 1 resubmitted\n")


async def test_children_of_coalesced_requests_are_shown_as_their_array(bench: MakeBench) -> None:
    console, _ = plain_console()
    async with bench() as made:
        requests = [JobRequest("hello", environment={"N": str(n)}, command=["x"]) for n in range(4)]
        jobs = await made.batch.submit_many(requests, coalesce=True)
        with display(jobs, console=console) as progress:
            assert progress.snapshot().total == 4
            for job in jobs:
                await job
            assert progress.snapshot().counts == {SUCCEEDED: 4}


async def test_jobs_that_ended_before_do_not_count_as_throughput(bench: MakeBench) -> None:
    async with bench() as made:
        jobs = await made.batch.submit_many([JobRequest("hello")] * 5)
        for job in jobs:
            await job
        clock = asyncio.get_running_loop().time
        console = Console(file=io.StringIO(), get_time=clock)
        with display(jobs, console=console) as progress:
            await anyio.sleep(10)
            assert progress.snapshot().ended == 5
            assert progress.snapshot().per_second is None


async def test_expected_total_counts_jobs_that_are_not_submitted_yet(bench: MakeBench) -> None:
    console, file = plain_console()
    async with bench() as made:
        with display(made.batch, console=console, total=10):
            await made.batch.run([JobRequest("hello")] * 4)
    assert "4/10 jobs ended" in file.getvalue()


@pytest.mark.parametrize("source", [1, "job", ["job"], Console()], ids=repr)
async def test_source_that_is_neither_client_nor_job_is_refused(source: object) -> None:
    with pytest.raises(InvalidRequest, match="sources"), display(source):  # type: ignore[arg-type]
        pass


async def test_total_of_zero_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="total"), display(total=0):
        pass


async def test_jobs_of_a_closed_client_are_refused_unless_they_have_ended(
    bench: MakeBench,
) -> None:
    console, _ = plain_console()
    async with bench() as made:
        ended = await made.batch.submit("hello")
        await ended
        live = await made.batch.submit("hello")
    with display(ended, console=console) as progress:
        assert progress.snapshot().counts == {SUCCEEDED: 1}
    with pytest.raises(ClientClosed), display(live, console=console):
        pass


# -- failures and reasons -------------------------------------------------------------------------


async def test_lines_name_new_failures_once_and_count_the_others() -> None:
    console, file = plain_console()
    with display(console=console, interval=1) as progress:
        for number in range(5):
            progress(submitted(str(number)))
        progress(changed("0", FAILED))
        progress(failed("0", "exit code 1"))
        await anyio.sleep(2)
        for number in range(1, 5):
            progress(changed(str(number), FAILED))
            progress(failed(str(number), f"exit code {number}"))
    assert file.getvalue().splitlines()[1:] == [
        "failed: job (0): exit code 1",
        "0:00:00 5/5 jobs ended: 5 FAILED",
        "failed: job (2): exit code 2",
        "failed: job (3): exit code 3",
        "failed: job (4): exit code 4",
        "failed: 1 more jobs since the last line",
    ]


async def test_lines_name_each_reason_to_wait_once() -> None:
    console, file = plain_console()
    with display(console=console, interval=1) as progress:
        progress(blocked("a", "no capacity"))
        progress(blocked("b", "no capacity"))
        await anyio.sleep(2)
        progress(blocked("c", "no capacity"))
    assert [line for line in file.getvalue().splitlines() if "waiting" in line] == [
        "waiting: 2 jobs, such as job: no capacity"
    ]


async def test_terminal_shows_failures_reasons_and_arrays_below_the_counts() -> None:
    file = io.StringIO()
    events: list[Event] = [
        submitted("job", array_size=4),
        array_changed(JobStatus.PENDING, 4, {RUNNING: 2, SUCCEEDED: 1, FAILED: 1}),
        submitted("a"),
        changed("a", FAILED),
        failed("a", "exit code 3"),
        blocked("b", "no capacity"),
    ]
    with display(console=terminal(file)) as progress:
        for event in events:
            progress(event)
    assert screen(file.getvalue())[-3:] == [
        "failed: job (a): exit code 3",
        "waiting: job: no capacity",
        "array: job: 2/4 children ended, 1 FAILED",
    ]


# -- rich is an extra -----------------------------------------------------------------------------


async def test_missing_rich_raises_an_error_that_names_the_package(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    with pytest.raises(ModuleNotFoundError, match="pip install 'rich>="), display():
        pass


async def test_import_of_progress_does_not_import_rich() -> None:
    code = "import sys, asyncbatch.progress; sys.exit('rich' in sys.modules)"
    assert (await anyio.run_process([sys.executable, "-c", code])).returncode == 0
