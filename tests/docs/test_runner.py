"""The runner of the documentation's examples detects broken examples."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.docs.fences import docstring_examples, read_docstring, read_fences, run_fences


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


def page_with(tmp_path: Path, text: str) -> Path:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    return page


def test_fences_share_a_namespace_and_may_await(runner: asyncio.Runner, tmp_path: Path) -> None:
    page = page_with(
        tmp_path,
        "```python\nasync def two() -> int:\n    return 2\n```\n"
        "text\n"
        "```python\nfour = await two() + await two()\n```\n",
    )
    namespace: dict[str, Any] = {}
    run_fences(runner, read_fences(page), namespace)
    assert namespace["four"] == 4


def test_failing_fence_is_reported_at_its_line_of_the_page(
    runner: asyncio.Runner, tmp_path: Path
) -> None:
    page = page_with(tmp_path, "# Title\n\n```python\nx = 1\nx / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as caught:
        run_fences(runner, read_fences(page), {})
    assert caught.traceback[-1].lineno + 1 == 5


def test_printed_output_must_match_the_output_fence(runner: asyncio.Runner, tmp_path: Path) -> None:
    fence = '```python\nprint("job 123 SUCCEEDED")\n```\n'
    good = page_with(tmp_path, f"{fence}\n```output\njob ... SUCCEEDED\n```\n")
    run_fences(runner, read_fences(good), {})
    bad = page_with(tmp_path, f"{fence}\n```output\njob ... FAILED\n```\n")
    with pytest.raises(AssertionError, match="expected"):
        run_fences(runner, read_fences(bad), {})


def test_output_fence_without_python_fence_is_an_error(tmp_path: Path) -> None:
    page = page_with(tmp_path, "```output\nnothing\n```\n")
    with pytest.raises(ValueError, match="must follow the python fence"):
        read_fences(page)


def test_fences_of_other_languages_are_not_run(tmp_path: Path) -> None:
    page = page_with(tmp_path, "```console\n$ rm -rf /\n```\n")
    assert read_fences(page) == []


class Documented:
    """Document two fences.

    Example:
        The first fence:

        ```python
        one = 1
        two = one + one
        ```

        Text after the fence.
    """

    async def three(self) -> int:
        """Count to three.

        Example:
            >>> await Documented().three()
            3
        """
        return 3


def test_docstring_examples_are_found_and_run(runner: asyncio.Runner) -> None:
    class Module:
        __all__ = ("Documented",)
        Documented = Documented

    examples = dict(docstring_examples(Module))
    assert list(examples) == ["Documented", "Documented.three"]
    namespace: dict[str, Any] = {"Documented": Documented}
    for fences in examples.values():
        run_fences(runner, fences, namespace)
    assert namespace["two"] == 2


def test_dialogue_with_a_wrong_value_fails(runner: asyncio.Runner) -> None:
    (fence,) = read_docstring("here", "Add.\n\nExample:\n    >>> 1 + 1\n    3\n")
    with pytest.raises(AssertionError, match="expected"):
        run_fences(runner, [fence], {})
