"""Warnings that may concern thousands of jobs: the first ones of a kind in full, then their number.

A Spot reclaim or a wrong policy concerns many jobs at once. A warning for each would hide all other
messages of the program, so the others are logged at level DEBUG.
"""

import asyncio
import logging
from dataclasses import dataclass

logger = logging.getLogger("asyncbatch")

_IN_FULL = 3
"""How many warnings of a kind are logged in full."""

_INTERVAL = 60.0
"""Seconds between two warnings with the number of those that were not."""


@dataclass(slots=True)
class _Kind:
    """Warnings of one kind.

    Attributes:
        logged: How many were logged in full.
        counted: How many were not since the number of them was logged last.
        last: The last one of these.
        timer: Logs their number; None while there are none.
    """

    logged: int = 0
    counted: int = 0
    last: str = ""
    timer: asyncio.TimerHandle | None = None


class RepeatedWarnings:
    """Logs warnings, and counts those that come often."""

    def __init__(self) -> None:
        """Start with no warnings, on the running event loop."""
        self._loop = asyncio.get_running_loop()
        self._kinds: dict[str, _Kind] = {}

    def warn(self, kind: str, message: str, *, error: BaseException | None = None) -> None:
        """Log a warning, or count it.

        Args:
            kind: Warnings of the same kind are counted together.
            message: The warning.
            error: Its traceback is logged as well; with the first warnings and at level DEBUG.
        """
        of_kind = self._kinds.setdefault(kind, _Kind())
        if of_kind.logged < _IN_FULL:
            of_kind.logged += 1
            logger.warning("%s", message, exc_info=error)
            return
        logger.debug("%s", message, exc_info=error)
        of_kind.counted += 1
        of_kind.last = message
        if of_kind.timer is None:
            of_kind.timer = self._loop.call_later(_INTERVAL, _log_number, of_kind)

    def close(self) -> None:
        """Log the numbers that were held back."""
        for of_kind in self._kinds.values():
            if of_kind.timer is not None:
                of_kind.timer.cancel()
                _log_number(of_kind)


def _log_number(of_kind: _Kind) -> None:
    """Log how many warnings there were, with one of them as an example."""
    more = "" if of_kind.counted == 1 else f"{of_kind.counted:,} more warnings like this: "
    logger.warning("%s%s", more, of_kind.last)
    of_kind.counted, of_kind.timer = 0, None
