"""Many jobs in one call, for scripts that have no event loop: `run_sync`."""

from collections.abc import Iterable
from os import PathLike

from asyncbatch._client import AsyncBatchClient
from asyncbatch._jobs import many
from asyncbatch._values.defaults import JobDefaults
from asyncbatch._values.errors import ClientClosed
from asyncbatch._values.events import Observer
from asyncbatch._values.policies import FailureLimit, Journal, LogPolicy, PollPolicy, RateLimits
from asyncbatch._values.recovery import RecoveryPolicy
from asyncbatch._values.results import JobResult


def run_sync(
    requests: many.Requests,
    *,
    max_in_flight: int | None = None,
    coalesce: bool = False,
    check: bool = True,
    recovery: RecoveryPolicy | str | None = None,
    stop_on: FailureLimit | None = None,
    region_name: str | None = None,
    profile_name: str | None = None,
    session: object = None,
    endpoint_url: str | None = None,
    poll: PollPolicy | None = None,
    logs: LogPolicy | None = None,
    limits: RateLimits | None = None,
    journal: Journal | str | PathLike[str] | None = None,
    observers: Iterable[Observer] = (),
    defaults: JobDefaults | None = None,
) -> list[JobResult]:
    """Submit many jobs, wait until all have ended, and return their results, without asyncio.

    It opens a client, calls its `run`, and closes it, in an event loop of its own that blocks the
    thread. It is meant for scripts with one fan-out. Each call connects again, which takes a
    second; programs that do more use `AsyncBatchClient`.

    Ctrl-C stops waiting and raises KeyboardInterrupt. The jobs continue, and one message says how
    to find them; with a journal, the same call follows them again.

    Args:
        requests: Any iterable of `JobRequest`, synchronous or asynchronous.
        max_in_flight: As for `AsyncBatchClient.run`.
        coalesce: As for `AsyncBatchClient.run`.
        check: As for `AsyncBatchClient.run`.
        recovery: As for `AsyncBatchClient.run`.
        stop_on: As for `AsyncBatchClient.run`.
        region_name: As for `AsyncBatchClient`, like all that follow.
        profile_name: As above.
        session: As above.
        endpoint_url: As above.
        poll: As above.
        logs: As above.
        limits: As above.
        journal: As above.
        observers: As above. They are called in this thread.
        defaults: As above.

    Returns:
        Results, in the order of the requests.

    Raises:
        ClientClosed: An event loop runs in this thread, as in notebooks and async functions. Use
            ``await batch.run(...)`` there.
        AsyncBatchError: As `AsyncBatchClient.open` and `AsyncBatchClient.run`.
    """
    import asyncio

    _require_no_loop()
    client = AsyncBatchClient(
        region_name=region_name,
        profile_name=profile_name,
        session=session,
        endpoint_url=endpoint_url,
        poll=poll,
        logs=logs,
        limits=limits,
        journal=journal,
        observers=observers,
        defaults=defaults,
    )

    async def run() -> list[JobResult]:
        async with client as batch:
            return await batch.run(
                requests,
                max_in_flight=max_in_flight,
                coalesce=coalesce,
                check=check,
                recovery=recovery,
                stop_on=stop_on,
            )

    return asyncio.run(run())


def _require_no_loop() -> None:
    """Raise if an event loop runs in this thread.

    Raises:
        ClientClosed: One does.
    """
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ClientClosed(
        "run_sync() cannot be used where an event loop runs, as in notebooks and async functions."
        " Use `async with AsyncBatchClient() as batch: results = await batch.run(...)` instead."
    )
