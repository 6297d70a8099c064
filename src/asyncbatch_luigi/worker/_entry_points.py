"""The entry points: `build`, the factory for Luigi, and the `asyncbatch-luigi` command."""

import sys
import warnings
from collections.abc import Iterable
from typing import Any

import luigi
import luigi.rpc
import luigi.scheduler
import luigi.worker

from asyncbatch_luigi.worker import _luigi_private
from asyncbatch_luigi.worker._local_scheduler import LocalScheduler

_luigi: Any = luigi  # it declares types only in part


class OneProcess:
    """Makes workers that run every `BatchTask` in one process, with one client.

    Pass it to ``luigi.build`` or ``luigi.run`` as their ``worker_scheduler_factory``, or use
    `build`. Luigi's schedulers need no change. If the worker does not support this version of
    Luigi, it warns and makes Luigi's own workers.

    Example:
        ```python
        luigi.build(tasks, local_scheduler=True, worker_scheduler_factory=OneProcess())
        ```
    """

    def create_local_scheduler(self) -> Any:  # noqa: ANN401 - Luigi's
        """Return the scheduler of a process that uses no `luigid`."""
        if _luigi_private.unsupported() is None:
            return LocalScheduler()
        return _luigi.scheduler.Scheduler(prune_on_get_work=True, record_task_history=False)

    def create_remote_scheduler(self, url: str) -> Any:  # noqa: ANN401 - as above
        """Return a client of the `luigid` at a URL."""
        return _luigi.rpc.RemoteScheduler(url)

    def create_worker(
        self,
        scheduler: Any,  # noqa: ANN401 - as above
        worker_processes: int,
        assistant: bool = False,  # noqa: FBT001, FBT002 - as Luigi calls it
    ) -> Any:  # noqa: ANN401 - as above
        """Return a worker.

        Args:
            scheduler: The scheduler from which it requests work.
            worker_processes: Maximum number of tasks of other kinds that it runs at a time.
            assistant: Whether it also runs tasks that it did not schedule.
        """
        reason = _luigi_private.unsupported()
        if reason is None:
            return _luigi_private.OneProcessWorker(
                scheduler=scheduler, worker_processes=worker_processes, assistant=assistant
            )
        warnings.warn(
            f"BatchTasks run in Luigi's ordinary workers: {reason}", RuntimeWarning, stacklevel=2
        )
        return _luigi.worker.Worker(
            scheduler=scheduler, worker_processes=worker_processes, assistant=assistant
        )


def build(
    tasks: Iterable[luigi.Task],
    worker_scheduler_factory: Any = None,  # noqa: ANN401 - as in Luigi
    detailed_summary: bool = False,  # noqa: FBT001, FBT002 - as in Luigi
    **env_params: Any,  # noqa: ANN401 - as above
) -> Any:  # noqa: ANN401 - as above
    """Run tasks as ``luigi.build`` does, with every `BatchTask` among them in this process.

    Args:
        tasks: The tasks.
        worker_scheduler_factory: Makes the scheduler and the worker; None uses `OneProcess`.
        detailed_summary: Whether to return Luigi's ``LuigiRunResult`` instead of a bool.
        **env_params: Luigi's settings, such as ``local_scheduler=True`` and ``workers=4``;
            ``workers`` limits tasks of other kinds.

    Returns:
        Whether all tasks were scheduled without an error, as ``luigi.build`` returns it.
    """
    factory = OneProcess() if worker_scheduler_factory is None else worker_scheduler_factory
    return _luigi.build(tasks, factory, detailed_summary, **env_params)


def main(arguments: list[str] | None = None) -> None:
    """Run the ``asyncbatch-luigi`` command: ``luigi`` with the workers of `OneProcess`.

    Args:
        arguments: Arguments of ``luigi``; None reads the command line.

    Raises:
        SystemExit: Always, with the return code that Luigi is configured to return.
    """
    _luigi_private.run_command(sys.argv[1:] if arguments is None else arguments, OneProcess())
