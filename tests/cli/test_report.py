"""`asyncbatch report`, in this process."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from asyncbatch import AsyncBatchClient, FailureKind, JobRequest, RecoveryPolicy, RecoveryRule
from asyncbatch.local import Launch, Script
from tests.cli.harness import Terminal
from tests.fixtures.bench import MakeBench

pytestmark = pytest.mark.virtual_time

POLICY = RecoveryPolicy([RecoveryRule(kinds=[FailureKind.EXIT_CODE])])


def data_of(path: Path) -> dict[str, Any]:
    page = path.read_text(encoding="utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page)
    assert found is not None
    data: dict[str, Any] = json.loads(found[1])
    return data


async def test_report_has_all_submissions_of_a_journal(
    bench: MakeBench, terminal: Terminal, tmp_path: Path
) -> None:
    path = tmp_path / "run.journal"
    flaky = [Script(exit_code=7, duration=60, lines=[(1.0, "no input")])]

    def script(launch: Launch) -> Script:
        if launch.name == "flaky" and flaky:
            return flaky.pop()
        return Script(duration=None if launch.name == "endless" else 60)

    async with bench(script) as opened:
        async with AsyncBatchClient(
            session=opened.local.session, journal=path, recovery=POLICY
        ) as batch:
            names = ("good", "flaky", "endless")
            good, again, _ = await batch.submit_many(
                [JobRequest("hello", name=name) for name in names]
            )
            await good
            await again
        called = await terminal.call(opened, "report", str(path), "--title", "Night")
    target = tmp_path / "run.journal.html"
    assert (called.code, called.out, called.err) == (0, f"{target}: 3 jobs\n", "")
    jobs = {job[0]: job for job in data_of(target)["jobs"]}
    assert {name: job[2] for name, job in jobs.items()} == {
        "good": "SUCCEEDED",
        "flaky": "SUCCEEDED",
        "endless": "SUBMITTED",
    }
    assert jobs["flaky"][7] == 2  # submissions
    assert [kind for kind in jobs["flaky"][13][::3] if kind] == [2, 1]  # one failed, one succeeded
    assert jobs["endless"][13] == []
    assert "<bdi>Night</bdi>" in target.read_text(encoding="utf-8")


async def test_report_has_prices_and_the_logs_of_failed_jobs(
    bench: MakeBench, terminal: Terminal, tmp_path: Path
) -> None:
    path, prices = tmp_path / "run.journal", tmp_path / "prices.toml"
    prices.write_text(
        'currency = "EUR"\nsource = "an example"\n[queues.default]\nvcpu_hour = 6.0\n',
        encoding="utf-8",
    )
    target = tmp_path / "report.html"
    async with bench(Script(exit_code=7, duration=300, lines=[(1.0, "<b>no input")])) as opened:
        async with AsyncBatchClient(session=opened.local.session, journal=path) as batch:
            job = await batch.submit("hello")
            await job.result(check=False)
        called = await terminal.call(
            opened, "report", str(path), "-o", str(target), "--prices", str(prices), "--logs"
        )
        without = await terminal.call(opened, "report", str(path))
    assert (called.code, called.err) == (0, "")
    page = target.read_text(encoding="utf-8")
    assert "exit code 7" in page
    assert "0.50 EUR" in page  # one vCPU for five minutes
    assert '<pre dir="ltr">&lt;b&gt;no input</pre>' in page
    assert without.code == 0
    assert "no input" not in (tmp_path / "run.journal.html").read_text(encoding="utf-8")


async def test_journal_or_prices_that_cannot_be_used_are_named(
    bench: MakeBench, terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "run.journal", tmp_path / "other"
    other.write_bytes(b"no database")
    async with bench() as opened:
        async with AsyncBatchClient(session=opened.local.session, journal=path) as batch:
            await batch.submit("hello")
            in_use = await terminal.call(opened, "report", str(path))
        missing = await terminal.call(opened, "report", str(tmp_path / "none"))
        no_journal = await terminal.call(opened, "report", str(other))
        no_prices = await terminal.call(opened, "report", str(path), "--prices", str(other))
        no_folder = await terminal.call(opened, "report", str(path), "-o", "/nowhere/report.html")
        monkeypatch.setitem(sys.modules, "jinja2", None)
        from asyncbatch._results.report import page

        page._template.cache_clear()
        no_jinja = await terminal.call(opened, "report", str(path))
    called = (in_use, missing, no_journal, no_prices, no_folder, no_jinja)
    assert [each.code for each in called] == [2] * 6
    assert "has it open" in in_use.err
    assert "there is no journal" in missing.err
    assert "not a journal" in no_journal.err
    assert "cannot be read as TOML" in no_prices.err
    assert "cannot write /nowhere/report.html: No such file or directory" in no_folder.err
    assert "pip install 'jinja2>=" in no_jinja.err
