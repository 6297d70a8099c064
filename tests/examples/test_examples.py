"""The programs in `examples/` run without an AWS account and print what they promise."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

# Each example starts interpreters and waits for real jobs of some seconds.
pytestmark = pytest.mark.timeout(180)

ROOT = Path(__file__).parents[2]
# Modules that the examples share, and programs that `examples.luigi.run` runs.
HELPERS = {"account", "luigi.basic_usage", "luigi.custom_queue", "luigi.batch_client"}
PRINTED = {
    "fan_out": ["40 jobs submitted", "part-13 failed with exit code 1", "39 jobs succeeded"],
    "live_logs": [
        *(f"train-{name} | epoch {epoch} of 3" for name in "ab" for epoch in (1, 2, 3)),
        "broken failed with exit code 2",
        "its last line was: input.csv is empty",
    ],
    "array_job": ["1 of 12 children failed (7)", "{'SUCCEEDED': 11, 'FAILED': 1}", "['tile 7']"],
    "recovery": ["8 jobs reported, then killed", "20 jobs in total, 20 ended"],
    "prometheus": [
        'asyncbatch_jobs_ended_total{aws_batch_job_queue="default",aws_batch_job_status="SUCCEEDED"',
        'error_type="exit_code"',
    ],
    "luigi_pipeline": ["succeeded: True, 7 tasks complete"],
    "luigi.run": [
        "built: True\nprocessed 2024-01-15 from raw\n",
        "built: True\nmodel small after 100 epochs, batch size 64\n",
        "registered: my-job-def:1\n",
        "status: SUCCEEDED\n",
    ],
}


def test_every_example_is_tested() -> None:
    programs = [path.relative_to(ROOT / "examples") for path in ROOT.glob("examples/**/*.py")]
    names = {".".join(path.with_suffix("").parts) for path in programs}
    assert names == {*PRINTED, *HELPERS}


@pytest.mark.parametrize("name", PRINTED)
def test_example_prints_its_results(name: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", f"examples.{name}"],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for line in PRINTED[name]:
        assert line in done.stdout


@pytest.mark.parametrize("name", PRINTED)
def test_example_says_how_to_run_it(name: str) -> None:
    path = Path(ROOT, "examples", *name.split(".")).with_suffix(".py")
    docstring = path.read_text(encoding="utf-8").split('"""')[1]
    assert f"    python -m examples.{name}\n" in docstring
