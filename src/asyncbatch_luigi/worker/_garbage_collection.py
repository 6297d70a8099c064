"""Python's garbage collector, while thousands of tasks run: as ever, only not so often.

It looks through what is new after every 700 new objects, and through all objects there are, some
hundred thousand with thousands of tasks, when enough new ones have lasted. That took a tenth of the
CPU time of 2,000 tasks; it leaves a fortieth, for some megabytes of garbage at most.
"""

import gc

_NEW_OBJECTS = 10_000


class RareCollections:
    """Collections of garbage become rarer between `begin` and `end`."""

    def __init__(self) -> None:
        """Change nothing yet."""
        self._before: tuple[int, int, int] | None = None

    def begin(self) -> None:
        """Collect after more new objects, unless the process has it still rarer, or never."""
        before = gc.get_threshold()
        if 0 < before[0] < _NEW_OBJECTS:
            self._before = before
            gc.set_threshold(_NEW_OBJECTS, *before[1:])

    def end(self) -> None:
        """Put back what was there."""
        if self._before is not None:
            gc.set_threshold(*self._before)
            self._before = None
