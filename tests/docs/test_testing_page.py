"""The section `Use pytest` of the guide to tests works as written, with the plugin of anyio."""

from pathlib import Path

import pytest

from tests.docs.fences import read_fences

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "testing.md"

pytest_plugins = ["pytester"]


@pytest.mark.may_block
def test_fixtures_of_the_page_run_with_pytest(pytester: pytest.Pytester) -> None:
    fences = [fence.source for fence in read_fences(PAGE)]
    marked = next(number for number, source in enumerate(fences) if "pytestmark" in source)
    code, definition = fences[0], fences[1].partition("\n\n\nasync def")[0]
    pytester.makepyfile("\n".join([code, definition, *fences[marked : marked + 2]]))
    pytester.runpytest_inprocess("-p", "no:asyncio", "-p", "no:xdist").assert_outcomes(passed=3)
