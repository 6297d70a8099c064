"""The report of a run: figures, cost, and a page that is safe and self-contained."""

import json
import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from asyncbatch import (
    ArrayProperties,
    InvalidRequest,
    JobResult,
    JobResults,
    LogEvent,
    Price,
    PriceTable,
)
from asyncbatch._results.report.chart import chart_of
from asyncbatch._results.report.figures import figures_of, totals_of
from asyncbatch._results.report.run import Run
from tests.results.results import HOSTILE, at, result

PRICES = PriceTable(
    currency="USD",
    source="an example",
    fargate=Price(vcpu_hour=1.0, gib_hour=0.5),
    queues={"gpu": Price(vcpu_hour=3.0)},
)
FARGATE = {"platformCapabilities": ("FARGATE",)}


class Page(HTMLParser):
    """A parsed page: its elements, their text, and the data of its script."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self._inside = ""
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._inside = tag

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        (self.scripts if self._inside == "script" else self.texts).append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))

    @property
    def data(self) -> dict[str, Any]:
        data: dict[str, Any] = json.loads(self.scripts[0])
        return data


def page_of(tmp_path: Path, results: JobResults, **options: Any) -> Page:  # noqa: ANN401 - of report
    path = tmp_path / "report.html"
    results.report(path, **options)
    return Page(path)


def run_of(*results: JobResult, earlier: dict[str, list[JobResult]] | None = None) -> Run:
    return Run.of_results(results, earlier=earlier or {}, logs={})


# -- figures --------------------------------------------------------------------------------------


def test_hours_are_those_of_all_attempts_and_failed_ones_are_wasted() -> None:
    run = run_of(result(runs=[(0, 1800), (1800, 5400)]), result("b", error="exit code 1"))
    totals = totals_of(figures_of(job, None) for job in run.jobs)
    assert (totals.asked.vcpu, totals.asked.gib) == (1 + 2 + 2, 2 + 4 + 4)
    assert (totals.wasted.vcpu, totals.wasted_share) == (1 + 2, 0.6)


def test_earlier_submissions_of_a_job_are_wasted() -> None:
    first = result("first", error="Host lost")
    run = run_of(result("last"), earlier={"last": [first]})
    (job,) = run.jobs
    figures = figures_of(job, None)
    assert len(job.submissions) == 2
    assert (figures.asked.vcpu, figures.wasted.vcpu, figures.ran) == (4, 2, 7200)


def test_cost_needs_fargate_or_a_price_for_the_queue() -> None:
    jobs = [
        result("on ec2"),
        result("on fargate", extra=FARGATE),
        result("on gpu", queue="gpu"),
        result("never ran", runs=[], error="cancelled"),
    ]
    costs = [figures_of(job, PRICES).cost for job in run_of(*jobs).jobs]
    assert costs == [None, 2 * 1.0 + 4 * 0.5, 2 * 3.0, None]


@pytest.mark.parametrize(
    "fields",
    [{"array": ArrayProperties(size=5), "attempts": ()}, {"containers": ()}],
    ids=["array", "several containers"],
)
def test_unknown_resources_are_not_guessed(fields: dict[str, Any]) -> None:
    (job,) = run_of(result(extra=FARGATE, **fields)).jobs
    figures = figures_of(job, PRICES)
    assert not figures.is_known
    assert (figures.asked.vcpu, figures.cost) == (0, None)


def test_time_between_attempts_is_waiting() -> None:
    (job,) = run_of(result(runs=[(60, 100), (130, 190)])).jobs
    segments = [(each.begin, each.end, each.ran, each.useful) for each in job.last.segments()]
    assert segments == [
        (at(0), at(60), False, False),
        (at(60), at(100), True, False),
        (at(100), at(130), False, False),
        (at(130), at(190), True, True),
    ]


def test_chart_counts_jobs_at_once() -> None:
    chart = chart_of(run_of(*(result(str(number), runs=[(500, 1000)]) for number in range(7))))
    assert chart is not None
    assert chart["highest"] == "7"
    assert chart["begin"] == "2026-12-01 00:00:00"
    assert chart_of(run_of(result(created_at=None))) is None


# -- prices ---------------------------------------------------------------------------------------


def test_prices_are_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(
        'currency = "USD"\nsource = "an example"\n'
        "[fargate]\nvcpu_hour = 1.0\ngib_hour = 0.5\n[queues.gpu]\nvcpu_hour = 3.0\n",
        encoding="utf-8",
    )
    assert PriceTable.from_file(path) == PRICES


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("currency", "path"),
        ('currency = "USD"\nsource = "x"', "fargate"),
        ('currency = "USD"\n[fargate]\nvcpu_hour = 1', "source"),
        ('currency = "USD"\nsource = "x"\n[fargate]\nvcpu_hour = -1', "vcpu_hour"),
        ('currency = "USD"\nsource = "x"\n[fargate]\nvcpus = 1', "fargate"),
        ('currency = "USD"\nsource = "x"\n[ec2]\nvcpu_hour = 1', "ec2"),
        ('currency = "USD"\nsource = "x"\n[queues]\nspot = 1', "queues.spot"),
    ],
)
def test_invalid_file_of_prices_is_refused(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "prices.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidRequest, match=named):
        PriceTable.from_file(path)


# -- the page -------------------------------------------------------------------------------------


def test_page_has_figures_failures_and_the_last_log_lines(tmp_path: Path) -> None:
    lines = [
        LogEvent(timestamp=at(1), message=f"line {n}", job_id="b", attempt=1, stream="s")
        for n in range(3)
    ]
    results = JobResults([result("a"), result("b", error="exit code 1")], logs={"b": lines})
    page = page_of(tmp_path, results, title="Night", prices=PRICES)
    assert "Night" in page.text
    assert "50.0% of the vCPU-hours in attempts that failed" in page.text
    assert "line 0 line 1 line 2" in page.text
    assert "EC2 bills instances" in page.text
    a, b = page.data["jobs"]
    assert a[:7] == ["etl", "a", "SUCCEEDED", 0, 60.0, 3600.0, 1]
    assert page.data["messages"][b[12]] == "exit code 1"
    assert b[13] == [0, 0.0, 60.0, 2, 60.0, 3660.0]


def test_page_without_times_prices_or_jobs_says_so(tmp_path: Path) -> None:
    page = page_of(tmp_path, JobResults())
    assert "no times are known" in page.text
    assert "No prices were given" in page.text
    assert page.data["jobs"] == []


def test_hostile_texts_stay_texts(tmp_path: Path) -> None:
    event = LogEvent(timestamp=at(1), message=HOSTILE, job_id="h", attempt=1, stream="s")
    hostile = result("h", error=HOSTILE, name=HOSTILE, queue=HOSTILE)
    plain = page_of(tmp_path, JobResults([result("h", error="x")], logs={"h": [event]}))
    page = page_of(tmp_path, JobResults([hostile], logs={"h": [event]}), title=HOSTILE)
    assert [tag for tag, _ in page.elements] == [tag for tag, _ in plain.elements]
    assert len(page.scripts) == 2  # the data, and the script of the page
    assert page.scripts[1] == plain.scripts[1]
    assert not set("\x1b\x07\u202e") & set(page.source)
    assert "{{ 7 * 7 }}" in page.text
    name = page.data["jobs"][0][0]
    assert name.startswith("</script></title><script>alert(1)")


def test_page_loads_nothing_and_allows_only_its_own_script(tmp_path: Path) -> None:
    page = page_of(tmp_path, JobResults([result()]))
    [policy] = [a["content"] for _, a in page.elements if "http-equiv" in a]
    assert policy is not None
    assert policy.startswith("default-src 'none'")
    assert "script-src 'sha256-" in policy
    assert not [a for _, a in page.elements if {"src", "href", "onerror", "onclick"} & set(a)]
    assert "url(" not in page.source
    assert "http" not in page.source.replace("http-equiv", "")


def test_ten_thousand_jobs_fit_in_five_megabytes(tmp_path: Path) -> None:
    results = JobResults(
        result(f"{number:08d}-1111-2222-3333-444444444444", name=f"tile-{number:05d}-of-the-night")
        for number in range(10_000)
    )
    page_of(tmp_path, results)
    assert (tmp_path / "report.html").stat().st_size < 5_000_000


def test_missing_jinja2_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from asyncbatch._results.report import page

    monkeypatch.setitem(sys.modules, "jinja2", None)
    page._template.cache_clear()
    with pytest.raises(ModuleNotFoundError, match="pip install 'jinja2>="):
        JobResults().report(tmp_path / "report.html")


@pytest.mark.parametrize(
    ("options", "named"), [({"title": 1}, "title"), ({"prices": {"vcpu": 1}}, "prices")]
)
def test_invalid_argument_is_refused(tmp_path: Path, options: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRequest, match=named):
        JobResults().report(tmp_path / "report.html", **options)
    assert not (tmp_path / "report.html").exists()
