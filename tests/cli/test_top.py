"""The screens of `asyncbatch top`, with textual's own pilot and in virtual time."""

import html
import os
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.widgets import DataTable, RichLog, Static

from asyncbatch._cli import output, top_table
from asyncbatch._cli import top as top_command
from asyncbatch._cli.top_app import JobScreen, Question, TopApp
from asyncbatch._cli.top_table import JobTable, Table
from asyncbatch.local import Launch, Script
from tests.cli.harness import Terminal
from tests.fixtures.bench import Bench, MakeBench

pytestmark = pytest.mark.virtual_time

PICTURE = Path(__file__).parents[2] / "docs" / "_static" / "top.svg"
SCRIPTS = {
    "bad": Script(exit_code=3, lines=[(0.1, "input.csv is empty")]),
    "hostile": Script(lines=[(0.1, "x" * 300_000), (0.2, "\x1b[2J\u202e"), (0.3, "the end")]),
    "train": Script(duration=None, lines=[(0.1, "epoch 1 of 9"), (0.2, "epoch 2 of 9")]),
}

Play = Callable[[Pilot[Any], TopApp, Bench], Awaitable[None]]


def script(launch: Launch) -> Script:
    return SCRIPTS.get(launch.name.partition("-")[0], Script())


async def play(bench: MakeBench, scene: Play, *, may_write: bool = False) -> None:
    """Play a scene in an application that shows jobs in all kinds of states."""
    async with bench(script, vcpus=64) as b:
        for name in ("etl-2026-03-01", "bad-2026-03-01", "train-large", "train-small"):
            await b.batch.submit("hello", queue="default", name=name)
        await b.batch.submit("hello", queue="default", name="huge", vcpus=512)
        app = TopApp(b.batch, may_write=may_write)
        async with app.run_test(size=(120, 24)) as pilot:
            ended = {"RUNNING": 2, "FAILED": 1, "RUNNABLE": 1, "SUCCEEDED": 1}
            await until(pilot, lambda: app.board.counts() == ended)
            app.draw()  # the application's own redraws come at times of the real clock
            await pilot.pause()
            await scene(pilot, app, b)


async def until(pilot: Pilot[Any], condition: Callable[[], object]) -> None:
    """Let the application work until a condition is true."""
    while not condition():
        await pilot.pause(0.1)


async def until_drawn(pilot: Pilot[Any], app: TopApp, condition: Callable[[], object]) -> None:
    """Let the application list and draw until a condition is true.

    The application's own redraws come at times of the real clock.
    """
    while not condition():
        await pilot.pause(0.1)
        app.draw()


def names(app: TopApp) -> list[str]:
    """Return the names in the table of jobs."""
    table = app.query_one("#jobs", DataTable)
    return [str(table.get_row_at(row)[0]) for row in range(table.row_count)]


async def open_job(pilot: Pilot[Any], app: TopApp, name: str) -> JobScreen:
    """Open the screen of a job."""
    app.query_one("#jobs", DataTable).move_cursor(row=names(app).index(name))
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(app.screen, JobScreen))
    assert isinstance(app.screen, JobScreen)
    return app.screen


def written(app: TopApp, selector: str) -> str:
    """Return the text of a widget."""
    widget = app.screen.query_one(selector)
    if isinstance(widget, RichLog):
        return "\n".join(line.text for line in widget.lines)
    assert isinstance(widget, Static)
    return str(widget.render())


async def test_screen_shows_queues_and_jobs(
    bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How long the application has run when it is drawn varies.
    monkeypatch.setattr(top_table, "ago", lambda _moment: "9s")
    monkeypatch.setattr(top_table, "run_time", lambda job: "8s" if job.started_at else "")

    async def scene(pilot: Pilot[Any], app: TopApp, _bench: Bench) -> None:
        picture = app.export_screenshot(title="asyncbatch top")
        if os.environ.get("ASYNCBATCH_GOLDEN") == "write":
            PICTURE.write_text(picture)
        assert words(picture) == words(PICTURE.read_text())

    await play(bench, scene)


def words(picture: str) -> list[str]:
    """Return the words of a picture; another version of textual may draw them elsewhere."""
    text = html.unescape(" ".join(re.findall(r"<text [^>]*>([^<]*)<", picture)))
    return [word for word in text.split() if word.isascii()]


async def test_job_is_explained_and_its_log_followed(bench: MakeBench) -> None:
    async def scene(pilot: Pilot[Any], app: TopApp, _bench: Bench) -> None:
        await open_job(pilot, app, "train-large")
        await until(pilot, lambda: "epoch 2 of 9" in written(app, "#log"))
        await until(pilot, lambda: "The job runs since" in written(app, "#text"))
        await pilot.press("escape")
        await open_job(pilot, app, "bad-2026-03-01")
        await until(pilot, lambda: "exit code 3" in written(app, "#text"))
        await until(pilot, lambda: "input.csv is empty" in written(app, "#log"))

    await play(bench, scene)


async def test_children_of_an_array_are_listed_and_opened(bench: MakeBench) -> None:
    async def scene(pilot: Pilot[Any], app: TopApp, b: Bench) -> None:
        await b.batch.submit_array("hello", 3, queue="default", name="bad-array")
        await until_drawn(pilot, app, lambda: "bad-array" in names(app))
        array = await open_job(pilot, app, "bad-array")
        children = array.query_one("#children", JobTable)
        await until(pilot, lambda: children.row_count == 3)
        shown = [str(children.get_row_at(row)[0]) for row in range(3)]
        assert shown == ["bad-array:0", "bad-array:1", "bad-array:2"]
        await pilot.press("down", "enter")
        await until(pilot, lambda: app.screen is not array)
        await until(pilot, lambda: "input.csv is empty" in written(app, "#log"))
        assert f"{array.job.job_id}:1 (bad-array): FAILED" in written(app, "#text")
        await pilot.press("escape", "escape")
        assert len(app.screen_stack) == 1

    await play(bench, scene)


async def test_keys_of_the_list_do_nothing_on_the_screen_of_a_job(bench: MakeBench) -> None:
    async def scene(pilot: Pilot[Any], app: TopApp, b: Bench) -> None:
        await b.batch.submit("hello", queue="default", name="hostile-lines")
        await until_drawn(pilot, app, lambda: "hostile-lines" in names(app))
        before = app.choice
        await open_job(pilot, app, "hostile-lines")
        await pilot.press("slash", "f", "s")
        await until(pilot, lambda: "the end" in written(app, "#log"))
        assert app.choice == before
        log = written(app, "#log")
        assert log.splitlines()[-1] == "the end"
        assert ("\x1b" in log, "\u202e" in log, len(log) < 3_000) == (False, False, True)
        await pilot.press("ctrl+c")
        await until(pilot, lambda: not app.is_running)

    await play(bench, scene)


async def test_cursor_stays_on_its_job_and_states_are_redrawn(bench: MakeBench) -> None:
    async def scene(pilot: Pilot[Any], app: TopApp, b: Bench) -> None:
        table = app.query_one("#jobs", JobTable)
        table.move_cursor(row=names(app).index("train-large"))
        selected = table.selected
        for number in range(3):
            await b.batch.submit("hello", queue="default", name=f"etl-new-{number}")
        async with b.local.session.create_client("batch") as aws:
            await aws.update_job_queue(jobQueue="default", state="DISABLED")
            await aws.create_job_queue(
                jobQueueName="aside",
                priority=1,
                computeEnvironmentOrder=[{"order": 1, "computeEnvironment": "local"}],
            )
        await until_drawn(pilot, app, lambda: len(names(app)) == 8)
        assert table.selected == selected
        await app.board._list_queues()  # as after ten rounds
        queues = app.query_one("#queues", Table)
        await until_drawn(pilot, app, lambda: queues.row_count == 2)
        rows = [[str(cell) for cell in queues.get_row_at(row)] for row in range(2)]
        assert rows == [["aside", "ENABLED"], ["default", "DISABLED!"]]

    await play(bench, scene)


async def test_jobs_are_filtered_and_sorted(bench: MakeBench) -> None:
    async def scene(pilot: Pilot[Any], app: TopApp, _bench: Bench) -> None:
        await pilot.press("slash", *"train")
        await until(pilot, lambda: set(names(app)) == {"train-large", "train-small"})
        assert "shown 2 of 2" in written(app, "#title")
        await pilot.press("enter", "escape")
        await until(pilot, lambda: len(names(app)) == 5)
        await pilot.press("s", "s")
        await until(pilot, lambda: names(app) == sorted(names(app)))
        await pilot.press(*["f"] * 7)
        await until(pilot, lambda: names(app) == ["bad-2026-03-01"])

    await play(bench, scene)


async def test_nothing_changes_without_write(bench: MakeBench) -> None:
    async def scene(pilot: Pilot[Any], app: TopApp, b: Bench) -> None:
        before = len(b.local.ledger.submissions)
        await pilot.press("t", "r")
        await open_job(pilot, app, "train-large")
        await pilot.press("t", "r")
        await pilot.pause(5)
        assert isinstance(app.screen, JobScreen)
        assert not any("Terminate" in name or "Cancel" in name for name in b.local.calls)
        assert len(b.local.ledger.submissions) == before
        assert "read-only" in str(app.screen_stack[0].query_one("#title", Static).render())

    await play(bench, scene)


async def test_jobs_are_ended_and_run_again_after_a_question(bench: MakeBench) -> None:
    async def scene(pilot: Pilot[Any], app: TopApp, b: Bench) -> None:
        screen = await open_job(pilot, app, "train-large")
        for answer in "ny":
            await pilot.press("t")
            await until(pilot, lambda: isinstance(app.screen, Question))
            assert f"Terminate job train-large ({screen.job.job_id})?" in written(app, "#question")
            await pilot.press(answer)
            await pilot.pause(5)
            ended = b.local.calls["TerminateJobs"] + b.local.calls["TerminateJob"]
            assert ended == (answer == "y")
        await pilot.press("escape")
        before = len(b.local.ledger.submissions)
        await open_job(pilot, app, "bad-2026-03-01")
        await pilot.press("r")
        await until(pilot, lambda: isinstance(app.screen, Question))
        await pilot.press("y")
        await until(pilot, lambda: len(b.local.ledger.submissions) == before + 1)

    await play(bench, scene, may_write=True)


async def test_unexpected_error_ends_the_application_and_is_reported(bench: MakeBench) -> None:
    async def scene(pilot: Pilot[Any], app: TopApp, _bench: Bench) -> None:
        async def broken() -> None:
            raise RuntimeError("a defect")

        app.run_worker(broken(), exit_on_error=False)
        await until(pilot, lambda: not app.is_running)
        assert str(app.failure) == "a defect"

    await play(bench, scene)


async def test_missing_terminal_and_extra_are_one_line(
    bench: MakeBench, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench() as b:
        piped = await terminal.call(b, "top")
        monkeypatch.setattr(output, "is_terminal", lambda: True)
        with monkeypatch.context() as patch:
            patch.setenv("TERM", "dumb")
            dumb = await terminal.call(b, "top", answer="")
        monkeypatch.setattr(top_command, "find_spec", lambda _name: None)
        missing = await terminal.call(b, "top")
    assert (piped.code, dumb.code, missing.code) == (2, 2, 2)
    assert "a terminal with cursor movement (TERM=dumb has none)" in dumb.err
    assert "needs a terminal. `asyncbatch ls`" in piped.err
    assert missing.err == "asyncbatch: asyncbatch top needs textual: pip install 'textual>=8'\n"
