"""An AWS Batch and CloudWatch Logs for a laptop and for CI, in this process.

`LocalBatch` really runs each job's command as a local process, streams its output, and schedules,
retries and ends jobs as AWS Batch does. With a `ScriptedExecutor` on a `VirtualTimeLoop`, hours of
thousands of jobs pass in seconds. `Fault` and `Quotas` make the service misbehave on demand.
"""

from asyncbatch.local._executors import AttemptEvents as AttemptEvents
from asyncbatch.local._executors import Executor as Executor
from asyncbatch.local._executors import Exit as Exit
from asyncbatch.local._executors import Launch as Launch
from asyncbatch.local._executors import Process as Process
from asyncbatch.local._faults import Fault as Fault
from asyncbatch.local._faults import Faults as Faults
from asyncbatch.local._faults import Injection as Injection
from asyncbatch.local._ledger import Ledger as Ledger
from asyncbatch.local._ledger import SubmittedJob as SubmittedJob
from asyncbatch.local._local import LocalBatch as LocalBatch
from asyncbatch.local._logs import LogStore as LogStore
from asyncbatch.local._processes import ProcessExecutor as ProcessExecutor
from asyncbatch.local._quotas import Quotas as Quotas
from asyncbatch.local._quotas import Rate as Rate
from asyncbatch.local._scripted import Script as Script
from asyncbatch.local._scripted import ScriptedExecutor as ScriptedExecutor
from asyncbatch.local._server import Door as Door
from asyncbatch.local._session import LocalSession as LocalSession
from asyncbatch.local._virtual_time import VirtualTimeDeadlock as VirtualTimeDeadlock
from asyncbatch.local._virtual_time import VirtualTimeLoop as VirtualTimeLoop
from asyncbatch.local._virtual_time import run_in_virtual_time as run_in_virtual_time

# pyright: reportUnsupportedDunderAll=false
__all__ = sorted(name for name in globals() if not name.startswith("_"))  # noqa: PLE0605
