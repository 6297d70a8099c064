"""Thousands of tasks in one process: a Luigi worker that runs `BatchTask`s as coroutines.

Theory of operation
-------------------
Luigi's worker gives each running task a process. Here a `BatchTask` is a coroutine instead, on one
event loop in a thread of its own, with one client for all; if its class has a `run` of its own,
that runs in a thread, and what it awaits runs on the same loop. Tasks of other kinds are run by
Luigi as ever.

The main thread is Luigi's: it asks the scheduler for work, and makes all events and callbacks, one
at a time. Everything else comes to it by way of a mailbox. It never waits for AWS.
"""

from asyncbatch_luigi.worker._entry_points import OneProcess as OneProcess
from asyncbatch_luigi.worker._entry_points import build as build

__all__ = ["OneProcess", "build"]
