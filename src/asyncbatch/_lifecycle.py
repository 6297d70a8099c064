"""Opening and closing a client: the part of `AsyncBatchClient` that every operation stands on."""

import logging
from collections.abc import Callable, Iterable
from os import PathLike
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeVar

from asyncbatch._aws import connection
from asyncbatch._aws.connection import Target
from asyncbatch._session.settings import Settings
from asyncbatch._values import checks as check
from asyncbatch._values.errors import ClientClosed, InvalidRequest
from asyncbatch._values.events import Event, Observer
from asyncbatch._values.policies import Journal, LogPolicy, PollPolicy, RateLimits

if TYPE_CHECKING:  # only an open client needs these rooms; see `_rooms_of_an_open_client`
    from asyncbatch._session.background import Background
    from asyncbatch._session.session import Runtime

logger = logging.getLogger("asyncbatch")

_P = TypeVar("_P", PollPolicy, LogPolicy, RateLimits)


class Lifecycle:
    """What can be opened and closed, from any task, and tells observers what happens meanwhile."""

    def __init__(
        self,
        *,
        region_name: str | None = None,
        profile_name: str | None = None,
        session: object = None,
        endpoint_url: str | None = None,
        poll: PollPolicy | None = None,
        logs: LogPolicy | None = None,
        limits: RateLimits | None = None,
        journal: Journal | str | PathLike[str] | None = None,
        observers: Iterable[Observer] = (),
    ) -> None:
        """Remember how to connect; nothing is read or sent before `open`.

        Args:
            region_name: AWS Region; None takes the SDK's configuration, then AWS_REGION.
            profile_name: Profile of the shared configuration.
            session: An aioboto3 or aiobotocore session to use instead of a new one.
            endpoint_url: Endpoint of Batch and CloudWatch Logs, such as a local engine's.
            poll: How eagerly jobs are asked about.
            logs: How logs are read, and how many last lines a `JobFailed` carries.
            limits: Most calls a second, by kind of call.
            journal: Where to keep what is submitted, so that a program that died can go on; the
                path of a file, or a `Journal`. None keeps nothing.
            observers: Called with every event; see `Observer`.

        Raises:
            InvalidRequest: An argument is wrong, or two exclude each other.
        """
        target = Target(
            region_name=region_name,
            profile_name=profile_name,
            session=session,
            endpoint_url=endpoint_url,
        )
        self._observers = _callables(observers)
        self._settings = Settings(
            target=target,
            poll=_policy("poll", poll, PollPolicy),
            logs=_policy("logs", logs, LogPolicy),
            limits=_policy("limits", limits, RateLimits),
            notify=self._notify,
            journal=_journal(journal),
        )
        self._background: Background[Runtime] | None = None
        self._runtime: Runtime | None = None
        self._was_open = False

    # What Python says of an argument that does not exist names the class that users know.
    __init__.__qualname__ = "AsyncBatchClient.__init__"

    async def open(self) -> Self:
        """Connect and start the background task; nothing is sent to AWS yet.

        Raises:
            NoRegion: No Region is configured anywhere.
            NoCredentials: The profile does not exist.
            ClientClosed: The client is open already.
            JournalError: The journal's file cannot be used.
        """
        import asyncio

        make_background = await asyncio.to_thread(_rooms_of_an_open_client)
        if self._background is not None:
            raise ClientClosed("this client is open already; one client serves many tasks")
        self._background = make_background(self._settings)
        try:
            self._runtime = await self._background.start()
        except BaseException:
            self._background = None
            raise
        self._was_open = True
        return self

    async def aclose(self) -> None:
        """Stop asking about jobs and disconnect; remote jobs go on. Closing twice is fine."""
        background, self._background, self._runtime = self._background, None, None
        if background is not None:
            await background.stop()

    async def __aenter__(self) -> Self:
        """Open it."""
        return await self.open()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close it; after an error, say once which jobs run on and how to find them."""
        runtime = self._runtime
        await self.aclose()
        words = runtime.last_words() if runtime is not None and error is not None else None
        if words is not None:
            logger.warning("%s", words)

    @property
    def is_open(self) -> bool:
        """Whether the client can be used."""
        return self._runtime is not None

    @property
    def region_name(self) -> str:
        """AWS Region that the open client uses.

        Raises:
            ClientClosed: The client is not open.
        """
        return self._require_open().region_name

    def _require_open(self) -> "Runtime":
        if self._runtime is None:
            how = "was closed" if self._was_open else "is not open yet"
            raise ClientClosed(f"this client {how}: use `async with AsyncBatchClient()`, or open()")
        self._runtime.require_open()
        return self._runtime

    def _notify(self, event: Event) -> None:
        for observer in self._observers:
            try:
                observer(event)
            except Exception:  # a progress bar's bug must not stop the jobs from being followed
                logger.exception("observer %r failed on %r", observer, event)


def _policy(field: str, value: _P | None, kind: type[_P]) -> _P:
    if value is None:
        return kind()
    if not isinstance(value, kind):
        raise InvalidRequest(field, value, f"a {kind.__name__}, or None for its defaults")
    return value


def _journal(value: Journal | str | PathLike[str] | None) -> Journal | None:
    return value if value is None or isinstance(value, Journal) else Journal(value)


def _callables(observers: Iterable[Observer]) -> tuple[Observer, ...]:
    check.iterable("observers", observers, rule="give a list of functions, even for one")
    given = tuple(observers)
    for observer in given:
        if not callable(observer):
            raise InvalidRequest("observers", observer, "each one is a function")
    return given


def _rooms_of_an_open_client() -> "Callable[[Settings], Background[Runtime]]":
    """Import what only an open client needs, in a thread, and return how to make its background.

    `import asyncbatch` has a tenth of a second for everything; these rooms take a third of that.
    """
    from asyncbatch._session.background import Background
    from asyncbatch._session.session import serve

    return lambda settings: Background(lambda ready, stop: serve(settings, ready, stop))


def preload() -> None:
    """Import all that clients need, which otherwise happens when the first one opens.

    It takes most of a second. Call it in a process that is about to fork children which open
    clients, or while nobody waits.
    """
    _rooms_of_an_open_client()
    connection.preload()
