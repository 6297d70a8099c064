"""The least-privilege policies of the documentation, made from the calls of each feature.

Each feature runs against a local AWS Batch, whose ledger has the operations that it calls.
`python -m tools.permissions` writes the policies into `docs/how-to/permissions.md`; a test compares
them.
"""

import json
import re
from collections.abc import Awaitable, Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from asyncbatch import AsyncBatchClient, JobRequest, JobStatus
from asyncbatch.local import (
    Fault,
    LocalBatch,
    Script,
    ScriptedExecutor,
    run_in_virtual_time,
)

PAGE = Path(__file__).parents[1] / "docs" / "how-to" / "permissions.md"

Feature = Callable[[LocalBatch, AsyncBatchClient], Awaitable[None]]
Policy = dict[str, Any]

_QUEUE = "arn:aws:batch:REGION:ACCOUNT:job-queue/QUEUE"
_DEFINITION = "arn:aws:batch:REGION:ACCOUNT:job-definition/DEFINITION"
_JOBS = "arn:aws:batch:REGION:ACCOUNT:job/*"
_LOGS = "arn:aws:logs:REGION:ACCOUNT:log-group:/aws/batch/job:*"
# Resources of each action; others have no resource-level permissions. The plural operations are
# allowed by the action of one job.
# https://docs.aws.amazon.com/batch/latest/userguide/batch-supported-iam-actions-resources.html
_RESOURCES: Mapping[str, list[str]] = {
    "batch:SubmitJob": [_QUEUE, _DEFINITION, f"{_DEFINITION}:*"],
    "batch:TagResource": [_JOBS],
    "batch:TerminateJob": [_JOBS],
    "batch:CancelJob": [_JOBS],
    "batch:GetJobQueueSnapshot": [_QUEUE],
    "batch:RegisterJobDefinition": [_DEFINITION],
    "logs:GetLogEvents": [_LOGS],
    "logs:FilterLogEvents": [_LOGS],
}
_ACTION_OF = {"TerminateJobs": "TerminateJob", "CancelJobs": "CancelJob"}
_REGISTERED = {"jobDefinitionName": "etl", "type": "container"}
_CONTAINER = {"image": "any", "vcpus": 1, "memory": 64, "command": ["true"]}
_REQUEST = JobRequest("etl", queue="default")


async def _submit(local: LocalBatch, batch: AsyncBatchClient) -> None:
    """Submit jobs and wait for them, also where the response of SubmitJob is lost."""
    local.faults.add("SubmitJob", Fault.drop_after(times=1))
    await batch.run([_REQUEST, _REQUEST])
    await (await batch.submit_array(_REQUEST, size=2))


async def _named(_local: LocalBatch, batch: AsyncBatchClient) -> None:
    await (await batch.submit(_REQUEST, name="nightly"))


async def _default_queue(_local: LocalBatch, batch: AsyncBatchClient) -> None:
    await batch.default_queue()


async def _logs(_local: LocalBatch, batch: AsyncBatchClient) -> None:
    """Read the logs of one job and of many jobs, and the last lines of a failed one."""
    jobs = await batch.submit_many([_REQUEST] * 40)
    _ = [event async for event in batch.logs(jobs)]
    failed = await batch.submit(_REQUEST, environment={"FAIL": "1"})
    _ = [event async for event in failed.logs()]
    await failed.result(check=False)


async def _end(_local: LocalBatch, batch: AsyncBatchClient) -> None:
    """Terminate and cancel one job and many jobs."""
    jobs = await batch.submit_many([_REQUEST] * 6)
    await jobs[0].terminate()
    await jobs[1].cancel()
    await batch.terminate(jobs[2:4])
    await batch.cancel(jobs[4:])


async def _find(_local: LocalBatch, batch: AsyncBatchClient) -> None:
    await batch.find(queue="default", status=JobStatus.FAILED)
    await batch.find(queue="default", name="etl*")


async def _explain(_local: LocalBatch, batch: AsyncBatchClient) -> None:
    """Explain a job that failed and one that waits."""
    failed = await batch.submit(_REQUEST, environment={"FAIL": "1"})
    await failed.result(check=False)
    await batch.explain(failed)
    waiting = await batch.submit(_REQUEST, vcpus=1000)
    await waiting.wait(until=JobStatus.RUNNABLE)
    await batch.explain(waiting)


async def _register(_local: LocalBatch, batch: AsyncBatchClient) -> None:
    definition = {**_REGISTERED, "jobDefinitionName": "new", "containerProperties": _CONTAINER}
    await batch.register_job_definition(definition)


# By the heading of its policy on the page.
_BASE = "Submit and follow jobs"
_FEATURES: Mapping[str, Feature] = {
    _BASE: _submit,
    "Submit with your own name or tags": _named,
    "Omit queue=": _default_queue,
    "Read logs": _logs,
    "Terminate and cancel jobs": _end,
    "Find jobs": _find,
    "Explain why a job waits or failed": _explain,
    "Register job definitions": _register,
}


def policies() -> dict[str, Policy]:
    """Return the policy of each feature; all but the first come on top of the first."""
    actions = {
        name: run_in_virtual_time(partial(_actions, feature)) for name, feature in _FEATURES.items()
    }
    base = actions[_BASE]
    # Finding jobs and the default queue are used without submitting, so they keep all actions.
    alone = ("Find jobs", "Omit queue=", _BASE)
    return {
        name: _policy(called if name in alone else called - base)
        for name, called in actions.items()
    }


async def _actions(feature: Feature) -> set[str]:
    """Run a feature and return the actions that it needs."""

    def script(launch: object) -> Script:
        failing = "FAIL" in launch.environment  # type: ignore[attr-defined]
        return Script(exit_code=1 if failing else 0, lines=[(0, "line")])

    async with (
        LocalBatch(vcpus=8, executor=ScriptedExecutor(script)) as local,
        AsyncBatchClient(session=local.session) as setup,
    ):
        await setup.register_job_definition({**_REGISTERED, "containerProperties": _CONTAINER})
        before = dict(local.calls)
        async with AsyncBatchClient(session=local.session) as batch:
            await feature(local, batch)
        called = {name for name, calls in local.calls.items() if calls > before.get(name, 0)}
        described = await setup.describe([job.job_id for job in local.ledger.submissions])
    has_tags = any(job.tags for job in described.values())
    return {_action(name) for name in called} | ({"batch:TagResource"} if has_tags else set())


def _action(operation: str) -> str:
    service = "logs" if "LogEvents" in operation else "batch"
    return f"{service}:{_ACTION_OF.get(operation, operation)}"


def _policy(actions: set[str]) -> Policy:
    """Return a policy with one statement for each set of resources."""
    statements: dict[tuple[str, ...], list[str]] = {}
    for action in sorted(actions):
        statements.setdefault(tuple(_RESOURCES.get(action, ["*"])), []).append(action)
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": allowed, "Resource": list(resources)}
            for resources, allowed in sorted(statements.items())
        ],
    }


def fences(text: str) -> Iterator[tuple[str, str]]:
    """Yield the heading and the JSON of each policy on the page."""
    for section in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        if found := re.search(r"^```json\n(.*?)^```", section, re.MULTILINE | re.DOTALL):
            yield section.split("\n")[0].replace("`", ""), found[1]


def main() -> None:
    """Write the policies into the page."""
    text = PAGE.read_text(encoding="utf-8")
    for heading, policy in policies().items():
        title = next(line for line in text.split("\n") if line.replace("`", "") == f"## {heading}")
        start = text.index("```json\n", text.index(title)) + len("```json\n")
        end = text.index("```", start)
        text = text[:start] + json.dumps(policy, indent=2) + "\n" + text[end:]
    PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
