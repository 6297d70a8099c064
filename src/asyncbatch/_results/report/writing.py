"""Writing a report to a file."""

from os import PathLike
from pathlib import Path

from asyncbatch._results.report.page import render
from asyncbatch._results.report.prices import PriceTable
from asyncbatch._results.report.run import Run
from asyncbatch._values import checks as check
from asyncbatch._values.errors import InvalidRequest


def write_report(
    path: str | PathLike[str], run: Run, *, title: str = "", prices: PriceTable | None = None
) -> None:
    """Write the report of a run; an existing file is replaced.

    Raises:
        InvalidRequest: An argument is invalid.
        ModuleNotFoundError: jinja2 is not installed.
        OSError: The file cannot be written.
    """
    check.path("path", path)
    if not isinstance(title, str):
        raise InvalidRequest("title", title, "must be a text")
    if prices is not None and not isinstance(prices, PriceTable):
        raise InvalidRequest("prices", prices, "must be a PriceTable, or None for no estimate")
    page = render(run, title=title, prices=prices)
    Path(path).write_text(page, encoding="utf-8")
