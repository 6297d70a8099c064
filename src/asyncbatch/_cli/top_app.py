"""The screens of `asyncbatch top`: queues and jobs, one job with its log, a question.

Everything that is shown comes from AWS or from jobs, so it passes `one_line` or `fit_for_terminal`,
and is given as text without markup.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import DataTable, Footer, Input, RichLog, Static

from asyncbatch import AsyncBatchClient, JobDescription, JobStatus
from asyncbatch._cli.errors import message_of
from asyncbatch._cli.job_facts import details, run_time
from asyncbatch._cli.output import ago
from asyncbatch._cli.top_board import MOST_ROWS, Board, Choice, chosen
from asyncbatch._values.errors import AsyncBatchError
from asyncbatch._values.text import fit_for_terminal, one_line

_STYLES = {
    JobStatus.RUNNING: "cyan",
    JobStatus.STARTING: "cyan",
    JobStatus.SUCCEEDED: "green",
    JobStatus.FAILED: "bold red",
}
_REDRAW = 0.5  # seconds
_TAIL = 200
"""Lines of the log that are shown before new ones."""

_READ_ONLY = "Read-only: start with --write to change jobs."


def _cell(value: object, style: str = "") -> Text:
    return Text(one_line(str(value or "")), style=style)


class Question(ModalScreen[bool]):
    """A question that is answered with y or n."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "Yes"),
        Binding("n,escape", "answer(False)", "No"),
    ]

    def __init__(self, text: str) -> None:
        super().__init__()
        self._text = text

    def compose(self) -> ComposeResult:
        """Show the question."""
        yield Static(Text(f"{self._text}\n\ny: yes   n: no"), id="question")

    def action_answer(self, answer: bool) -> None:  # noqa: FBT001 - an action of textual
        """Close the question."""
        self.dismiss(answer)


class JobScreen(Screen[None]):
    """One job: its state, why it is in it, and its log as it is written."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "app.pop_screen", "Back"),
        Binding("e", "explain", "Explain again"),
        Binding("t", "app.terminate", "Terminate"),
        Binding("r", "app.rerun", "Run again"),
    ]

    def __init__(self, batch: AsyncBatchClient, job: JobDescription) -> None:
        super().__init__()
        self.job = job
        self._batch = batch

    def compose(self) -> ComposeResult:
        """Place the explanation above the log."""
        with VerticalScroll(id="explanation"):
            yield Static(_cell("Explaining …"), id="text")
        yield RichLog(id="log", wrap=True, max_lines=10_000)
        yield Footer()

    def on_mount(self) -> None:
        """Start to explain the job and to follow its log."""
        self.action_explain()
        self.run_worker(self._follow_log(), group="log")

    def action_explain(self) -> None:
        """Explain the job."""
        self.run_worker(self._explain(), group="explain", exclusive=True)

    async def _explain(self) -> None:
        try:
            text = str(await self._batch.explain(self.job.job_id))
        except AsyncBatchError as error:
            text = message_of(error)
        self.query_one("#text", Static).update(Text(fit_for_terminal(text)))

    async def _follow_log(self) -> None:
        log = self.query_one("#log", RichLog)
        if self.job.is_array_parent:
            log.write(Text("Each child has a log of its own: `asyncbatch logs` shows them."))
            return
        try:
            async for event in self._batch.logs([self.job.job_id], tail=_TAIL):
                log.write(Text(fit_for_terminal(event.message)))
        except AsyncBatchError as error:
            log.write(Text(message_of(error), style="red"))


class TopApp(App[None]):
    """Queues at the left, the jobs of one queue at the right.

    Args:
        batch: An open client.
        queue: Queue that is shown first; None for the first one that takes jobs.
        may_write: Whether jobs may be ended and run again.
    """

    TITLE = "asyncbatch top"
    ENABLE_COMMAND_PALETTE = False
    CSS = """
    #title { height: 1; background: $primary; color: $text; padding: 0 1; }
    #queues { width: 26; height: 1fr; }
    #jobs { height: 1fr; }
    #log { height: 1fr; }
    #filter { display: none; }
    #filter.shown { display: block; }
    #explanation { height: 50%; border-bottom: solid $primary; padding: 0 1; }
    #question { width: 70; height: auto; border: thick $primary; padding: 1 2; }
    #question { background: $surface; }
    Question { align: center middle; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("slash", "filter", "Filter", key_display="/"),
        Binding("f", "state", "State"),
        Binding("s", "order", "Sort"),
        Binding("t", "terminate", "Terminate"),
        Binding("r", "rerun", "Run again"),
        Binding("escape", "clear", "Clear filter", show=False),
    ]

    def __init__(
        self, batch: AsyncBatchClient, *, queue: str | None = None, may_write: bool = False
    ) -> None:
        super().__init__()
        self.board = Board(batch._require_open().api, queue)  # noqa: SLF001 - lists page by page
        self.choice = Choice()
        self._batch = batch
        self._may_write = may_write
        self._drawn: tuple[int, Choice] | None = None
        self._shown: list[JobDescription] = []

    # -- drawing ----------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Place the queues beside the jobs."""
        yield Static(id="title")
        with Horizontal():
            yield DataTable(id="queues", cursor_type="row")
            with Vertical():
                yield Input(placeholder="Part of a name or id", id="filter")
                yield DataTable(id="jobs", cursor_type="row")
        yield Footer()

    def on_mount(self) -> None:
        """Start to list jobs, and to draw what changed."""
        self.query_one("#queues", DataTable).add_columns("QUEUE", "STATE")
        jobs = self.query_one("#jobs", DataTable)
        jobs.add_columns("NAME", "STATUS", "AGE", "RAN", "DETAILS", "JOB ID")
        jobs.focus()
        self.run_worker(self.board.run(), group="board")
        self.set_interval(_REDRAW, self.draw)
        self.draw()

    def draw(self) -> None:
        """Draw the tables, if anything changed."""
        now = (self.board.version, self.choice)
        if self._drawn == now:
            return
        self._drawn = now
        found = chosen(self.board.jobs(), self.choice)
        self._shown = found[:MOST_ROWS]
        self._draw_title(len(found))
        self._draw_queues()
        table = self.query_one("#jobs", DataTable)
        selected = table.cursor_row
        table.clear()
        for job in self._shown:
            table.add_row(
                _cell(job.name),
                _cell(job.status, _STYLES.get(job.status, "")),
                _cell(ago(job.created_at)),
                _cell(run_time(job)),
                _cell(details(job)),
                _cell(job.job_id, "dim"),
                key=job.job_id,
            )
        table.move_cursor(row=min(selected, max(len(self._shown) - 1, 0)))

    def _draw_title(self, number: int) -> None:
        board, choice = self.board, self.choice
        counts = "  ".join(
            f"{count:,}{'+' if state in board.cut else ''} {state}"
            for state, count in board.counts().items()
        )
        parts = [board.queue or "…", counts or ("no jobs" if board.rounds else "listing …")]
        if choice.text or choice.state or number > MOST_ROWS:
            parts.append(f"shown {min(number, MOST_ROWS)} of {number:,}")
        parts.append(f"by {choice.order}")
        if not self._may_write:
            parts.append("read-only")
        if choice.state:
            parts.append(f"only {choice.state}")
        if choice.text:
            parts.append(f"/{choice.text}")
        if board.error:
            parts = [board.queue, board.error]
        style = "bold red" if board.error else ""
        self.query_one("#title", Static).update(_cell("  |  ".join(parts), style))

    def _draw_queues(self) -> None:
        table = self.query_one("#queues", DataTable)
        rows = [
            (queue.name, queue.state if queue.takes_jobs else f"{queue.state}!")
            for queue in self.board.queues
        ]
        if table.row_count == len(rows):
            return
        table.clear()
        for name, state in rows:
            table.add_row(_cell(name), _cell(state), key=name)

    # -- events -----------------------------------------------------------------------------------

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Show the jobs of a queue, or a job."""
        key = str(event.row_key.value)
        if event.data_table.id == "queues":
            self.board.select(key)
            self.query_one("#jobs", DataTable).focus()
        elif job := self._job(key):
            self.push_screen(JobScreen(self._batch, job))
        self.draw()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter the jobs while a person types."""
        self.choice = replace(self.choice, text=event.value)
        self.draw()

    def on_input_submitted(self) -> None:
        """Go back to the jobs."""
        self.query_one("#jobs", DataTable).focus()

    def action_filter(self) -> None:
        """Show the filter."""
        field = self.query_one("#filter", Input)
        field.add_class("shown")
        field.focus()

    def action_clear(self) -> None:
        """Remove the filter."""
        field = self.query_one("#filter", Input)
        field.value = ""
        field.remove_class("shown")
        self.choice = replace(self.choice, text="", state=None)
        self.query_one("#jobs", DataTable).focus()
        self.draw()

    def action_state(self) -> None:
        """Show the jobs of the next state only."""
        self.choice = self.choice.next_state()
        self.draw()

    def action_order(self) -> None:
        """Sort by the next order."""
        self.choice = self.choice.next_order()
        self.draw()

    # -- changing jobs ----------------------------------------------------------------------------

    def action_terminate(self) -> None:
        """Terminate a job, after a question."""

        async def terminate(job: JobDescription) -> None:
            await self._batch.terminate([job.job_id], reason="terminated in asyncbatch top")

        self._change("Terminate", lambda job: not job.status.is_terminal, terminate)

    def action_rerun(self) -> None:
        """Run a failed job again, after a question."""

        async def rerun(job: JobDescription) -> None:
            await self._batch.rerun_failed([await self._batch.job(job.job_id)])

        self._change("Run again", lambda job: job.status is JobStatus.FAILED, rerun)

    def _change(
        self,
        what: str,
        is_possible: Callable[[JobDescription], bool],
        change: Callable[[JobDescription], Awaitable[None]],
    ) -> None:
        job = self._selected()
        if not self._may_write:
            self.notify(_READ_ONLY, severity="warning", markup=False)
        elif job is None or not is_possible(job):
            state = job.status if job else "no job"
            self.notify(f"{what}: not possible ({state}).", severity="warning", markup=False)
        else:
            self.run_worker(self._ask_and_change(what, job, change), group="change")

    async def _ask_and_change(
        self,
        what: str,
        job: JobDescription,
        change: Callable[[JobDescription], Awaitable[None]],
    ) -> None:
        question = f"{what} job {one_line(job.name)} ({job.job_id})?"
        if not await self.push_screen_wait(Question(question)):
            return
        try:
            await change(job)
        except AsyncBatchError as error:
            self.notify(message_of(error), severity="error", markup=False)
        else:
            self.notify(f"{what}: {job.job_id} accepted.", markup=False)

    def _selected(self) -> JobDescription | None:
        """Return the job of the screen, or that under the cursor."""
        if isinstance(self.screen, JobScreen):
            return self._job(self.screen.job.job_id) or self.screen.job
        table = self.query_one("#jobs", DataTable)
        return self._shown[table.cursor_row] if 0 <= table.cursor_row < len(self._shown) else None

    def _job(self, job_id: str) -> JobDescription | None:
        return next((job for job in self.board.jobs() if job.job_id == job_id), None)
