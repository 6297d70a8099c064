"""Start methods of processes, modules that are imported again, and forks after all of that."""

from pathlib import Path

import pytest

from tests.luigi.processes import start
from tests.luigi.support import Aws

PROGRAM = """
import multiprocessing
import sys

import luigi


def run(build, number):
    from tests.luigi.tasks import Numbered, Written

    kinds = (Numbered, Written)
    tasks = [kind(number=number, job_definition="succeeds") for kind in kinds]
    settings = {{"local_scheduler": True, "workers": 2, "log_level": "WARNING"}}
    print(build(tasks, detailed_summary=True, **settings).status.name)


def builds():
    import asyncbatch_luigi

    return {{"one process": asyncbatch_luigi.build, "ordinary": luigi.build}}


multiprocessing.set_start_method("{method}")
run(builds()["{kind}"], 0)
for name in list(sys.modules):
    if name.startswith(("asyncbatch_luigi", "tests.luigi.tasks")):
        del sys.modules[name]
multiprocessing.set_start_method("fork", force=True)
for number, build in enumerate(builds().values(), start=1):
    run(build, number)
"""


@pytest.mark.parametrize(("method", "kind"), [("spawn", "one process"), ("forkserver", "ordinary")])
def test_tasks_run_with_each_start_method_and_after_modules_are_imported_again(
    aws: Aws, method: str, kind: str
) -> None:
    output = start(PROGRAM.format(method=method, kind=kind)).read_all()
    assert output.split("\n") == ["SUCCESS"] * 3 + [""]
    assert aws.statuses() == ["SUCCEEDED"] * 3
    children = [Path(f"written-{number}").read_text("utf-8") for number in range(3)]
    assert children == [method, "fork", "fork"]
