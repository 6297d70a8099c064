"""The tables of `asyncbatch top`: they draw only what changed, and the cursor stays on its row."""

from collections.abc import Mapping, Sequence

from rich.text import Text
from textual.coordinate import Coordinate
from textual.widgets import DataTable

from asyncbatch import JobDescription, JobStatus
from asyncbatch._cli.job_facts import details, run_time
from asyncbatch._cli.output import ago, cell_width
from asyncbatch._values.text import one_line

_STYLES = {
    JobStatus.RUNNING: "cyan",
    JobStatus.STARTING: "cyan",
    JobStatus.SUCCEEDED: "green",
    JobStatus.FAILED: "bold red",
}

Cells = tuple[tuple[str, str], ...]
"""Text and style of the cells of a row."""


class Table(DataTable[Text]):
    """A table whose rows have keys.

    Args:
        headings: The headings of the columns.
        id: Identifier of the widget.
    """

    def __init__(self, headings: Sequence[str], *, id: str) -> None:  # noqa: A002 - as textual's
        super().__init__(id=id, cursor_type="row")
        self._headings = headings
        self._drawn: dict[str, Cells] = {}

    @property
    def selected(self) -> str | None:
        """The key of the row under the cursor; None in an empty table."""
        keys = list(self._drawn)
        return keys[self.cursor_row] if 0 <= self.cursor_row < len(keys) else None

    def show(self, rows: Mapping[str, Cells]) -> None:
        """Show rows in their order."""
        rows = {key: tuple((one_line(text), style) for text, style in rows[key]) for key in rows}
        if not self.columns:
            for heading in self._headings:
                self.add_column(heading, width=len(heading))
        widened = self._fit(rows)
        if list(rows) == list(self._drawn):
            self._update_cells(rows, update_width=widened)
        else:
            self._replace_rows(rows)
        self._drawn = dict(rows)

    def _fit(self, rows: Mapping[str, Cells]) -> bool:
        """Set the widths of the columns; return whether one changed.

        textual measures columns when it is idle, and does not draw again lines that it has drawn
        before that.
        """
        changed = False
        for place, (heading, column) in enumerate(
            zip(self._headings, self.ordered_columns, strict=True)
        ):
            texts = [heading, *(cells[place][0] for cells in rows.values())]
            width = max(map(cell_width, texts))
            changed |= width != column.width
            column.width = width
        return changed

    def _update_cells(self, rows: Mapping[str, Cells], *, update_width: bool) -> None:
        for place, (key, cells) in enumerate(rows.items()):
            for column, (old, new) in enumerate(zip(self._drawn[key], cells, strict=True)):
                if old != new:
                    at = Coordinate(place, column)
                    self.update_cell_at(at, Text(new[0], style=new[1]), update_width=update_width)

    def _replace_rows(self, rows: Mapping[str, Cells]) -> None:
        selected, place = self.selected, self.cursor_row
        self.clear()
        for key, cells in rows.items():
            self.add_row(*(Text(text, style=style) for text, style in cells), key=key)
        if selected is not None and selected in rows:
            place = list(rows).index(selected)
        self.move_cursor(row=max(min(place, len(rows) - 1), 0))


class JobTable(Table):
    """A table of jobs.

    Args:
        id: Identifier of the widget.
    """

    def __init__(self, *, id: str) -> None:  # noqa: A002 - as textual's
        super().__init__(("NAME", "STATUS", "AGE", "RAN", "DETAILS", "JOB ID"), id=id)

    def show_jobs(self, jobs: Sequence[JobDescription]) -> None:
        """Show jobs in their order."""
        self.show({job.job_id: _cells(job) for job in jobs})


def _cells(job: JobDescription) -> Cells:
    index = job.array.index if job.array else None
    return (
        (job.name if index is None else f"{job.name}:{index}", ""),
        (job.status, _STYLES.get(job.status, "")),
        (ago(job.created_at), ""),
        (run_time(job), ""),
        (details(job), ""),
        (job.job_id, "dim"),
    )
