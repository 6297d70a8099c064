"""Luigi's own tests of its worker and interface, with the one-process worker in its place.

Run as ``nox -s luigi_suite -- CHECKOUT``, with a checkout of Luigi's repository at the tag of the
installed version, since Luigi does not distribute its tests. The same tests run with Luigi's own
worker first: the one-process worker must pass all that Luigi's passes, but those in `EXPECTED`.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

FILES = (
    *("clone_test", "custom_metrics_test", "customized_run_test", "dynamic_import_test"),
    *("event_callbacks_test", "execution_summary_test", "factorial_test", "fib_test"),
    *("import_test", "instance_wrap_test", "interface_test", "priority_test", "recursion_test"),
    *("retcodes_test", "scheduler_message_test", "simulate_test", "task_bulk_complete_test"),
    *("task_forwarded_attributes_test", "task_history_test", "task_progress_percentage_test"),
    *("task_running_resources_test", "task_status_message_test", "worker_external_task_test"),
    *("worker_keep_alive_test", "worker_multiprocess_test", "worker_parallel_scheduling_test"),
    *("worker_scheduler_com_test", "worker_task_process_test", "worker_task_test", "worker_test"),
    "wrap_test",
)
# Tests that may fail with the one-process worker, each with the reason.
EXPECTED = {
    "test.task_running_resources_test.ConcurrentRunningResourcesTest.test_tasks_parallel": (
        "it measures time, and fails with either worker on a busy machine"
    ),
}
PLUGIN = "tests.luigi_suite"
_IS_PLUGIN = "ASYNCBATCH_LUIGI_SUITE"

if os.environ.get(_IS_PLUGIN):  # imported by pytest, before any test
    import luigi.worker

    from asyncbatch_luigi.worker._luigi_private import OneProcessWorker

    setattr(luigi.worker, "Worker", OneProcessWorker)  # noqa: B010 - the types are Luigi's


def main() -> int:
    """Run the tests with both workers; return the exit code."""
    parser = argparse.ArgumentParser(prog="tests.luigi_suite", description=__doc__)
    parser.add_argument("checkout", type=Path, help="checkout of Luigi's repository")
    checkout: Path = parser.parse_args().checkout.resolve()
    if not (checkout / "test" / "worker_test.py").is_file():
        parser.error(f"{checkout}: no checkout of Luigi's repository (test/worker_test.py)")
    stock = run(checkout, one_process=False)
    ours = run(checkout, one_process=True)
    lost = sorted(stock - ours - EXPECTED.keys())
    lines = [f"passed: {len(stock)} with Luigi's worker, {len(ours)} with the one-process worker"]
    lines += [f"FAILED with the one-process worker only: {name}" for name in lost]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if lost or not stock else 0


def run(checkout: Path, *, one_process: bool) -> set[str]:
    """Run the tests with one of the workers; return the names of those that passed."""
    environment = {
        **os.environ,
        "LUIGI_CONFIG_PATH": str(checkout / "test" / "testconfig" / "luigi.cfg"),
        "PYTHONPATH": os.pathsep.join([str(Path.cwd()), str(checkout / "test")]),
        _IS_PLUGIN: "1" if one_process else "",
    }
    with tempfile.TemporaryDirectory() as directory:
        results, settings = Path(directory, "results.xml"), Path(directory, "pytest.ini")
        settings.write_text("[pytest]\n", encoding="utf-8")  # not Luigi's, which needs more plugins
        subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-c", str(settings), "--rootdir", str(checkout)),
                *("-q", "-W", "ignore", "--tb", "line", "-p", "no:cacheprovider"),
                *("-p", PLUGIN, f"--junitxml={results}", "--show-capture=no", "--timeout=300"),
                *("--numprocesses", "2"),
                *(f"test/{name}.py" for name in FILES),
            ],
            cwd=checkout,
            env=environment,
            check=False,
        )
        cases = ET.parse(results).iter("testcase")  # noqa: S314 - as above
        return {f"{case.get('classname')}.{case.get('name')}" for case in cases if not list(case)}


if __name__ == "__main__":
    sys.exit(main())
