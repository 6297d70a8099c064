"""AWS Batch in a process of its own: the local engine behind its loopback door.

Its ledger is what was really submitted, whatever becomes of the drivers. It also does the killing
that has to be exact: at a certain request, before or after that is carried out.
"""

import asyncio
import contextlib
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asyncbatch.local import Injection, Launch, LocalBatch, Quotas, Script, ScriptedExecutor
from tests.chaos.clock import FastLoop
from tests.chaos.plan import Kill, Plan, Trouble
from tests.chaos.shared import Shared

DEFINITION: dict[str, Any] = {
    "jobDefinitionName": "chaos",
    "type": "container",
    "containerProperties": {
        "image": "any",
        "command": ["true"],
        "resourceRequirements": [
            {"type": "VCPU", "value": "1"},
            {"type": "MEMORY", "value": "128"},
        ],
    },
}
_DESCRIBED = 100


def serve(plan: Plan, shared: Shared, directory: Path, ready: int) -> None:
    """Serve until SIGTERM; then write the ledger into the directory.

    Args:
        plan: The run.
        shared: What the processes of the run share.
        directory: Where the ledger goes.
        ready: A file descriptor to write the door's environment to, as JSON.
    """
    with asyncio.Runner(loop_factory=FastLoop) as runner:
        runner.run(_serve(plan, shared, directory, ready))


async def _serve(plan: Plan, shared: Shared, directory: Path, ready: int) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    executor = ScriptedExecutor(_script(shared))
    local = LocalBatch(executor=executor, vcpus=10_000, seed=plan.seed, quotas=Quotas.aws())
    async with local, local.session.create_client("batch") as raw:
        await raw.register_job_definition(**DEFINITION)
        mischief = _Mischief(plan, shared, local)
        async with local.serve() as door:
            os.write(ready, json.dumps(door.environment).encode())
            os.close(ready)
            await stop.wait()
        local.faults.clear()
        ledger = {"jobs": await _jobs(local, raw), "faults": mischief.hits()}
        directory.joinpath("ledger.json").write_text(json.dumps(ledger))


def _script(shared: Shared) -> Callable[[Launch], Script]:
    """Run jobs as their environment says."""

    def script(launch: Launch) -> Script:
        shared.progress()
        given = launch.environment
        return Script(startup=0.5, duration=float(given["FOR"]), exit_code=int(given["EXIT"]))

    return script


class _Mischief:
    """What happens with certain requests: faults begin, the driver is killed."""

    def __init__(self, plan: Plan, shared: Shared, local: LocalBatch) -> None:
        self._plan = plan
        self._shared = shared
        self._local = local
        self._arrived = 0
        self._waiting = sorted(plan.troubles, key=lambda trouble: trouble.begins)
        self._injected: list[tuple[Trouble, Injection]] = []
        self._service = local._open.service
        self._handle = self._service.handle
        self._service.handle = self._handle_and_kill  # type: ignore[method-assign]

    def hits(self) -> dict[str, int]:
        """Return how many requests each kind of fault hit."""
        hits: dict[str, int] = {}
        for trouble, injection in self._injected:
            hits[trouble.label] = hits.get(trouble.label, 0) + injection.hits
        return hits

    async def _handle_and_kill(self, request: Any) -> Any:
        self._arrived += 1
        self._shared.requests += 1
        number, life = self._shared.requests, self._shared.life
        while self._waiting and self._waiting[0].begins <= self._arrived:
            self._inject(self._waiting.pop(0))
        kill = self._plan.kills[life] if life < len(self._plan.kills) else Kill()
        if number == kill.at_request and not kill.after:
            self._kill(kill)
        response = await self._handle(request)
        if number == kill.at_request and kill.after:
            self._kill(kill)
        return response

    def _kill(self, kill: Kill) -> None:
        # The request may be one that the driver sent before it died of something else.
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._shared.driver, kill.number)

    def _inject(self, trouble: Trouble) -> None:
        injection = self._local.faults.add(trouble.operation, trouble.fault)
        self._injected.append((trouble, injection))
        if trouble.lasts is not None:
            asyncio.get_running_loop().call_later(trouble.lasts, injection.remove)


async def _jobs(local: LocalBatch, raw: Any) -> list[dict[str, Any]]:
    """Return what the engine knows of every job that was submitted."""
    ids = [job.job_id for job in local.ledger.submissions]
    found: list[dict[str, Any]] = []
    for start in range(0, len(ids), _DESCRIBED):
        answer = await raw.describe_jobs(jobs=ids[start : start + _DESCRIBED])
        found += [
            {
                "id": job["jobId"],
                "name": job["jobName"],
                "status": job["status"],
                "number": next(
                    int(variable["value"])
                    for variable in job["container"]["environment"]
                    if variable["name"] == "NUMBER"
                ),
            }
            for job in answer["jobs"]
        ]
    return found
