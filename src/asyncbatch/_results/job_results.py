"""`JobResults`: the results of many jobs, as a list that shows and exports itself."""

import importlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import TYPE_CHECKING, Any, SupportsIndex, overload

from asyncbatch._results import tables
from asyncbatch._results.report.prices import PriceTable
from asyncbatch._results.rows import COLUMN_TYPES, row_of
from asyncbatch._values.results import JobResult, LogEvent
from asyncbatch._values.showing import repr_of

if TYPE_CHECKING:
    from rich.console import Group


class JobResults(list[JobResult]):
    """Results of jobs in the order of their requests: a list with more.

    `AsyncBatchClient.run` returns it, and errors that `run` raises have one, `results`, with those
    that are known. It is equal to a list of the same results. Notebooks and rich show a summary and
    the first failures, however many results there are.

    Attributes:
        earlier: Results of the failed submissions of jobs that a `RecoveryPolicy` submitted again,
            by the id of the last submission. Jobs without are left out.
        logs: The last log lines of failed jobs, by job id, as far as they were read.

    Example:
        ```python
        results = await batch.run([JobRequest("etl"), JobRequest("etl")])
        assert not results.failed
        print(results)
        rows = results.to_dicts()
        ```
    """

    def __init__(
        self,
        results: Iterable[JobResult] = (),
        *,
        earlier: Mapping[str, Sequence[JobResult]] | None = None,
        logs: Mapping[str, Sequence[LogEvent]] | None = None,
    ) -> None:
        """Take results, which are kept in their order."""
        super().__init__(results)
        self.earlier: Mapping[str, Sequence[JobResult]] = earlier or {}
        self.logs: Mapping[str, Sequence[LogEvent]] = logs or {}

    @property
    def failed(self) -> "JobResults":
        """The results of the jobs that FAILED."""
        return self._of(each for each in self if not each.succeeded)

    @property
    def succeeded(self) -> "JobResults":
        """The results of the jobs that SUCCEEDED."""
        return self._of(each for each in self if each.succeeded)

    def to_dicts(self) -> list[dict[str, Any]]:
        """Return a row of plain values for each job.

        Columns: ``job_id``, ``name``, ``status``, ``queue``, ``job_definition``, ``array_size``;
        ``created_at``, ``started_at`` and ``stopped_at``, in UTC; ``queue_delay``, the seconds from
        the submission to the first start; ``run_time`` of the last attempt in seconds;
        ``attempts``, ``exit_code``, ``vcpus``, ``memory_mib``, ``gpus``; of failed jobs
        ``failure_kind``, ``transient`` and ``message``. A value that is not known is None.
        """
        return [row_of(each) for each in self]

    def to_dataframe(self) -> Any:  # noqa: ANN401 - the types of pandas are not installed
        """Return the rows of `to_dicts` as a ``pandas.DataFrame``.

        Its columns and their types do not depend on the results: times are ``datetime64[ns, UTC]``;
        ``queue_delay`` and ``run_time`` are float64, in seconds; whole numbers, truth values and
        texts have the types of pandas in which a value can be missing: Int64, boolean and string.

        Raises:
            ModuleNotFoundError: pandas is not installed.
        """
        try:
            pandas = importlib.import_module("pandas")
        except ModuleNotFoundError as error:
            message = "to_dataframe() needs pandas: pip install pandas. to_dicts() does without it."
            raise ModuleNotFoundError(message, name="pandas") from error
        frame = pandas.DataFrame(self.to_dicts(), columns=list(COLUMN_TYPES))
        return frame.astype(COLUMN_TYPES)

    def report(
        self,
        path: str | PathLike[str],
        *,
        title: str = "",
        prices: PriceTable | None = None,
    ) -> None:
        """Write a report: one HTML file with timeline, table, failures and cost.

        The file contains all of its data and loads nothing from the network.

        Args:
            path: The file; an existing one is replaced.
            title: Title of the page.
            prices: What a vCPU-hour and a GiB-hour cost; None estimates no cost.

        Raises:
            InvalidRequest: An argument is invalid.
            ModuleNotFoundError: jinja2 is not installed.
            OSError: The file cannot be written.
        """
        # A sixth of the time that `import asyncbatch` takes.
        from asyncbatch._results.report.run import Run
        from asyncbatch._results.report.writing import write_report

        run = Run.of_results(self, earlier=self.earlier, logs=self.logs)
        write_report(path, run, title=title, prices=prices)

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> JobResult: ...

    @overload
    def __getitem__(self, index: slice, /) -> "JobResults": ...

    def __getitem__(self, index: SupportsIndex | slice, /) -> "JobResult | JobResults":
        """Return one result, or several."""
        if isinstance(index, slice):
            return self._of(super().__getitem__(index))
        return super().__getitem__(index)

    def __repr__(self) -> str:
        """Show how many jobs ended in which way, in one short line."""
        kinds = Counter(str(each.failure.kind) for each in self if each.failure)
        causes = ", ".join(f"{count:,} {kind}" for kind, count in kinds.most_common(3))
        return repr_of(f"JobResults {tables.summary(self)}{f' ({causes})' if causes else ''}")

    __str__ = __repr__

    def __rich__(self) -> "Group":
        """Show a summary and the first failures with rich."""
        return tables.rich_table(self)

    def _repr_html_(self) -> str:
        return tables.html_table(self)

    def _of(self, results: Iterable[JobResult]) -> "JobResults":
        return JobResults(results, earlier=self.earlier, logs=self.logs)
