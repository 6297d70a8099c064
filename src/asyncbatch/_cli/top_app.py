"""The screens of `asyncbatch top`: queues and jobs, one job with its log or children, a question.

Everything that is shown comes from AWS or from jobs, so it passes `one_line` or `fit_for_terminal`,
and is given as text without markup.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import ClassVar

import anyio
from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.screen import ModalScreen, Screen
from textual.widgets import DataTable, Footer, Input, RichLog, Static
from textual.worker import Worker, WorkerState

from asyncbatch import AsyncBatchClient, JobDescription, JobStatus
from asyncbatch._cli.errors import message_of
from asyncbatch._cli.top_board import MOST_ROWS, Board, Choice, children, chosen
from asyncbatch._cli.top_table import JobTable, Table
from asyncbatch._values.errors import AsyncBatchError
from asyncbatch._values.text import fit_for_terminal, one_line, shortened

_REDRAW = 0.5  # seconds
_AGES = 5.0
"""Seconds after which the ages of jobs are drawn again."""

_TAIL = 200
"""Lines of the log that are shown before new ones."""

_LONGEST_LINE = 2_000
"""Characters of a line of the log that are shown: a longer one would push out all others."""

_CHILDREN_AGAIN = 15.0  # seconds

_CHOOSING = frozenset({"filter", "state", "order", "clear"})
_READ_ONLY = "Read-only: start with --write to change jobs."


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
    """One job: its state, why it is in it, and its log as it is written, or its children."""

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
        self._children: dict[str, JobDescription] = {}

    def compose(self) -> ComposeResult:
        """Place the explanation above the log or the children."""
        with VerticalScroll(id="explanation"):
            yield Static(Text("Explaining …"), id="text")
        if self.job.is_array_parent:
            yield JobTable(id="children")
        else:
            yield RichLog(id="log", wrap=True, max_lines=10_000)
        yield Footer()

    def on_mount(self) -> None:
        """Start to explain the job, and to follow its log or its children."""
        self.action_explain()
        follow = self._list_children if self.job.is_array_parent else self._follow_log
        self.run_worker(follow(), group="follow", exit_on_error=False)
        self.query_one("#children" if self.job.is_array_parent else "#log").focus()

    def changed(self, job: JobDescription) -> None:
        """Explain the job again if its state has changed."""
        if job.status is not self.job.status:
            self.job = job
            self.action_explain()

    def action_explain(self) -> None:
        """Explain the job."""
        self.run_worker(self._explain(), group="explain", exclusive=True, exit_on_error=False)

    async def _explain(self) -> None:
        try:
            text = str(await self._batch.explain(self.job.job_id))
        except AsyncBatchError as error:
            text = message_of(error)
        self.query_one("#text", Static).update(Text(fit_for_terminal(text)))

    async def _follow_log(self) -> None:
        log = self.query_one("#log", RichLog)
        try:
            async for event in self._batch.logs([self.job.job_id], tail=_TAIL):
                log.write(Text(fit_for_terminal(shortened(event.message, _LONGEST_LINE))))
        except AsyncBatchError as error:
            log.write(Text(message_of(error), style="red"))

    async def _list_children(self) -> None:
        """List the children again and again, until all have ended."""
        api = self._batch._require_open().api  # noqa: SLF001 - lists page by page
        table = self.query_one(JobTable)
        has_ended = False
        while not has_ended:
            has_ended = self.job.status.is_terminal
            try:
                async for listed in children(api, self.job):
                    # While they are listed again, the table has more of them.
                    if len(listed) >= len(self._children):
                        self._children = {child.job_id: child for child in listed}
                        table.show_jobs(listed)
            except AsyncBatchError as error:
                self.notify(message_of(error), severity="error", markup=False)
                has_ended = False
            await anyio.sleep(_CHILDREN_AGAIN)  # noqa: TID251 - a screen is drawn again

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Show a child."""
        event.stop()
        if child := self._children.get(str(event.row_key.value)):
            self.app.push_screen(JobScreen(self._batch, child))


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
    #title { height: auto; max-height: 3; background: $primary; color: $text; padding: 0 1; }
    #queues { width: 26; height: 1fr; }
    .-narrow #queues { display: none; }
    #jobs, #log, #children { height: 1fr; }
    #filter { display: none; }
    #filter.shown { display: block; }
    #explanation { height: 50%; border-bottom: solid $primary; padding: 0 1; }
    #question { width: 70; max-width: 100%; height: auto; border: thick $primary; padding: 1 2; }
    #question { background: $surface; }
    Question { align: center middle; }
    """
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (60, "-wide")]  # noqa: RUF012 - as textual declares it
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("ctrl+c", "quit", show=False, priority=True),
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
        self._drawn: tuple[int, Choice, float] | None = None
        self.failure: BaseException | None = None

    # -- drawing ----------------------------------------------------------------------------------

    def compose(self) -> ComposeResult:
        """Place the queues beside the jobs."""
        yield Static(id="title")
        with Horizontal():
            yield Table(("QUEUE", "STATE"), id="queues")
            with Vertical():
                yield Input(placeholder="Part of a name or id", id="filter")
                yield JobTable(id="jobs")
        yield Footer()

    def on_mount(self) -> None:
        """Start to list jobs, and to draw what changed."""
        self.query_one("#jobs", JobTable).focus()
        self.run_worker(self.board.run(), group="board", exit_on_error=False)
        self._batch.add_observer(self.board.notice)
        self.set_interval(_REDRAW, self.draw)
        self.draw()

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """End with the error of a worker, which the command reports."""
        if event.state is WorkerState.ERROR:
            self.failure = event.worker.error
            self.exit()

    def draw(self) -> None:
        """Draw the tables, if anything changed, and ages from time to time."""
        now = (self.board.version, self.choice, anyio.current_time() // _AGES)
        if self._drawn == now:
            return
        self._drawn = now
        found = chosen(self.board.jobs(), self.choice)
        self._draw_title(len(found))
        rows = {
            queue.name: ((queue.name, ""), (queue.state + "!" * (not queue.takes_jobs), ""))
            for queue in self.board.queues
        }
        self.query_one("#queues", Table).show(rows)
        self.query_one("#jobs", JobTable).show_jobs(found[:MOST_ROWS])
        for screen in self.screen_stack:
            if isinstance(screen, JobScreen) and (job := self._job(screen.job.job_id)):
                screen.changed(job)

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
        title = Text(one_line("  |  ".join(parts)), style=style)
        self.query_one("#title", Static).update(title)

    # -- events -----------------------------------------------------------------------------------

    def on_data_table_row_selected(self, event: DataTable.RowSelected) -> None:
        """Show the jobs of a queue, or a job."""
        key = str(event.row_key.value)
        if event.data_table.id == "queues":
            self.board.select(key)
            self.query_one("#jobs", JobTable).focus()
        elif job := self._job(key):
            self.push_screen(JobScreen(self._batch, job))
        self.draw()

    def on_input_changed(self, event: Input.Changed) -> None:
        """Filter the jobs while a person types."""
        self.choice = replace(self.choice, text=event.value)
        self.draw()

    def on_input_submitted(self) -> None:
        """Go back to the jobs."""
        self.query_one("#jobs", JobTable).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002 - textual's
        """Return whether an action applies: what chooses jobs does so where they are shown."""
        return action not in _CHOOSING or len(self.screen_stack) == 1

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
        self.query_one("#jobs", JobTable).focus()
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
            self.run_worker(
                self._ask_and_change(what, job, change), group="change", exit_on_error=False
            )

    async def _ask_and_change(
        self,
        what: str,
        job: JobDescription,
        change: Callable[[JobDescription], Awaitable[None]],
    ) -> None:
        whole = f" with {job.array.size:,} children" if job.array and job.array.size else ""
        question = f"{what} job {one_line(job.name)} ({job.job_id}){whole}?"
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
        return self._job(self.query_one("#jobs", JobTable).selected)

    def _job(self, job_id: str | None) -> JobDescription | None:
        return next((job for job in self.board.jobs() if job.job_id == job_id), None)
