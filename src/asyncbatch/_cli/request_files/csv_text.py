"""Rows of CSV files: a header, then one row per request. All values are text, as they are."""

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass

from asyncbatch._cli.request_files.documents import MalformedText, Problem


@dataclass(frozen=True, slots=True)
class Row:
    """A row.

    Attributes:
        line: Where it begins, 1 for the first line of the file.
        cells: Text by column.
    """

    line: int
    cells: dict[str, str]


class Table:
    """A CSV file, of which the header is read.

    Attributes:
        columns: Names of the columns, in order.
    """

    def __init__(self, text: str, *, delimiter: str = ",") -> None:
        """Read the header.

        Raises:
            MalformedText: There is none, or a name is missing or there twice.
        """
        # Line ends within quotes are kept.
        self._rows = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        try:
            header = next((row for row in self._rows if row), [])
        except csv.Error as error:
            raise MalformedText(f"not CSV: {error}", self._rows.line_num) from None
        self.columns = tuple(name.strip() for name in header)
        line = self._rows.line_num
        if not header:
            raise MalformedText("has no header: the first line names the columns")
        if len(header) == 1 and ";" in header[0]:
            raise MalformedText("columns must be separated by commas, not by semicolons", line)
        for place, name in enumerate(self.columns):
            if not name:
                raise MalformedText(f"column {place + 1} has no name in the header", line)
            if name in self.columns[:place]:
                raise MalformedText(f"two columns have the name {name!r}", line)

    def rows(self) -> Iterator[Row | Problem]:
        """Yield the rows that are not blank, or what is wrong with them."""
        while True:
            line = self._rows.line_num + 1
            try:
                cells = next(self._rows)
            except StopIteration:
                return
            except csv.Error as error:
                # The reader cannot know where the next row begins.
                yield Problem(line, MalformedText(f"not CSV: {error}"))
                return
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(self.columns):
                rule = f"this row has {len(cells)} columns, and the header {len(self.columns)}"
                yield Problem(line, MalformedText(rule))
                continue
            yield Row(line, dict(zip(self.columns, cells, strict=True)))
