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

from asyncbatch._cli import top as top_command
from asyncbatch._cli import top_app
from asyncbatch._cli.top_app import JobScreen, Question, TopApp
from asyncbatch.local import Launch, Script
from tests.cli.harness import Terminal
from tests.fixtures.bench import Bench, MakeBench

pytestmark = pytest.mark.virtual_time

PICTURE = Path(__file__).parents[2] / "docs" / "_static" / "top.svg"
SCRIPTS = {
    "bad": Script(exit_code=3, lines=[(0.1, "input.csv is empty")]),
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
    monkeypatch.setattr(top_app, "ago", lambda _moment: "9s")
    monkeypatch.setattr(top_app, "run_time", lambda job: "8s" if job.started_at else "")

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


async def test_missing_terminal_and_extra_are_one_line(
    bench: MakeBench, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with bench() as b:
        piped = await terminal.call(b, "top")
        monkeypatch.setattr(top_command, "find_spec", lambda _name: None)
        missing = await terminal.call(b, "top")
    assert (piped.code, missing.code) == (2, 2)
    assert "needs a terminal. `asyncbatch ls`" in piped.err
    assert missing.err == "asyncbatch: asyncbatch top needs textual: pip install 'textual>=8'\n"
