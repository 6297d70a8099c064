"""The HTML page of a report: texts, figures and compact data for its script.

Everything that AWS, jobs or people wrote reaches the page as text: jinja2 escapes it, the script
sets it as text content, and the JSON of the data contains neither ``<`` nor ``&``. A Content
Security Policy allows no network, and no script but the page's own.
"""

import base64
import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from asyncbatch._results.report.chart import chart_of
from asyncbatch._results.report.figures import (
    JobFigures,
    Totals,
    failure_groups,
    figures_of,
    percentiles,
    totals_of,
)
from asyncbatch._results.report.prices import PriceTable
from asyncbatch._results.report.run import ReportedJob, Run
from asyncbatch._values.showing import duration_text
from asyncbatch._values.text import fit_for_terminal, one_line, shortened

if TYPE_CHECKING:
    from jinja2 import Template

_LOG_LINES = 40
_LONGEST_LINE = 2_000
_LONGEST_MESSAGE = 600

_COLUMNS = (
    ("Job", 0, "text"),
    ("Status", 2, "word"),
    ("Reason", 12, "reason"),
    ("Queue delay", 4, "number"),
    ("Run time", 5, "number"),
    ("Attempts", 6, "number"),
    ("Submissions", 7, "number"),
    ("Exit code", 8, "number"),
    ("vCPU-hours", 9, "number"),
    ("Cost", 10, "number"),
    ("Queue", 3, "text"),
    ("Id", 1, "id"),
)

_GENERAL_NOTES = (
    (
        "Times are those of AWS Batch: submission, start and end of each attempt. AWS does not"
        " report when a job was STARTING, so that time counts as waiting. All times are in UTC."
    ),
    (
        "vCPU-hours and GiB-hours are what the containers asked for, times the run time of all"
        " attempts of all submissions. They do not say what was used."
    ),
    "Attempts that failed, and attempts that were followed by another one, count as wasted.",
)


def render(run: Run, *, title: str, prices: PriceTable | None) -> str:
    """Return the page.

    Raises:
        ModuleNotFoundError: jinja2 is not installed.
    """
    template = _template()
    from markupsafe import Markup

    figures = [figures_of(job, prices) for job in run.jobs]
    totals = totals_of(figures)
    script, css = _own_file("page.js"), _own_file("page.css")
    chart = chart_of(run)
    delays = _delays(run, figures)
    return template.render(
        title=one_line(title) or "Report of an AWS Batch run",
        subtitle=_subtitle(run),
        tiles=_tiles(run, totals, prices),
        chart=chart,
        failures=_failures(run),
        delays=delays,
        has_delays=bool(delays),
        statuses=sorted({job.last.status for job in run.jobs}),
        columns=[
            {"label": label, "key": key, "kind": kind}
            for label, key, kind in _COLUMNS
            if label != "Cost" or prices is not None
        ],
        notes=_notes(totals, prices),
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        # The files of this package, and JSON without any character that HTML knows.
        script=Markup(script),  # noqa: S704 - as above
        css=Markup(css),  # noqa: S704 - as above
        data=Markup(_json(_data(run, figures, prices))),  # noqa: S704 - as above
    )


@cache
def _template() -> "Template":
    try:
        from jinja2 import Environment, StrictUndefined
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "a report needs jinja2: pip install 'jinja2>=3.1.5'", name="jinja2"
        ) from error
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(_own_file("page.html.j2"))


@cache
def _own_file(name: str) -> str:
    return resources.files("asyncbatch._results.report").joinpath(name).read_text(encoding="utf-8")


# -- texts ----------------------------------------------------------------------------------------


def _subtitle(run: Run) -> str:
    times = _times(run)
    if not times:
        return f"{_number(len(run.jobs))} jobs; no times are known"
    begin, end = min(times), max(times)
    period = f"{_time(begin)} to {_time(end)} UTC, {duration_text(end - begin)}"
    return f"{_number(len(run.jobs))} jobs, {period}"


def _tiles(run: Run, totals: Totals, prices: PriceTable | None) -> list[dict[str, str]]:
    statuses = Counter(job.last.status for job in run.jobs)
    tiles = [
        _tile(_number(count), status, {"SUCCEEDED": "good", "FAILED": "bad"}.get(status, ""))
        for status, count in sorted(statuses.items(), reverse=True)
    ]
    again = sum(len(job.submissions) - 1 for job in run.jobs)
    if again:
        tiles.append(_tile(_number(again), "resubmissions"))
    if totals.ran:
        tiles.append(_tile(f"{totals.asked.vcpu:,.2f}", "vCPU-hours asked for"))
        tiles.append(_tile(f"{totals.asked.gib:,.2f}", "GiB-hours asked for"))
    if totals.asked.gpu:
        tiles.append(_tile(f"{totals.asked.gpu:,.2f}", "GPU-hours asked for"))
    if totals.wasted_share is not None:
        label = "of the vCPU-hours in attempts that failed"
        tiles.append(_tile(f"{totals.wasted_share:.1%}", label))
    if prices is not None:
        cost = f"{totals.cost:,.2f} {one_line(prices.currency)}" if totals.priced else "not known"
        tiles.append(_tile(cost, f"estimated cost of {_number(totals.priced)} jobs"))
    return tiles


def _tile(value: str, label: str, kind: str = "") -> dict[str, str]:
    return {"value": value, "label": label, "kind": kind}


def _failures(run: Run) -> list[dict[str, Any]]:
    return [
        {
            "kind": group.kind,
            "jobs": group.jobs,
            "transient": group.transient,
            "messages": [(_message(message), number) for message, number in group.messages],
            "examples": [
                {
                    "name": one_line(each.name) or "?",
                    "job_id": one_line(each.job_id),
                    "log": _log(each.log),
                }
                for each in group.examples
            ],
        }
        for group in failure_groups(run)
    ]


def _log(lines: Sequence[str]) -> str:
    return "\n".join(
        shortened(fit_for_terminal(line), _LONGEST_LINE) for line in lines[-_LOG_LINES:]
    )


def _delays(run: Run, figures: Sequence[JobFigures]) -> list[str]:
    """Return the distribution of queue delay and run time as lines of text."""
    known = {
        "Queue delay": percentiles(job.last.queue_delay for job in run.jobs),
        "Run time": percentiles(each.ran for each in figures),
    }
    if not all(known.values()):
        return []
    return [
        f"{what}: " + ", ".join(f"{name} {_duration(value)}" for name, value in values.items())
        for what, values in known.items()
    ]


def _notes(totals: Totals, prices: PriceTable | None) -> list[str]:
    notes = [*_GENERAL_NOTES]
    if totals.unknown:
        notes.append(
            f"Not included in hours and cost: {_number(totals.unknown)} jobs whose resources are"
            " not known. AWS describes the children of an array, the nodes of a multi-node job and"
            " several containers of a job one by one."
        )
    if prices is None:
        notes.append("No prices were given, so no cost is estimated.")
        return notes
    notes.append(
        f"Prices: {one_line(prices.source)}. The estimate covers the run time of the containers;"
        " it has no image pulls, minimum times, storage, network or discounts."
    )
    unpriced = totals.ran - totals.priced
    if unpriced:
        notes.append(
            f"No price is known for {_number(unpriced)} jobs. EC2 bills instances, and AWS Batch"
            " does not say on which instance type a job ran: give a price for the queue if you"
            " know it."
        )
    return notes


# -- data for the script --------------------------------------------------------------------------


class _Texts(dict[str, int]):
    """Texts that many jobs share: the place of each in a list."""

    def place(self, text: str | None) -> int | None:
        """Return the place of a text, a new one if it is not known; None for no text."""
        return self.setdefault(text, len(self)) if text else None


class _Data:
    """Collects the data of the script: a list for each job, and the texts that they share."""

    def __init__(self, start: float) -> None:
        self._start = start
        self.queues, self.kinds, self.messages = _Texts(), _Texts(), _Texts()

    def job(self, job: ReportedJob, figures: JobFigures) -> list[Any]:
        """Return a job as the script expects it; its constants name the places."""
        last, failure = job.last, job.last.failure
        attempts = sum(len(s.description.attempts) for s in job.submissions if s.description)
        has_hours = figures.ran is not None and figures.is_known
        return [
            one_line(last.name),
            one_line(last.job_id),
            one_line(last.status),
            self.queues.place(one_line(last.queue)),
            _rounded(last.queue_delay, 1),
            _rounded(figures.ran, 1),
            attempts or None,
            len(job.submissions),
            last.description.exit_code if last.description else None,
            _rounded(figures.asked.vcpu, 4) if has_hours else None,
            _rounded(figures.cost, 5),
            self.kinds.place(failure.kind if failure else None),
            self.messages.place(_message(failure.message) if failure else None),
            self._segments(job),
        ]

    def _segments(self, job: ReportedJob) -> list[float | int]:
        """Return kind, begin and end of each time, in seconds since the start."""
        numbers: list[float | int] = []
        for submission in job.submissions:
            for each in submission.segments():
                kind = 0 if not each.ran else 1 if each.useful else 2
                begin, end = each.begin.timestamp(), each.end.timestamp()
                numbers += (kind, round(begin - self._start, 1), round(end - self._start, 1))
        return numbers


def _data(run: Run, figures: Sequence[JobFigures], prices: PriceTable | None) -> dict[str, Any]:
    times = _times(run)
    start = min(times).timestamp() if times else 0.0
    data = _Data(start)
    jobs = [data.job(job, each) for job, each in zip(run.jobs, figures, strict=True)]
    return {
        "start": start,
        "end": max(times).timestamp() - start if times else 0.0,
        "priced": prices is not None,
        "queues": list(data.queues),
        "kinds": list(data.kinds),
        "messages": list(data.messages),
        "jobs": jobs,
    }


def _json(value: object) -> str:
    """Return JSON that is safe inside of a script element."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _message(text: str) -> str:
    return shortened(one_line(text), _LONGEST_MESSAGE)


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def _times(run: Run) -> list[datetime]:
    return [
        time
        for job in run.jobs
        for submission in job.submissions
        for segment in submission.segments()
        for time in (segment.begin, segment.end)
    ]


def _time(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def _duration(seconds: float) -> str:
    return duration_text(timedelta(seconds=seconds))


def _number(number: int) -> str:
    return f"{number:,}"
