"""AWS Batch in a process of its own: the local engine behind its loopback door.

Its ledger has every submission, whatever happens to the drivers. It also kills drivers where that
has to be exact: at a certain request, before or after the request is carried out.
"""

import asyncio
import contextlib
import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from asyncbatch._submitting.marks import TAG
from asyncbatch.local import Injection, LocalBatch, Quotas, ScriptedExecutor
from asyncbatch.local._engine.errors import ServiceError
from asyncbatch.local._service.messages import BATCH
from asyncbatch.local._service.rendering import render_error
from tests.chaos.clock import FastLoop
from tests.chaos.plan import BASE_MEMORY_MIB, Kill, Plan, PlannedFault
from tests.chaos.scripts import Scripts
from tests.chaos.shared import Shared

DEFINITION: dict[str, Any] = {
    "jobDefinitionName": "chaos",
    "type": "container",
    "containerProperties": {
        "image": "any",
        "command": ["true"],
        "resourceRequirements": [
            {"type": "VCPU", "value": "1"},
            {"type": "MEMORY", "value": str(BASE_MEMORY_MIB)},
        ],
    },
}
_DESCRIBED = 100
_SUBMIT = "/v1/submitjob"
_LOOK_UPS = ("/v1/listjobs", "/v1/describejobs")
_THROTTLED = 429


def serve(plan: Plan, shared: Shared, directory: Path, ready: int) -> None:
    """Serve until SIGTERM; then write the ledger into the directory.

    Args:
        plan: The run.
        shared: What the processes of the run share.
        directory: Where the ledger goes.
        ready: File descriptor to write the door's environment to, as JSON, and two readings of one
            moment: of the monotonic clock and of the engine's.
    """
    with asyncio.Runner(loop_factory=FastLoop) as runner:
        runner.run(_serve(plan, shared, directory, ready))


async def _serve(plan: Plan, shared: Shared, directory: Path, ready: int) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    scripts = Scripts(plan, shared)
    executor = ScriptedExecutor(scripts.of)
    local = LocalBatch(executor=executor, vcpus=10_000, seed=plan.seed, quotas=Quotas.aws())
    async with local, local.session.create_client("batch") as raw:
        await raw.register_job_definition(**DEFINITION)
        scripts.use(local)
        injector = _FaultInjector(plan, shared, local)
        async with local.serve() as door:
            began = time.monotonic(), injector.now()
            os.write(ready, json.dumps([door.environment, began]).encode())
            os.close(ready)
            await stop.wait()
        local.faults.clear()
        ledger = {
            "jobs": await _jobs(local, raw),
            "submissions": await _submissions(local, raw, scripts) if plan.recovery else [],
            "faults": injector.hits(),
            "refused_look_ups": injector.refused_look_ups,
        }
        directory.joinpath("ledger.json").write_text(json.dumps(ledger))


class _FaultInjector:
    """Starts faults and kills the driver at certain requests.

    Attributes:
        refused_look_ups: Number of the driver and time of each ListJobs and DescribeJobs that was
            refused for another reason than its rate.
    """

    def __init__(self, plan: Plan, shared: Shared, local: LocalBatch) -> None:
        self._plan = plan
        self._shared = shared
        self._local = local
        self._arrived = 0
        self._waiting = sorted(plan.faults, key=lambda planned: planned.begins)
        self._injected: list[tuple[PlannedFault, Injection]] = []
        self._service = local._open.service
        self._handle = self._service.handle
        self._refused_tags = 0
        self.refused_look_ups: list[tuple[int, float]] = []
        self._service.handle = self._handle_and_kill  # type: ignore[method-assign]

    def hits(self) -> dict[str, int]:
        """Return how many requests each kind of fault hit."""
        hits: dict[str, int] = {}
        for planned, injection in self._injected:
            hits[planned.label] = hits.get(planned.label, 0) + injection.hits
        if self._plan.refused_tags is not None:
            hits["refused tags"] = self._refused_tags
        return hits

    def now(self) -> float:
        """Return the time of the engine in seconds since the epoch."""
        return self._service._clock.time()

    async def _handle_and_kill(self, request: Any) -> Any:
        self._arrived += 1
        self._shared.requests += 1
        number, driver = self._shared.requests, self._shared.driver_number
        while self._waiting and self._waiting[0].begins <= self._arrived:
            self._inject(self._waiting.pop(0))
        kill = self._plan.kills[driver] if driver < len(self._plan.kills) else Kill()
        if number == kill.at_request and not kill.after:
            self._kill(kill)
        if self._refuses_tags_of(request):
            response = self._refuse_tags()
        else:
            response = await self._handle(request)
        if request.target in _LOOK_UPS and _is_refusal(response):
            self.refused_look_ups.append((driver, self.now()))
        if number == kill.at_request and kill.after:
            self._kill(kill)
        return response

    def _refuses_tags_of(self, request: Any) -> bool:
        refused = self._plan.refused_tags
        return (
            refused is not None
            and refused.affects(self._arrived)
            and request.target == _SUBMIT
            and bool(json.loads(request.body).get("tags"))
        )

    def _refuse_tags(self) -> Any:
        self._refused_tags += 1
        message = "User: me is not authorized to perform: batch:TagResource"
        error = ServiceError("AccessDeniedException", message, status=403)
        return render_error(error, BATCH, f"refused-{self._refused_tags}")

    def _kill(self, kill: Kill) -> None:
        # The driver may have ended already: the request may be one that it sent before.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._shared.driver, kill.number)

    def _inject(self, planned: PlannedFault) -> None:
        injection = self._local.faults.add(planned.operation, planned.fault)
        self._injected.append((planned, injection))
        if planned.lasts is not None:
            asyncio.get_running_loop().call_later(planned.lasts, injection.remove)


def _is_refusal(response: Any) -> bool:
    status: int = response.status
    return 400 <= status < 500 and status != _THROTTLED


async def _jobs(local: LocalBatch, raw: Any) -> list[dict[str, Any]]:
    """Describe every job that was submitted."""
    return [
        {
            "id": job["jobId"],
            "name": job["jobName"],
            "tag": job["tags"].get(TAG),
            "created_at": job["createdAt"] / 1000,
            "content": _content(job),
        }
        for job in await _described(raw, [job.job_id for job in local.ledger.submissions])
    ]


async def _submissions(local: LocalBatch, raw: Any, scripts: Scripts) -> list[dict[str, Any]]:
    """Describe every job that is no array, and every child of an array, as the oracle needs it."""
    ids = [
        job_id
        for job in local.ledger.submissions
        for job_id in (
            [job.job_id]
            if job.array_size is None
            else [f"{job.job_id}:{index}" for index in range(job.array_size)]
        )
    ]
    never_started = {"index": None, "is_whole": True, "memory": None, "ending": None}
    return [
        {
            "id": job["jobId"],
            "content": _content(job),
            **(scripts.launches.get(job["jobId"]) or never_started),
            "status": job["status"],
            "created_at": job["createdAt"],
            "stopped_at": job.get("stoppedAt"),
        }
        for job in await _described(raw, ids)
    ]


async def _described(raw: Any, ids: list[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for start in range(0, len(ids), _DESCRIBED):
        response = await raw.describe_jobs(jobs=ids[start : start + _DESCRIBED])
        found += response["jobs"]
    return found


def _content(job: dict[str, Any]) -> int:
    variables = {each["name"]: each["value"] for each in job["container"]["environment"]}
    return int(variables["CONTENT"])
