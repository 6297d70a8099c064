"""Every example of the documentation runs, against the local engine."""

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

import asyncbatch
import asyncbatch.local
from asyncbatch import AsyncBatchClient
from asyncbatch.local import LocalBatch
from tests.docs.fences import Fence, docstring_examples, read_fences, run_fences

ROOT = Path(__file__).parents[2]
PAGES = [
    page
    for page in [ROOT / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
    if "_build" not in page.parts and read_fences(page)
]
EXAMPLES = {
    **dict(docstring_examples(asyncbatch)),
    **dict(docstring_examples(asyncbatch.local)),
}

# A page's reader runs blocking code where it is natural, as in a script or a notebook.
pytestmark = pytest.mark.may_block


@pytest.fixture(scope="module")
def account() -> Iterator[Mapping[str, str]]:
    """Run a local engine on a loop of its own, so that blocking examples do not stop it."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(LocalBatch(vcpus=4)) as local,
        portal.wrap_async_context_manager(local.serve()) as door,
    ):
        yield door.environment


@pytest.fixture
def reader(account: Mapping[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sit where a reader sits: in an empty directory, with an AWS account in the environment."""
    monkeypatch.chdir(tmp_path)
    for name, value in account.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
async def test_page_runs_from_top_to_bottom(page: Path) -> None:
    await run_fences(read_fences(page), {"__name__": "__main__"})


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES.keys())
async def test_docstring_example_runs(example: list[Fence]) -> None:
    async with AsyncBatchClient() as batch:
        public = {**vars(asyncbatch.local), **vars(asyncbatch)}
        await run_fences(example, {**public, "asyncio": asyncio, "batch": batch})
