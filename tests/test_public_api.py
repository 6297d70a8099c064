"""The public names, and what importing them costs."""

import inspect
import subprocess
import sys
from importlib.resources import files
from typing import Any

import pytest

import asyncbatch

PUBLIC: list[str] = list(getattr(asyncbatch, "__all__"))  # noqa: B009 - type checkers do not know it
HEAVY = [
    *("aiobotocore", "aiohttp", "boto3", "botocore", "IPython", "luigi", "opentelemetry"),
    *("rich", "typer"),
]

each_name = pytest.mark.parametrize("name", PUBLIC)


def run_python(code: str) -> str:
    """Run code in a fresh interpreter and return what it prints."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_names_are_in_order() -> None:
    assert sorted(set(PUBLIC)) == PUBLIC


def test_the_names_are_those_that_a_star_imports() -> None:
    printed = run_python(
        "from asyncbatch import *; print(*sorted(n for n in dir() if n[0] != '_'))"
    )
    assert printed.split() == PUBLIC


@each_name
def test_a_public_name_is_documented(name: str) -> None:
    thing: Any = getattr(asyncbatch, name)
    if inspect.isclass(thing):
        # A dataclass without words has its signature for a docstring.
        assert thing.__doc__
        assert not thing.__doc__.startswith(f"{name}(")


@each_name
def test_what_a_public_class_offers_is_documented(name: str) -> None:
    thing: Any = getattr(asyncbatch, name)
    members = vars(thing).items() if inspect.isclass(thing) else ()
    undocumented = [
        member
        for member, value in members
        if not member.startswith("_")
        and (inspect.isroutine(value) or isinstance(value, property | classmethod | staticmethod))
        and not inspect.getdoc(value)
    ]
    assert undocumented == []


JOB_MEMBERS = {
    *("id", "name", "description", "status", "is_finished", "console_url", "wait_reason"),
    *("result", "wait", "changes", "logs", "terminate", "cancel", "clone", "submissions"),
}


@pytest.mark.parametrize(
    ("kind", "members", "operators"),
    [
        (asyncbatch.Job, JOB_MEMBERS, {"__await__"}),
        (
            asyncbatch.ArrayJob,
            JOB_MEMBERS | {"counts", "failed_children", "rerun_failed"},
            {"__await__", "__len__", "__getitem__", "__iter__"},
        ),
    ],
)
def test_handles_have_exactly_their_documented_members(
    kind: type, members: set[str], operators: set[str]
) -> None:
    """What other modules of the package need of a handle is private."""
    assert {name for name in dir(kind) if not name.startswith("_")} == members
    inherited_by_all = {"__init__", "__repr__", "__doc__", "__module__", "__slots__", "__rich__"}
    made = {
        name
        for base in kind.__mro__[:-1]
        for name, value in vars(base).items()
        if name.startswith("__") and inspect.isfunction(value)
    }
    assert made - inherited_by_all == operators


def test_importing_it_imports_nothing_heavy() -> None:
    """That of aiobotocore takes half a second; that is for opening a client."""
    code = "import sys, asyncbatch; asyncbatch.AsyncBatchClient; print(*sys.modules)"
    modules = set(run_python(code).split())
    assert set(HEAVY) & modules == set()
    assert "asyncbatch._client" in modules


def test_modules_of_the_package_start_without_the_client() -> None:
    """`asyncbatch --help` imports the package, and answers in less than 150 ms."""
    code = "import sys, asyncbatch; print(*[n for n in sys.modules if 'asyncbatch' in n])"
    assert run_python(code) == "asyncbatch"


def test_names_are_listed_before_the_first_is_used() -> None:
    assert set(PUBLIC) <= set(run_python("import asyncbatch; print(*dir(asyncbatch))").split())


def test_unknown_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match="'asyncbatch' has no attribute 'nonsense'"):
        getattr(asyncbatch, "nonsense")  # noqa: B009 - type checkers know that there is none


def test_classes_show_the_module_that_users_import() -> None:
    """Also where the class was never imported by name, as an exception."""
    code = "import asyncbatch; asyncbatch.JobRequest; from asyncbatch._values import errors as e"
    assert run_python(f"{code}; print(e.JobFailed)") == "<class 'asyncbatch.JobFailed'>"


def test_preloading_leaves_little_to_import_when_a_client_opens() -> None:
    program = """
import asyncio, sys
import asyncbatch

asyncbatch.preload()
before = set(sys.modules)
async def open_and_close():
    async with asyncbatch.AsyncBatchClient(region_name="eu-west-1"):
        pass
asyncio.run(open_and_close())
new = set(sys.modules) - before
print(*[name for name in new if name.startswith(("aiobotocore", "aiohttp", "asyncbatch"))])
"""
    assert run_python(program) == ""


def test_no_module_of_the_package_prints_at_import() -> None:
    assert run_python("import asyncbatch") == ""


def test_the_package_is_typed() -> None:
    assert files("asyncbatch").joinpath("py.typed").is_file()
