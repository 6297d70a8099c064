"""AWS Batch and CloudWatch Logs in this process, for laptops and for CI.

`LocalBatch` runs each job's command as a local process, streams its output, and schedules, retries
and ends jobs as AWS Batch does. With a `ScriptedExecutor` on a `VirtualTimeLoop`, thousands of jobs
that take hours finish in seconds. `Fault` and `Quotas` make the service fail or throttle on demand.
"""

from asyncbatch.local._doors.http_server import Door as Door
from asyncbatch.local._doors.in_process import LocalSession as LocalSession
from asyncbatch.local._engine.log_store import LogStore as LogStore
from asyncbatch.local._executors.base import AttemptEvents as AttemptEvents
from asyncbatch.local._executors.base import Executor as Executor
from asyncbatch.local._executors.base import Exit as Exit
from asyncbatch.local._executors.base import Launch as Launch
from asyncbatch.local._executors.base import Process as Process
from asyncbatch.local._executors.processes import ProcessExecutor as ProcessExecutor
from asyncbatch.local._executors.scripted import Script as Script
from asyncbatch.local._executors.scripted import ScriptedExecutor as ScriptedExecutor
from asyncbatch.local._local_batch import LocalBatch as LocalBatch
from asyncbatch.local._service.faults import Fault as Fault
from asyncbatch.local._service.faults import Faults as Faults
from asyncbatch.local._service.faults import Injection as Injection
from asyncbatch.local._service.ledger import Ledger as Ledger
from asyncbatch.local._service.ledger import SubmittedJob as SubmittedJob
from asyncbatch.local._service.quotas import Quotas as Quotas
from asyncbatch.local._service.quotas import Rate as Rate
from asyncbatch.local._time.virtual_time import VirtualTimeDeadlock as VirtualTimeDeadlock
from asyncbatch.local._time.virtual_time import VirtualTimeLoop as VirtualTimeLoop
from asyncbatch.local._time.virtual_time import run_in_virtual_time as run_in_virtual_time

# pyright: reportUnsupportedDunderAll=false
__all__ = sorted(name for name in globals() if not name.startswith("_"))  # noqa: PLE0605
