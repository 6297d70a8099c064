"""A Luigi worker that runs thousands of `BatchTask`s in one process.

Theory of operation
-------------------
Luigi's own worker forks a process for each running task, which costs 30-55 MB each. Most of what a
`BatchTask` does is to wait for its job, so here each one is a coroutine instead. Three kinds of
threads share the work:

- The **main thread** belongs to Luigi. It requests work from the scheduler, and triggers all events
  and callbacks, one at a time: users' event handlers are not written for several threads. It never
  waits for AWS. Other threads reach it through a queue (`_main_thread_queue`).
- The **event loop** runs in a thread of its own (`_loop_thread`), with one open client for all
  tasks, so that one DescribeJobs call serves 100 of them.
- **Daemon threads** (`_thread_pool`) run what blocks: `run()` methods that a subclass overrides,
  and `complete()`.

The scheduler knows this worker as two, one for ordinary tasks and one for `BatchTask`s; see
`_scheduler_proxy`. `_task_run` is the run of one task, from its requirements to its result. Tasks
of other kinds run as in Luigi: in forked processes, or in the main thread. All private API of Luigi
is used in `_luigi_private` and nowhere else; if this Luigi is one that it does not know,
`OneProcess` makes Luigi's ordinary workers.
"""

from asyncbatch_luigi.worker._entry_points import OneProcess as OneProcess
from asyncbatch_luigi.worker._entry_points import build as build

__all__ = ["OneProcess", "build"]
