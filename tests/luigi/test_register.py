"""A test finds the same tasks by name, whichever tests its process has run before."""

import importlib
from collections import defaultdict
from pathlib import Path

import luigi
import pytest

from tests.luigi.register import registered
from tests.luigi.support import make
from tests.luigi.workers import Marked

PACKAGE = Path(__file__).parent


def test_tasks_of_all_test_modules_differ_in_their_families() -> None:
    for module in sorted(PACKAGE.glob("*.py")):
        importlib.import_module(f"tests.luigi.{module.stem}")
    families = defaultdict[str, list[str]](list)
    for each in registered():
        families[make(each.get_task_family)].append(f"{each.__module__}.{each.__qualname__}")
    # By design, `asyncbatch_luigi.BatchTask` has the family of `luigi.contrib.batch.BatchTask`.
    del families["BatchTask"]
    assert {family: names for family, names in families.items() if len(names) > 1} == {}


@pytest.mark.parametrize("test", ["first", "second"])
def test_tasks_of_earlier_tests_are_forgotten(test: str) -> None:
    class Local(luigi.Task):
        pass

    assert [each.__name__ for each in registered()].count(Local.__name__) == 1
    assert Marked in registered()


@pytest.mark.parametrize("test", ["first", "second"])
def test_instances_of_earlier_tests_are_forgotten(test: str) -> None:
    task = make(Marked, name="of either test")
    assert task is make(Marked, name="of either test")
    assert not hasattr(task, "note")
    task.note = test  # type: ignore[attr-defined] # only this test uses it
