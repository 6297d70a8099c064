"""Reports of running tasks to Luigi's scheduler, sent by a thread so that no task waits for them.

A request to `luigid` takes 20 ms and more, and thousands of tasks report each change. So reports
are stored and sent in rounds; of a tracking URL, a status message and a percentage only the latest
value is sent. When a task ends, the main thread sends what is left first: Luigi transmits a
tracking URL by declaring the task RUNNING, so a late one would make a finished task RUNNING again.
"""

import functools
import logging
import threading
from collections.abc import Callable
from typing import Any

from asyncbatch_luigi.worker._scheduler_proxy import SchedulerProxy

logger = logging.getLogger("luigi-interface")

# Seconds between two rounds. People cannot read faster changes on luigid's page.
_INTERVAL = 0.1
# Methods of the scheduler of which only the latest call counts; a running task calls `add_task` to
# report its tracking URL. All other calls are sent, such as those that release resources.
_REPLACING = ("add_task", "set_task_status_message", "set_task_progress_percentage")

Send = Callable[[], object]


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
        self._keeps = False
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
        if not self._keeps:
            self.send_kept(task_id)

    def keep(self) -> None:
        """Send no more from now on, except with `send_kept`: the worker ends."""
        self._keeps = True
        self._stopped.set()

    def send_kept(self, task_id: str) -> None:
        """Send the remaining reports of a task."""
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


class ReportedCalls:
    """The scheduler, as Luigi's reporter of one running task uses it: calls are sent soon.

    It takes any call, so that reporters of later versions of Luigi work too.
    """

    def __init__(
        self,
        thread: ReportThread,
        scheduler: Any,  # noqa: ANN401 - Luigi's, which has no types
        task_id: str,
    ) -> None:
        """Store where the calls go, and which task they are about."""
        self._thread = thread
        self._scheduler = scheduler
        self._task_id = task_id
        self._is_closed = False

    def __getattr__(self, name: str) -> Callable[..., None]:
        """Return a function that has a method of the scheduler called."""
        method = getattr(self._scheduler, name)
        subject = name if name in _REPLACING else None

        def call(*args: object, **values: object) -> None:
            if not self._is_closed:
                send = functools.partial(method, *args, **values)
                self._thread.add(self._task_id, subject or object(), send)

        return call

    def close(self) -> None:
        """Send the remaining calls, and drop later ones."""
        self._is_closed = True
        self._thread.flush(self._task_id)


def attach(process: Any) -> None:  # noqa: ANN401 - Luigi's process of a task
    """Give a task the attributes with which it reports while it runs, as Luigi documents."""
    for name, attribute in process.forward_reporter_attributes.items():
        setattr(process.task, attribute, getattr(process.status_reporter, name))


def detach(process: Any) -> None:  # noqa: ANN401 - as above
    """Take the attributes from the task."""
    for attribute in process.forward_reporter_attributes.values():
        setattr(process.task, attribute, None)
