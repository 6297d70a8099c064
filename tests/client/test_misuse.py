"""Misuse of a client raises or warns and names it: event loops, observers, a dropped client."""

import asyncio
import contextlib
import gc
import logging
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from asyncbatch import (
    AsyncBatchClient,
    AsyncBatchError,
    ClientClosed,
    ConfigurationError,
    Event,
    InvalidRequest,
    Job,
    JobRequest,
    NoCredentials,
)
from asyncbatch.local import LocalBatch, Script, ScriptedExecutor
from tests.fixtures.bench import MakeBench

# -- event loops -----------------------------------------------------------------------------------

USES: dict[str, Callable[[AsyncBatchClient, Job], Awaitable[object]]] = {
    "submit": lambda batch, _: batch.submit("hello"),
    "result": lambda _, job: job.result(),
    "logs": lambda _, job: anext(job.logs()),
    "terminate": lambda _, job: job.terminate(),
    "aclose": lambda batch, _: batch.aclose(),
}


@pytest.mark.parametrize("use", USES)
async def test_client_used_from_another_thread_raises_client_closed(
    use: str, bench: MakeBench
) -> None:
    async def call(batch: AsyncBatchClient, job: Job) -> None:
        await USES[use](batch, job)

    async with bench() as b:
        job = await b.batch.submit("hello")
        with pytest.raises(ClientClosed, match="open on another event loop"):
            await asyncio.to_thread(lambda: asyncio.run(call(b.batch, job)))
        assert (await job).succeeded


def test_client_left_open_by_a_loop_that_ended_can_be_closed_on_another() -> None:
    local = LocalBatch(executor=ScriptedExecutor())

    async def leave_open() -> AsyncBatchClient:
        async with local:
            return await AsyncBatchClient(session=local.session).open()

    client = asyncio.run(leave_open())
    asyncio.run(client.aclose())
    assert not client.is_open


def test_client_without_asyncio_names_it() -> None:
    coroutine = AsyncBatchClient(region_name="eu-west-1").open()
    with pytest.raises(ClientClosed, match="needs asyncio; it does not run on trio"):
        coroutine.send(None)


# -- a client that is dropped ----------------------------------------------------------------------


async def test_client_that_is_dropped_warns_and_stops_its_background_task() -> None:
    async with LocalBatch(executor=ScriptedExecutor()) as local:
        clients = [await AsyncBatchClient(session=local.session).open()]
        assert _background_tasks()
        with pytest.warns(ResourceWarning, match="unclosed AsyncBatchClient: use `async with"):
            clients.clear()
        await asyncio.wait(_background_tasks(), timeout=10)
        assert not _background_tasks()


async def test_client_that_was_closed_is_dropped_in_silence(
    recwarn: pytest.WarningsRecorder,
) -> None:
    async with LocalBatch(executor=ScriptedExecutor()) as local:
        batch = await AsyncBatchClient(session=local.session).open()
        await batch.aclose()
        del batch
        gc.collect()
    assert not [w for w in recwarn if w.category is ResourceWarning]


def _background_tasks() -> set["asyncio.Task[Any]"]:
    return {task for task in asyncio.all_tasks() if task.get_name() == "asyncbatch client"}


# -- observers -------------------------------------------------------------------------------------


@pytest.mark.virtual_time
async def test_observer_that_raises_cancelled_error_is_logged(
    bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    def cancel(_: Event) -> None:
        raise asyncio.CancelledError

    async with bench(observers=[cancel]) as b:
        assert (await (await b.batch.submit("hello"))).succeeded
    assert "cancel" in caplog.text
    assert "raised on JobSubmitted" in caplog.text


class Asynchronous:
    async def __call__(self, event: Event) -> None: ...


async def asynchronous(event: Event) -> None: ...


@pytest.mark.parametrize("observer", [asynchronous, Asynchronous()], ids=["function", "object"])
def test_async_observer_is_refused(observer: Any) -> None:  # noqa: ANN401 - it is of a wrong type
    with pytest.raises(InvalidRequest, match="nothing would await an async one") as caught:
        AsyncBatchClient(observers=[observer])
    assert caught.value.field == "observers"


@pytest.mark.virtual_time
async def test_observer_that_returns_a_coroutine_is_logged(
    bench: MakeBench, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, logger="asyncbatch")

    def forgetful(event: Event) -> Any:  # noqa: ANN401 - it is of a wrong type
        return asynchronous(event)

    async with bench(observers=[forgetful]) as b:
        await (await b.batch.submit("hello"))
    assert "is async, so it did not get JobSubmitted" in caplog.text


# -- the SDK's configuration -----------------------------------------------------------------------

KEYS = "[default]\naws_access_key_id = x\naws_secret_access_key = y\n"
REGION = "[default]\nregion = eu-west-1\n"

CONFIGURATIONS: dict[str, tuple[str, str, type[AsyncBatchError]]] = {
    "process fails": (f"{REGION}credential_process = false\n", "", NoCredentials),
    "process is missing": (f"{REGION}credential_process = /no/such/program\n", "", NoCredentials),
    "process prints no JSON": (f"{REGION}credential_process = echo hi\n", "", NoCredentials),
    "process is empty": (f"{REGION}credential_process =\n", "", NoCredentials),
    "quote is missing": (f'{REGION}credential_process = a "b\n', "", NoCredentials),
    "half of the keys": (REGION, "[default]\naws_access_key_id = x\n", NoCredentials),
    "Region": ("[default]\nregion = eu west/1\n", KEYS, ConfigurationError),
    "endpoint": (f"{REGION}endpoint_url = nonsense\n", KEYS, ConfigurationError),
    "mode": (f"{REGION}defaults_mode = odd\n", KEYS, ConfigurationError),
    "source profile": (
        f"{REGION}role_arn = arn:aws:iam::1:role/x\nsource_profile = none\n",
        "",
        NoCredentials,
    ),
    "file is no configuration": ("[default\n", "", NoCredentials),
}


@pytest.mark.parametrize("case", CONFIGURATIONS)
async def test_unusable_configuration_raises_when_the_client_opens(
    case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, credentials, kind = CONFIGURATIONS[case]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_REGION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    (tmp_path / "config").write_text(config)
    (tmp_path / "credentials").write_text(credentials)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    with pytest.raises(kind) as caught:
        await AsyncBatchClient().open()
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:99999", "http://127.0.0.1:x", "http://[", "http://:80", "https://a:0"]
)
def test_endpoint_without_host_or_port_is_refused(url: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        AsyncBatchClient(endpoint_url=url)
    assert caught.value.field == "endpoint_url"


def test_client_that_is_dropped_after_its_loop_was_closed_warns() -> None:
    loop = asyncio.new_event_loop()
    local = LocalBatch(executor=ScriptedExecutor())
    loop.run_until_complete(local.open())
    clients = [loop.run_until_complete(AsyncBatchClient(session=local.session).open())]
    tasks = asyncio.all_tasks(loop)
    loop.close()
    with pytest.warns(ResourceWarning, match="unclosed AsyncBatchClient"):
        clients.clear()
    for task in tasks:
        task._log_destroy_pending = False  # type: ignore[attr-defined] # that is this test's doing


# -- values and observers that do nothing, and errors of their own ---------------------------------


@pytest.mark.parametrize("odd", ["a\0b", "a\nb", "\x1b[2J", "\ud800"], ids=repr)
@pytest.mark.parametrize(
    ("field", "make"),
    [
        ("queue", lambda odd: JobRequest("hello", queue=odd)),
        ("job_definition", JobRequest),
        ("key", lambda odd: JobRequest("hello", key=odd)),
        ("depends_on", lambda odd: JobRequest("hello", depends_on=[odd])),
    ],
)
def test_control_characters_in_identifiers_are_refused(
    field: str, make: Callable[[str], object], odd: str
) -> None:
    with pytest.raises(InvalidRequest, match=f"{field}.*must not contain control characters"):
        make(odd)


@contextlib.contextmanager
def _display() -> Iterator[Callable[[object], None]]:
    yield print


@pytest.mark.parametrize("observer", [_display, _display()], ids=["display", "display()"])
def test_context_manager_as_observer_is_refused(observer: Any) -> None:  # noqa: ANN401
    with pytest.raises(InvalidRequest, match=r"with display\(\) as observer"):
        AsyncBatchClient(observers=[observer])


@pytest.mark.virtual_time
async def test_missing_child_is_named(bench: MakeBench) -> None:
    async with bench() as b:
        array = await b.batch.submit_array("hello", size=8)
        with pytest.raises(IndexError, match=r"8 children, with indexes from 0 to 7.*index 9"):
            array[9]
        assert array[-1].id == f"{array.id}:7"


@pytest.mark.virtual_time
async def test_each_waiter_gets_an_error_of_its_own(bench: MakeBench) -> None:
    errors: list[ClientClosed] = []
    async with anyio.create_task_group() as group, bench(Script(duration=None)) as b:
        job = await b.batch.submit("hello")

        async def wait() -> None:
            with pytest.raises(ClientClosed) as caught:
                await job
            errors.append(caught.value)

        group.start_soon(wait)
        group.start_soon(wait)
        await anyio.sleep(5)
    assert errors[0] is not errors[1]
    assert str(errors[0]) == str(errors[1])
