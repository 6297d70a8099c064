"""Exceptions of providers, processors and exporters: logged once, and kept away from the client."""

import logging
from types import TracebackType

logger = logging.getLogger("asyncbatch")


class Guard:
    """A context manager that logs the first exception of each type, and suppresses all.

    It may be entered again while it is entered.
    """

    def __init__(self) -> None:
        """Start with none logged."""
        self._logged: set[type[BaseException]] = set()

    def __enter__(self) -> None:
        """Suppress from here."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool:
        """Suppress what is no request to end the program."""
        if kind is None or error is None:
            return True
        if issubclass(kind, KeyboardInterrupt | SystemExit):
            return False
        if kind not in self._logged:
            self._logged.add(kind)
            logger.error(
                "telemetry failed, so spans or metrics are incomplete; further %s are not logged",
                kind.__name__,
                exc_info=error,
            )
        return True
