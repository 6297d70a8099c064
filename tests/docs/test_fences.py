"""Every example in pages and docstrings runs against the local engine."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal

import asyncbatch
import asyncbatch.local
import asyncbatch.progress
import asyncbatch.telemetry
from asyncbatch import AsyncBatchClient, LogPolicy
from asyncbatch._cli.local_config import read_config
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
    **dict(docstring_examples(asyncbatch.progress)),
    **dict(docstring_examples(asyncbatch.telemetry)),
}

# Examples run blocking code on the event loop, as scripts and notebooks do.
pytestmark = [pytest.mark.may_block, pytest.mark.usefixtures("account")]

# The account that readers start with `asyncbatch local`.
ACCOUNT = ROOT / "examples" / "account.toml"

PROFILE = """
[profile research]
region = {AWS_DEFAULT_REGION}
aws_access_key_id = {AWS_ACCESS_KEY_ID}
aws_secret_access_key = {AWS_SECRET_ACCESS_KEY}
"""


@pytest.fixture(scope="module")
def aws() -> Iterator[dict[str, str]]:
    """Run a local engine on a separate event loop, so that blocking examples do not stop it."""
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(LocalBatch(vcpus=read_config(ACCOUNT).vcpus)) as local,
        portal.wrap_async_context_manager(local.serve()) as door,
    ):
        portal.call(register_definitions, local)
        yield dict(door.environment)


async def register_definitions(local: LocalBatch) -> None:
    """Register the job definitions that the examples use."""
    async with AsyncBatchClient(session=local.session) as batch:
        for definition in read_config(ACCOUNT).definitions:
            for _ in range(definition.revisions):
                await batch.register_job_definition(definition.request, reuse=False)


@pytest.fixture
def account(aws: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Provide what readers have: an empty directory, an AWS account and a profile."""
    # CloudWatch shows lines late, so clients wait for them. The local engine is never late.
    defaults = LogPolicy.__init__.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "drain", 0.0)
    monkeypatch.chdir(tmp_path)
    for name, value in aws.items():
        monkeypatch.setenv(name, value)
    profile = tmp_path / "aws-config"
    profile.write_text(PROFILE.format_map(aws), encoding="utf-8")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(profile))


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as runner:
        yield runner


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_page_runs_from_top_to_bottom(runner: asyncio.Runner, page: Path) -> None:
    run_fences(runner, read_fences(page), {"__name__": "__main__"})


@pytest.mark.parametrize("example", EXAMPLES.values(), ids=EXAMPLES.keys())
def test_docstring_example_runs(runner: asyncio.Runner, example: list[Fence]) -> None:
    batch = AsyncBatchClient()
    runner.run(batch.open())
    try:
        public = {**vars(asyncbatch.local), **vars(asyncbatch.progress), **vars(asyncbatch)}
        names = {"asyncio": asyncio, "batch": batch, "timedelta": timedelta}
        run_fences(runner, example, {**public, **names})
    finally:
        runner.run(batch.aclose())
