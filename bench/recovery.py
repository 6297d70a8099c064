"""Jobs that are submitted again after a failure, in virtual time: `python -m bench.recovery`.

Prints how many calls 1,000 jobs cost when 300 of them lose their host once, and how fast they are
submitted, beside the same jobs without a failure.
"""

import argparse
import functools
import logging
from collections import Counter
from dataclasses import dataclass
from typing import Any

from asyncbatch import AsyncBatchClient, JobRequest, RecoveryPolicy
from asyncbatch.local import (
    Launch,
    LocalBatch,
    Quotas,
    Script,
    ScriptedExecutor,
    run_in_virtual_time,
)

_DEFINITION: dict[str, Any] = {
    "jobDefinitionName": "recovery",
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
_MINUTES = 60.0


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What the jobs cost.

    Attributes:
        calls: Calls by operation.
        succeeded: Jobs that SUCCEEDED.
        submissions: When each submission was accepted, in seconds after the first one.
        seconds: Duration of the run.
    """

    calls: Counter[str]
    succeeded: int
    submissions: list[float]
    seconds: float

    def per_second(self, count: int) -> float:
        """Return the rate of the first submissions."""
        return (count - 1) / self.submissions[count - 1]

    def line(self, jobs: int) -> str:
        """Return the outcome as one line of text."""
        calls = ", ".join(f"{count:,} {name}" for name, count in sorted(self.calls.items()))
        return (
            f"{self.succeeded:,} of {jobs:,} jobs succeeded after {self.seconds / _MINUTES:.1f}"
            f" minutes and {len(self.submissions):,} submissions, the first {jobs:,} at"
            f" {self.per_second(jobs):.1f} per second; {self.calls.total():,} calls ({calls})"
        )


async def run(jobs: int, failing: int, seed: int) -> Outcome:
    """Run jobs of 1 to 10 minutes, and return what they cost.

    Args:
        jobs: Number of jobs.
        failing: Number of jobs that lose their host once, at any time while they run.
        seed: Seed of the engine.
    """
    lost: set[int] = set()

    def script(launch: Launch) -> Script:
        number = int(launch.environment["NUMBER"])
        duration = launch.random.uniform(60, 600)
        if number >= failing or number in lost:
            return Script(duration=duration)
        lost.add(number)
        reason = "Host EC2 (instance i-1) terminated."
        reclaimed = launch.random.uniform(0, duration)
        return Script(duration=reclaimed, exit_code=None, status_reason=reason)

    requests = [
        JobRequest("recovery", queue="default", environment={"NUMBER": number})
        for number in range(jobs)
    ]
    executor = ScriptedExecutor(script)
    async with LocalBatch(executor=executor, vcpus=10_000, seed=seed, quotas=Quotas.aws()) as local:
        async with AsyncBatchClient(
            session=local.session, recovery=RecoveryPolicy.for_spot()
        ) as batch:
            await batch.register_job_definition(_DEFINITION)
            before = Counter(local.ledger.calls)
            results = await batch.run(requests, check=False)
        times = [each.at for each in local.ledger.submissions]
        ended = max(result.description.stopped_at.timestamp() for result in results)  # type: ignore[union-attr]
        return Outcome(
            calls=Counter(local.ledger.calls) - before,
            succeeded=sum(result.succeeded for result in results),
            submissions=[at - times[0] for at in times],
            seconds=ended - times[0],
        )


def main() -> None:
    """Print a line without failures, one with failures, and the ratio of their calls."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000)
    parser.add_argument("--failing", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    logging.getLogger("asyncbatch").setLevel(logging.ERROR)  # a warning for each failure
    totals: list[int] = []
    for failing in (0, options.failing):
        outcome = run_in_virtual_time(functools.partial(run, options.jobs, failing, options.seed))
        print(f"{failing:,} run again: {outcome.line(options.jobs)}", flush=True)
        totals.append(outcome.calls.total())
    print(f"calls: {totals[1] / totals[0]:.2f} times those without failures")


if __name__ == "__main__":
    main()
