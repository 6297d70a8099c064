"""Telling Luigi's scheduler how tasks go, without keeping anybody waiting.

What tasks report is put down and sent by a thread: of a status message, a tracking URL and a
percentage only the newest is of interest. When a task ends, the main thread sends what is left
before it tells the end: a tracking URL that came later would make the task RUNNING again.
"""

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from luigi.task_status import RUNNING

if TYPE_CHECKING:
    import queue

logger = logging.getLogger("luigi-interface")

# Seconds between two rounds; what changes faster than that is nobody's to see.
_INTERVAL = 0.1

Send = Callable[[], object]
F = TypeVar("F", bound=Callable[..., object])


class ReportThread:
    """Sends what running tasks report.

    Args:
        lock: Held while something is sent; see `LockedScheduler`.
    """

    def __init__(self, lock: "threading.RLock") -> None:
        """Have no thread yet; `start` makes it."""
        self._sending = lock
        self._lock = threading.Lock()
        self._news: dict[str, dict[object, Send]] = {}
        self._come = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="asyncbatch-reports", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def tell(self, task_id: str, subject: object, send: Send) -> None:
        """Have something sent soon, in place of what was not sent yet about the same subject.

        Args:
            task_id: Whom it is about.
            subject: What of it.
            send: Sends it.
        """
        with self._lock:
            self._news.setdefault(task_id, {})[subject] = send
        self._come.set()

    def finish(self, task_id: str) -> None:
        """Send now what there is about a task, before the scheduler hears of its end."""
        with self._sending:  # a round that is just sending something about it comes first
            self._send(task_id)

    def close(self, patience: float) -> None:
        """Stop, after the round that goes on; wait for its end so many seconds at most."""
        self._stopped.set()
        self._come.set()
        self._thread.join(patience)

    def _work(self) -> None:
        while not self._stopped.is_set():
            self._come.wait()
            self._come.clear()
            for task_id in list(self._news):
                with self._sending:
                    self._send(task_id)
            self._stopped.wait(_INTERVAL)

    def _send(self, task_id: str) -> None:
        with self._lock:
            news = self._news.pop(task_id, {})
        for send in news.values():
            try:
                send()
            except Exception as error:  # noqa: BLE001 - a report is no reason to stop reporting
                logger.warning("Luigi's scheduler could not be told of %s: %r", task_id, error)


def _instant(report: F) -> F:
    """Say that a report keeps nobody waiting, so that it may be made on an event loop."""
    setattr(report, "is_instant", True)  # noqa: B010 - functions declare no attributes
    return report


class TaskReporter:
    """What a task of this process reports with; it has the shape of Luigi's `TaskStatusReporter`.

    Attributes:
        scheduler_messages: Messages that the scheduler sends to the task; None if it takes none.
    """

    def __init__(
        self,
        reports: ReportThread,
        scheduler: Any,  # noqa: ANN401 - Luigi's, which has no types
        worker_id: str,
        task_id: str,
        scheduler_messages: "queue.Queue[Any] | None",
    ) -> None:
        """Remember whom to tell, of what, and in whose name."""
        self.scheduler_messages = scheduler_messages
        self._reports = reports
        self._scheduler = scheduler
        self._worker_id = worker_id
        self._task_id = task_id
        self._is_over = False

    @_instant
    def update_tracking_url(self, tracking_url: str) -> None:
        """Tell where to watch the task."""
        self._tell(
            "tracking URL",
            lambda: self._scheduler.add_task(
                task_id=self._task_id,
                worker=self._worker_id,
                status=RUNNING,
                tracking_url=tracking_url,
            ),
        )

    @_instant
    def update_status_message(self, message: str) -> None:
        """Tell how the task goes."""
        self._tell(
            "status message",
            lambda: self._scheduler.set_task_status_message(self._task_id, message),
        )

    @_instant
    def update_progress_percentage(self, percentage: float) -> None:
        """Tell how far the task is."""
        self._tell(
            "progress",
            lambda: self._scheduler.set_task_progress_percentage(self._task_id, percentage),
        )

    @_instant
    def decrease_running_resources(self, decrease_resources: dict[str, int]) -> None:
        """Give resources back before the end; each call counts."""
        self._tell(
            object(),
            lambda: self._scheduler.decrease_running_task_resources(
                self._task_id, decrease_resources
            ),
        )

    def finish(self) -> None:
        """Send what there is, and nothing that is reported from now on."""
        self._is_over = True
        self._reports.finish(self._task_id)

    def _tell(self, subject: object, send: Send) -> None:
        if not self._is_over:
            self._reports.tell(self._task_id, subject, send)
