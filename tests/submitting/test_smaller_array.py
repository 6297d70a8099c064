"""Some children of an array as a smaller array: each sees its original index, or does not run."""

import random
import shutil
import subprocess
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asyncbatch import Dependency, DependencyType, InvalidRequest, JobRequest
from asyncbatch._aws.wire import requests as wire
from asyncbatch._submitting.smaller_array import smaller_array

SHOW = [
    "sh",
    "-c",
    'echo "$AWS_BATCH_JOB_ARRAY_INDEX of $AWS_BATCH_JOB_ARRAY_SIZE: $*"',
    "0",
    "a b",
]
SHELLS = [path for name in ("sh", "bash", "busybox") if (path := shutil.which(name))]


def array_of(size: int) -> JobRequest:
    return JobRequest("etl", queue="q", array_size=size, command=SHOW, environment={"i": "x"})


def run(command: Sequence[str] | None, shell: str, **variables: str) -> tuple[int, str]:
    """Run a job's command with one of the shells, and return exit code and output."""
    assert command is not None
    words = [shell, *command[1:]] if "busybox" not in shell else [shell, *command]
    done = subprocess.run(
        words,
        env={"PATH": "/usr/bin:/bin", "i": "x", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.strip()


def seen(request: JobRequest, places: Iterable[int], shell: str = SHELLS[0]) -> list[str]:
    """Return what the children of a smaller array at some places print."""
    return [
        run(
            request.command,
            shell,
            AWS_BATCH_JOB_ARRAY_INDEX=str(place),
            AWS_BATCH_JOB_ARRAY_SIZE=str(request.array_size),
        )[1]
        for place in places
    ]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "indexes",
    [[0, 1], [3, 7, 8, 9], [98, 99], list(range(0, 100, 2)), list(range(99))],
    ids=["first", "scattered", "last", "every second", "all but one"],
)
def test_each_child_sees_its_original_index_and_size(indexes: list[int], shell: str) -> None:
    request = smaller_array(array_of(100), reversed(indexes))
    assert request.array_size == len(indexes)
    places = sorted({0, 1, len(indexes) // 2, len(indexes) - 1})
    assert seen(request, places, shell) == [f"{indexes[place]} of 100: a b" for place in places]


@given(
    st.integers(2, 200).flatmap(
        lambda n: st.tuples(st.just(n), st.sets(st.integers(0, n - 1), min_size=2))
    )
)
def test_any_choice_keeps_its_indexes(case: tuple[int, set[int]]) -> None:
    size, chosen = case
    request = smaller_array(array_of(size), chosen)
    if len(chosen) == size:
        assert request == array_of(size)
        return
    place = random.Random(size).randrange(len(chosen))
    assert seen(request, [place]) == [f"{sorted(chosen)[place]} of {size}: a b"]


@pytest.mark.parametrize("shell", SHELLS)
def test_one_child_becomes_a_plain_job(shell: str) -> None:
    request = smaller_array(array_of(10), [7])
    assert request.array_size is None
    assert run(request.command, shell) == (0, "7 of 10: a b")


def test_smaller_array_of_a_smaller_array_keeps_the_original_indexes() -> None:
    first = smaller_array(array_of(100), [5, 20, 60])
    assert seen(smaller_array(first, [0, 2]), [0, 1]) == ["5 of 100: a b", "60 of 100: a b"]
    assert run(smaller_array(first, [1]).command, SHELLS[0]) == (0, "20 of 100: a b")


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("index", ["", "x", "-1", "2", "99999"])
def test_command_never_runs_with_an_index_that_is_not_the_original(index: str, shell: str) -> None:
    for request in (smaller_array(array_of(100), [3, 7]), smaller_array(array_of(9), [1, 3, 5, 7])):
        place = index if index != "2" else str(request.array_size)
        code, output = run(request.command, shell, AWS_BATCH_JOB_ARRAY_INDEX=place)
        assert (code, output) == (64, "")


def test_any_half_of_the_largest_array_fits_into_the_overrides() -> None:
    chosen = random.Random(1).sample(range(10_000), 5_000)
    request = smaller_array(array_of(10_000), chosen)
    wire.submit_job(request, name="etl", queue="q")  # refuses more than 8,192 characters
    places = [0, 2_500, 4_999]
    assert seen(request, places) == [f"{sorted(chosen)[n]} of 10000: a b" for n in places]


def test_key_stands_for_the_whole_array_only() -> None:
    keyed = array_of(4).replace(key="load")
    assert smaller_array(keyed, range(4)).key == "load"
    assert smaller_array(keyed, [1, 2]).key is None


def test_sequential_children_stay_sequential_unless_there_is_only_one() -> None:
    sequential = Dependency(type=DependencyType.SEQUENTIAL)
    request = array_of(4).replace(depends_on=["other", sequential])
    assert smaller_array(request, [1, 2]).depends_on == (Dependency("other"), sequential)
    assert smaller_array(request, [1]).depends_on == (Dependency("other"),)


REFUSED = {
    "no array": (array_of(4).replace(array_size=None), [0], "array_size", "only an array job"),
    "no index": (array_of(4), [], "indexes", "at least one child"),
    "too large": (array_of(4), [1, 4], "indexes", "from 0 to 3"),
    "negative": (array_of(4), [-1], "indexes", "from 0 to 3"),
    "no command": (array_of(4).replace(command=None), [1], "command", "not known here"),
    "an option": (array_of(4).replace(command=["--all"]), [1], "command", "begins with '--all'"),
    "a variable of shells": (
        array_of(4).replace(environment={"PWD": "/x"}),
        [1],
        "command",
        "variable 'PWD'",
    ),
    "N_TO_N": (
        array_of(4).replace(depends_on=[Dependency("other", DependencyType.N_TO_N)]),
        [1],
        "depends_on",
        "would wait for other children",
    ),
}


@pytest.mark.parametrize(("request_", "indexes", "field", "rule"), REFUSED.values(), ids=REFUSED)
def test_children_that_cannot_keep_their_indexes_are_refused(
    request_: JobRequest, indexes: list[int], field: str, rule: str
) -> None:
    with pytest.raises(InvalidRequest, match=rule) as raised:
        smaller_array(request_, indexes)
    assert raised.value.field == field


def test_all_children_need_no_line() -> None:
    request = array_of(3).replace(command=None)
    assert smaller_array(request, [2, 0, 1]) is request
