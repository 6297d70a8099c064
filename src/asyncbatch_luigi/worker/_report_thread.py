"""Reports of running tasks to Luigi's scheduler, sent by a thread so that no task waits for them.

A request to `luigid` takes 20 ms and more, and thousands of tasks report each change. So reports
are stored and sent in rounds; of a tracking URL, a status message and a percentage only the latest
value is sent. When a task ends, the main thread sends what is left first: Luigi transmits a
tracking URL by declaring the task RUNNING, so a late one would make a finished task RUNNING again.
"""

import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from luigi.task_status import RUNNING

from asyncbatch_luigi.worker._scheduler_proxy import SchedulerProxy

if TYPE_CHECKING:
    import queue

logger = logging.getLogger("luigi-interface")

# Seconds between two rounds. People cannot read faster changes on luigid's page.
_INTERVAL = 0.1

Send = Callable[[], object]
F = TypeVar("F", bound=Callable[..., object])


class ReportThread:
    """Sends the reports of running tasks.

    Args:
        scheduler: The scheduler, whose lock is held while a report is sent.
    """

    def __init__(self, scheduler: SchedulerProxy) -> None:
        """Prepare the thread; `start` starts it."""
        self._scheduler_lock = scheduler.lock
        self._lock = threading.Lock()
        self._unsent: dict[str, dict[object, Send]] = {}
        self._wake_up = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._work, name="asyncbatch-reports", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def add(self, task_id: str, subject: object, send: Send) -> None:
        """Send a report soon; it replaces an unsent one about the same subject.

        Args:
            task_id: Id of the task that reports.
            subject: What the report is about, such as "progress".
            send: Sends the report.
        """
        with self._lock:
            self._unsent.setdefault(task_id, {})[subject] = send
        self._wake_up.set()

    def flush(self, task_id: str) -> None:
        """Send the remaining reports of a task now, before the scheduler is notified of its end."""
        with self._scheduler_lock:  # waits for a report of the task that is being sent right now
            self._send(task_id)

    def close(self, timeout: float) -> None:
        """Stop after the current round; wait for it at most `timeout` seconds."""
        self._stopped.set()
        self._wake_up.set()
        self._thread.join(timeout)

    def _work(self) -> None:
        while not self._stopped.is_set():
            self._wake_up.wait()
            self._wake_up.clear()
            for task_id in list(self._unsent):
                with self._scheduler_lock:
                    self._send(task_id)
            self._stopped.wait(_INTERVAL)

    def _send(self, task_id: str) -> None:
        with self._lock:
            reports = self._unsent.pop(task_id, {})
        for send in reports.values():
            try:
                send()
            except Exception as error:  # noqa: BLE001 - the reports of other tasks must go on
                logger.warning("Report to Luigi's scheduler failed for task %s: %r", task_id, error)


def _instant(report: F) -> F:
    """Mark a report as one that returns at once, so that it may be made on an event loop."""
    setattr(report, "is_instant", True)  # noqa: B010 - functions declare no attributes
    return report


class TaskReporter:
    """The reports of one running task; it has the shape of Luigi's `TaskStatusReporter`.

    Attributes:
        scheduler_messages: Messages from the scheduler to the task; None if it accepts none.
    """

    def __init__(
        self,
        thread: ReportThread,
        scheduler: Any,  # noqa: ANN401 - Luigi's, which has no types
        worker_id: str,
        task_id: str,
        scheduler_messages: "queue.Queue[Any] | None",
    ) -> None:
        """Store where the reports go, and what they are about."""
        self.scheduler_messages = scheduler_messages
        self._thread = thread
        self._scheduler = scheduler
        self._worker_id = worker_id
        self._task_id = task_id
        self._is_closed = False

    @_instant
    def update_tracking_url(self, tracking_url: str) -> None:
        """Report a page on which the task can be watched."""
        self._add(
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
        """Report the state of the task in words."""
        self._add(
            "status message",
            lambda: self._scheduler.set_task_status_message(self._task_id, message),
        )

    @_instant
    def update_progress_percentage(self, percentage: float) -> None:
        """Report the progress of the task, in percent."""
        self._add(
            "progress",
            lambda: self._scheduler.set_task_progress_percentage(self._task_id, percentage),
        )

    @_instant
    def decrease_running_resources(self, decrease_resources: dict[str, int]) -> None:
        """Release resources before the task ends; every call counts, so none is replaced."""
        self._add(
            object(),
            lambda: self._scheduler.decrease_running_task_resources(
                self._task_id, decrease_resources
            ),
        )

    def attach(self, task: Any) -> None:  # noqa: ANN401 - a luigi.Task, which has no types
        """Give a task the attributes with which it reports while it runs, as Luigi documents."""
        task.set_tracking_url = self.update_tracking_url
        task.set_status_message = self.update_status_message
        task.set_progress_percentage = self.update_progress_percentage
        task.decrease_running_resources = self.decrease_running_resources
        task.scheduler_messages = self.scheduler_messages

    def close(self, task: Any) -> None:  # noqa: ANN401 - as above
        """Take the attributes from the task, send its remaining reports, and drop later ones."""
        task.set_tracking_url = None
        task.set_status_message = None
        task.set_progress_percentage = None
        task.decrease_running_resources = None
        task.scheduler_messages = None
        self._is_closed = True
        self._thread.flush(self._task_id)

    def _add(self, subject: object, send: Send) -> None:
        if not self._is_closed:
            self._thread.add(self._task_id, subject, send)
