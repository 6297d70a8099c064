"""`LocalBatch`: creates the engine, its service and its doors, and closes them."""

import asyncio
import logging
import os
from collections import Counter
from contextlib import AbstractAsyncContextManager
from functools import cache
from types import TracebackType
from typing import Self

from botocore.loaders import Loader
from botocore.loaders import create_loader as create_botocore_loader

from asyncbatch.local._doors.http_server import Door, open_door
from asyncbatch.local._doors.in_process import LocalSession
from asyncbatch.local._engine.consumables import Consumables
from asyncbatch.local._engine.definitions import JobDefinitions
from asyncbatch.local._engine.engine import Engine
from asyncbatch.local._engine.ids import IdMaker
from asyncbatch.local._engine.job_store import JobStore
from asyncbatch.local._engine.log_store import LogStore
from asyncbatch.local._engine.queues import JobQueues
from asyncbatch.local._engine.scheduling_policies import SchedulingPolicies
from asyncbatch.local._executors.base import Executor
from asyncbatch.local._executors.processes import ProcessExecutor
from asyncbatch.local._service.consumable_api import ConsumableApi
from asyncbatch.local._service.faults import Faults
from asyncbatch.local._service.job_api import JobApi
from asyncbatch.local._service.ledger import Ledger
from asyncbatch.local._service.logs_api import LogsApi
from asyncbatch.local._service.messages import BATCH, LOGS
from asyncbatch.local._service.policy_api import PolicyApi
from asyncbatch.local._service.quotas import Quotas
from asyncbatch.local._service.resource_api import ResourceApi
from asyncbatch.local._service.routing import Router
from asyncbatch.local._service.service import Handler, Service
from asyncbatch.local._time.clock import Clock, LoopClock

NOTICE = (
    "Local engine: jobs run as processes on this machine, as this user. There is no container:"
    " the image is ignored, and memory is limited only with enforce_memory. Jobs and logs are lost"
    " when it closes."
)
_LOGGER = logging.getLogger("asyncbatch.local")
_STOP_GRACE = 30.0  # seconds between SIGTERM and SIGKILL, as with AWS Batch


class LocalBatch:
    """AWS Batch and CloudWatch Logs in this process.

    Open it with `async with` and connect clients through `session`. It starts with one job queue,
    `default`. Jobs and logs exist until it closes.

    Args:
        vcpus: Number of vCPUs that the jobs share; by default, the number of the machine's CPUs.
        gpus: Number of GPUs that the jobs share. They are counted only: commands find no device.
        executor: Runs the jobs; by default, a `ProcessExecutor`.
        quotas: Rate limits of the operations; by default, unlimited.
        seed: Seed of identifiers and random numbers, for repeatable runs; None draws a new one.
        log_delay: Seconds from writing a line of output until it can be read.
        stop_grace: Seconds between SIGTERM and SIGKILL for a job that is terminated or timed out.

    Attributes:
        ledger: The requests that arrived and what was done, independent of lost responses.

    Example:
        ```python
        async with LocalBatch(vcpus=4) as local:
            async with AsyncBatchClient(session=local.session) as client:
                echo = {"image": "any", "vcpus": 1, "memory": 64, "command": ["echo", "hello"]}
                hello = {"type": "container", "containerProperties": echo}
                await client.register_job_definition({"jobDefinitionName": "hello", **hello})
                result = await (await client.submit("hello", queue="default"))
        ```
    """

    def __init__(
        self,
        *,
        vcpus: int | None = None,
        gpus: int = 0,
        executor: Executor | None = None,
        quotas: Quotas | None = None,
        seed: int | None = None,
        log_delay: float = 0.0,
        stop_grace: float = _STOP_GRACE,
    ) -> None:
        self._vcpus = vcpus if vcpus is not None else os.cpu_count() or 1
        self._gpus = gpus
        self._executor = executor if executor is not None else ProcessExecutor()
        self._quotas = quotas if quotas is not None else Quotas.unlimited()
        self._ids = IdMaker(seed)
        self._log_delay = log_delay
        self._stop_grace = stop_grace
        self._faults = Faults(self._ids.rng_for("faults"))
        self._running: _Running | None = None
        self.ledger = Ledger()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def open(self) -> Self:
        """Start the engine and return it; `async with` calls this.

        Raises:
            RuntimeError: This `LocalBatch` was opened before.
        """
        if self._running is not None:
            raise RuntimeError("LocalBatch was opened before. Create a new one for each run.")
        clock = LoopClock(asyncio.get_running_loop())
        # In a thread: reading botocore's service models takes tens of milliseconds.
        loader, router = await asyncio.to_thread(_load_models)
        await self._executor.open(clock)
        if isinstance(self._executor, ProcessExecutor):
            _LOGGER.warning(NOTICE)
        self._running = self._assemble(clock, loader, router)
        return self

    async def aclose(self) -> None:
        """End all running jobs and wait for their exits; does nothing when called again."""
        if self._running is not None:
            # Requests fail only after all attempts have reported their exits: until then, clients
            # can still read how the jobs ended.
            self._running.engine.close()
            await self._executor.aclose()
            self._running.service.close()

    @property
    def session(self) -> LocalSession:
        """An aiobotocore session whose clients reach this engine only."""
        return self._open.session

    def serve(self, *, port: int = 0) -> AbstractAsyncContextManager[Door]:
        """Serve HTTP on 127.0.0.1 for other programs.

        Args:
            port: TCP port; 0 chooses a free one.

        Returns:
            An async context manager that yields the `Door`; the server closes with the block.
        """
        return open_door(self._open.service, port)

    @property
    def notice(self) -> str:
        """What this engine does not provide; logged as a warning if it runs commands."""
        return NOTICE

    @property
    def faults(self) -> Faults:
        """The faults in force; `faults.add` injects one."""
        return self._faults

    @property
    def calls(self) -> Counter[str]:
        """The number of received requests of each operation."""
        return self.ledger.calls

    @property
    def logs(self) -> LogStore:
        """The log groups and streams; tests can write events into them."""
        return self._open.logs

    @property
    def _open(self) -> "_Running":
        if self._running is None:
            raise RuntimeError("LocalBatch is not open. Use `async with LocalBatch() as local:`.")
        return self._running

    def _assemble(self, clock: Clock, loader: Loader, router: Router) -> "_Running":
        logs = LogStore(clock, delay=self._log_delay)
        jobs = JobStore(clock, self._ids)
        consumables = Consumables()
        engine = Engine(
            clock=clock,
            executor=self._executor,
            jobs=jobs,
            ids=self._ids,
            logs=logs,
            vcpus=self._vcpus,
            gpus=self._gpus,
            consumables=consumables,
            stop_grace=self._stop_grace,
        )
        service = Service(
            router=router,
            handlers={
                BATCH: self._batch_handlers(clock, jobs, engine, consumables),
                LOGS: LogsApi(logs).handlers(),
            },
            clock=clock,
            ids=self._ids,
            quotas=self._quotas,
            faults=self._faults,
            ledger=self.ledger,
        )
        return _Running(engine, service, logs, LocalSession(service, loader))

    def _batch_handlers(
        self, clock: Clock, jobs: JobStore, engine: Engine, consumables: Consumables
    ) -> dict[str, Handler]:
        """Return the handlers of the operations of AWS Batch."""
        policies, definitions = SchedulingPolicies(), JobDefinitions()
        queues = JobQueues(policies)
        job_api = JobApi(
            engine=engine,
            jobs=jobs,
            queues=queues,
            definitions=definitions,
            consumables=consumables,
            clock=clock,
            ledger=self.ledger,
        )
        resource_api = ResourceApi(
            engine=engine,
            queues=queues,
            definitions=definitions,
            jobs=jobs,
            vcpus=self._vcpus,
        )
        apis = (
            job_api,
            resource_api,
            PolicyApi(policies, queues),
            ConsumableApi(consumables, engine, clock),
        )
        return {name: handler for api in apis for name, handler in api.handlers().items()}


class _Running:
    """The parts that exist while a `LocalBatch` is open."""

    def __init__(
        self, engine: Engine, service: Service, logs: LogStore, session: LocalSession
    ) -> None:
        self.engine = engine
        self.service = service
        self.logs = logs
        self.session = session


@cache
def _load_models() -> tuple[Loader, Router]:
    """Read botocore's service models, once per process: they never change."""
    loader = create_botocore_loader()
    return loader, Router(loader)
