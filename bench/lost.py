"""Submissions whose responses are lost, in virtual time: `python -m bench.lost [SEED ...]`.

Prints how long submissions took, how many calls their look-ups cost, and whether each request has
exactly one job. The floor is the earliest time at which all can be done with the faults of the
run: a submission that AWS did not accept is sent again after 15 s, and not before.
"""

import argparse
import asyncio
import functools
from collections import Counter
from dataclasses import dataclass
from typing import Any

import anyio

from asyncbatch import AsyncBatchClient, AsyncBatchError, Job, JobRequest
from asyncbatch.local import (
    Fault,
    LocalBatch,
    Quotas,
    Script,
    ScriptedExecutor,
    run_in_virtual_time,
)

_DEFINITION: dict[str, Any] = {
    "jobDefinitionName": "lost",
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
_LOOK_UP_CALLS = frozenset({"ListJobs", "DescribeJobs"})
_ABSENCE = 15.0  # seconds after which a submission whose job is not listed was not accepted


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """What is submitted, and what goes wrong.

    Attributes:
        title: What it is, for people.
        jobs: Number of jobs.
        name: The job name of all of them; None generates names.
        lost: Share of SubmitJob responses that are lost.
        failed: Share of all calls that fail with HTTP 500 ...
        max_failed: ... up to this number; None sets no limit.
        lag: Seconds until DescribeJobs returns a new job.
        may_tag: Whether the jobs may have tags.
    """

    title: str
    jobs: int
    name: str | None = None
    lost: float = 0.1
    failed: float = 0.0
    max_failed: int | None = None
    lag: float = 0.0
    may_tag: bool = True


LOSSES = (
    Loss(title="300 jobs, custom name", jobs=300, name="mine", failed=0.05, lag=2.0),
    Loss(title="300 jobs, generated names", jobs=300, failed=0.05, lag=2.0),
    Loss(title="5,000 jobs of one name", jobs=5_000, name="mine", lost=0.01),
)


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of the submissions.

    Attributes:
        seconds: When each one was done, in order.
        floor: When the last one could be done at the earliest, in seconds.
        most_sent: How often the submission was sent that was sent most often.
        look_up_calls: ListJobs and DescribeJobs calls of look-ups, by operation.
        handles: Requests that got a handle.
        doubled: Jobs of the service that no handle stands for.
        errors: Errors, by type.
    """

    seconds: list[float]
    floor: float
    most_sent: int
    look_up_calls: Counter[str]
    handles: int
    doubled: int
    errors: Counter[str]

    def after(self, share: float) -> float:
        """Return when a share of the submissions was done, in seconds."""
        return self.seconds[int(len(self.seconds) * share) - 1] if self.seconds else 0.0

    def line(self, loss: Loss) -> str:
        """Return the outcome as one line of text."""
        calls = ", ".join(f"{count} {name}" for name, count in sorted(self.look_up_calls.items()))
        return (
            f"{loss.title}: 90 % after {self.after(0.9):.1f} s, all after {self.after(1):.1f} s"
            f" (floor {self.floor:.1f} s, one was sent {self.most_sent} times);"
            f" {self.look_up_calls.total()} look-up calls ({calls}); {self.handles} handles,"
            f" {self.doubled} doubled, errors: {dict(self.errors) or 'none'}"
        )


async def submit_with_losses(loss: Loss, seed: int) -> Outcome:
    """Submit the jobs all at once and return what became of them."""
    executor = ScriptedExecutor(Script(duration=3600))
    async with LocalBatch(executor=executor, vcpus=10_000, seed=seed, quotas=Quotas.aws()) as local:
        local.session.jobs_outlive_program = True
        async with AsyncBatchClient(session=local.session) as batch:
            await batch.register_job_definition(_DEFINITION)
            await batch.default_queue()
            batch._require_open().settings.rng.seed(seed)  # noqa: SLF001
            calls = _Calls(batch)
            if not loss.may_tag:
                denied = Fault.error(
                    "AccessDeniedException", "batch:TagResource", status=403, times=1
                )
                local.faults.add("SubmitJob", denied)
                await batch.submit("lost", name="another")
            local.faults.add("SubmitJob", Fault.drop_after(probability=loss.lost))
            if loss.failed:
                fault = Fault.server_error(probability=loss.failed, times=loss.max_failed)
                local.faults.add("*", fault)
            if loss.lag:
                local.faults.add("DescribeJobs", Fault.lag(loss.lag))
            before = len(local.ledger.submissions)
            outcome = await _submit(batch, loss, calls)
            made = [each.job_id for each in local.ledger.submissions[before:]]
    outcome.doubled = len(made) - outcome.handles
    return outcome


async def _submit(batch: AsyncBatchClient, loss: Loss, calls: "_Calls") -> Outcome:
    loop = asyncio.get_running_loop()
    started = loop.time()
    jobs: list[Job] = []
    seconds: list[float] = []
    errors: Counter[str] = Counter()

    async def submit(number: int) -> None:
        environment = {} if loss.may_tag else {"N": str(number % 20)}
        request = JobRequest("lost", queue="default", name=loss.name, environment=environment)
        try:
            jobs.append(await batch.submit(request))
        except AsyncBatchError as error:
            errors[type(error).__name__] += 1
        else:
            seconds.append(loop.time() - started)

    async with anyio.create_task_group() as group:
        for number in range(loss.jobs):
            group.start_soon(submit, number)
    handles = len({job.id for job in jobs})
    return Outcome(
        seconds=sorted(seconds),
        floor=calls.floor() - started,
        most_sent=calls.most_sent(),
        look_up_calls=calls.look_ups,
        handles=handles,
        doubled=0,
        errors=errors,
    )


class _Calls:
    """Counts calls of look-ups, and notes when each submission was sent.

    Polling uses the same operations as look-ups, without the SDK's validation.
    """

    def __init__(self, batch: AsyncBatchClient) -> None:
        self.look_ups: Counter[str] = Counter()
        self._sent: dict[int, tuple[object, list[float]]] = {}
        connection: Any = batch._require_open().connection  # noqa: SLF001
        self._send = connection.call
        connection.call = self._call

    def floor(self) -> float:
        """Return when the last submission could be done at the earliest, by the loop's clock."""
        return max(times[0] + _ABSENCE * (len(times) - 1) for _, times in self._sent.values())

    def most_sent(self) -> int:
        """Return how often the submission was sent that was sent most often."""
        return max(len(times) for _, times in self._sent.values())

    async def _call(
        self, service: str, operation: str, arguments: object, *rest: object, validate: bool
    ) -> object:
        if operation == "SubmitJob":
            # One submission has one object, which is kept so that no other gets its identity.
            _, times = self._sent.setdefault(id(arguments), (arguments, []))
            times.append(asyncio.get_running_loop().time())
        elif operation in _LOOK_UP_CALLS and validate:
            self.look_ups[operation] += 1
        return await self._send(service, operation, arguments, *rest, validate=validate)


def main() -> None:
    """Print a line for each loss and seed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("seeds", nargs="*", type=int, default=[1], metavar="SEED")
    for seed in parser.parse_args().seeds:
        for loss in LOSSES:
            outcome = run_in_virtual_time(functools.partial(submit_with_losses, loss, seed))
            print(f"seed {seed}, {outcome.line(loss)}", flush=True)


if __name__ == "__main__":
    main()
