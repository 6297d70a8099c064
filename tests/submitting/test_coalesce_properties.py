"""For any requests: each child of a combined array runs exactly what its request specifies."""

import json
import os
import shutil
import subprocess
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from asyncbatch import InvalidRequest, JobRequest, coalesce
from asyncbatch._aws.wire import requests as wire
from tests.fixtures import strategies

OVERRIDES_LIMIT = 8192
SHELLS_OWN = {"PATH", "PWD", "OLDPWD", "SHLVL", "_", "AWS_BATCH_JOB_ARRAY_INDEX"}
# Prints its arguments and variables, each followed by a zero byte.
TELLS = ["sh", "-c", r'printf "%s\0" "$#" "$@"; env -0', "sh"]

no_zero = st.characters(codec="utf-8", exclude_characters="\0")
WORDS = r"""
-n -- * ~ ? ' " \ $HOME ${X} `id` $(id) a,b , ,;|:/+@#%^~_=.- ! # & ; 0 -1 007 1e3 Ref::x x=y é 日本
"""
BLANKS = ["", " ", "  a  b ", "\t", "\n", "a\nb\n", "\u0081\u0088", "\x01"]
hostile = st.sampled_from([*WORDS.split(), *BLANKS])
values = hostile | st.text(no_zero, max_size=6)
numbers = st.integers(-3, 3) | st.integers()
names = st.sampled_from(["A", "b", "X_1", "name", "pick", "LANG", "IFS", "PWD", "PS1", "a-b"])
arguments = st.lists(values.filter(bool), max_size=3)


@st.composite
def alike(draw: st.DrawFn) -> list[JobRequest]:
    """Draw requests that have a command and the same variables, so that most are combined."""
    command = [*TELLS, *draw(arguments)]
    variables = draw(st.sets(names, min_size=1, max_size=4))
    if draw(st.booleans()):
        variables -= {"LANG", "IFS", "PWD", "PS1", "a-b"}
    size = draw(st.integers(1, 7))
    columns = {name: draw(_column(size)) for name in sorted(variables)}
    return [
        JobRequest("etl", command=command, environment={n: c[row] for n, c in columns.items()})
        for row in range(size)
    ]


def _column(size: int) -> st.SearchStrategy[list[Any]]:
    steps = st.tuples(numbers, numbers).map(lambda ab: [ab[0] + ab[1] * n for n in range(size)])
    return (
        st.lists(values, min_size=size, max_size=size)
        | steps
        | values.map(lambda value: [value] * size)
    )


def run(request: JobRequest, index: int, shell: str = "sh") -> tuple[list[str], dict[str, str]]:
    """Run a request's command, as child `index`; return the arguments and variables it saw."""
    command = list(request.command or ())
    command[0] = shutil.which(shell if command[0] == "sh" else command[0]) or command[0]
    environment = {name: str(value) for name, value in request.environment.items()}
    done = subprocess.run(
        command,
        env={"PATH": os.defpath, "AWS_BATCH_JOB_ARRAY_INDEX": str(index), **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
    )
    assert done.stderr == b""
    count, *printed = done.stdout.decode().split("\0")[:-1]
    pairs = dict(line.split("=", 1) for line in printed[int(count) :])
    return printed[: int(count)], {n: v for n, v in pairs.items() if n not in SHELLS_OWN}


@settings(max_examples=80)
@given(alike())
def test_each_child_sees_the_environment_and_arguments_of_its_own_request(
    requests: list[JobRequest],
) -> None:
    for part in coalesce(requests):
        first = requests[part.places[0]]
        if part.request.command == first.command:
            event("alone" if len(part.places) == 1 else "all the same")
            assert all(requests[p].environment == part.request.environment for p in part.places)
            continue
        event("picked by index")
        for index, place in enumerate(part.places):
            asked_for = (list(first.command or ())[len(TELLS) :], requests[place].environment)
            assert run(part.request, index) == asked_for


NASTY = [
    "",
    " two  words ",
    "it's",
    '"$HOME"',
    "`id`",
    "-n",
    "a,b",
    "é日本\u0081",
    "*",
    "line\nline",
]


SHELLS = [name for name in ("sh", "dash", "bash", "mksh", "ksh93") if shutil.which(name)]


@pytest.mark.parametrize("shell", SHELLS)
def test_each_shell_selects_the_same_values(shell: str) -> None:
    requests = [
        JobRequest("etl", command=[*TELLS, *filter(None, NASTY)], environment={"A": a, "N": n})
        for n, a in enumerate(NASTY, start=-3)
    ]
    [part] = coalesce(requests)
    for index, place in enumerate(part.places):
        seen = run(part.request, index, shell)
        assert seen == (list(filter(None, NASTY)), requests[place].environment)


fields = st.fixed_dictionaries({}, optional={**strategies.sensible, "extra": st.just({"x": {}})})
environments = st.dictionaries(names, values | st.just("long" * 1000), max_size=3)


@st.composite
def mixed(draw: st.DrawFn) -> list[JobRequest]:
    """Draw requests of a few kinds, each several times, with any environment."""
    kinds = draw(st.lists(fields, min_size=1, max_size=3))
    chosen = draw(st.lists(st.sampled_from(kinds), max_size=12))
    return [JobRequest("etl", **{**kind, "environment": draw(environments)}) for kind in chosen]


@given(mixed())
def test_each_request_is_replaced_once_and_nothing_exceeds_the_limits(
    requests: list[JobRequest],
) -> None:
    parts = coalesce(requests)
    assert sorted(place for part in parts for place in part.places) == list(range(len(requests)))
    assert [p.places[0] for p in parts] == sorted(p.places[0] for p in parts)
    for part in parts:
        originals = [requests[place] for place in part.places]
        if len(originals) == 1:
            assert part.request is originals[0]
        else:
            event("together")
            _check_array(part.request, originals)


def _is_too_large(request: JobRequest) -> bool:
    try:
        wire.submit_job(request, name="n", queue="q")
    except InvalidRequest:
        return True
    return False


def _check_array(array: JobRequest, originals: list[JobRequest]) -> None:
    assert array.array_size == len(originals)
    if array.command == originals[0].command and _is_too_large(originals[0]):
        return  # equal requests that AWS takes neither alone nor together
    arguments = wire.submit_job(array, name="n" * 128, queue=array.queue or "q" * 128)
    if array.command != originals[0].command:
        assert len(json.dumps(arguments["containerOverrides"])) <= OVERRIDES_LIMIT * 3 / 4
    for original in originals:
        command, environment = original.command, original.environment
        alone = array.replace(array_size=None, command=command, environment=environment)
        assert alone == original
