"""What the handles of jobs may use of their client."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # only an open client needs these rooms, and it has loaded them
    from asyncbatch._aws.api import API
    from asyncbatch._jobs.job import Job
    from asyncbatch._logs.reader import LogReader
    from asyncbatch._polling.poller import Poller
    from asyncbatch._values.events import Event
    from asyncbatch._values.policies import LogPolicy


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """What a handle may use of its client."""

    api: "API"
    poller: "Poller"
    logs: "LogReader"
    log_policy: "LogPolicy"
    notify: "Callable[[Event], None]"
    require_open: Callable[[], None]
    console_url: Callable[[str], str | None]
    terminate: Callable[[Sequence[str], str], Awaitable[None]]
    handle: "Callable[[str], Job]"
