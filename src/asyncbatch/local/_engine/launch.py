"""What an attempt starts: the command with parameters substituted, and AWS Batch's variables.

Source: https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html
"""

import random
import re
from collections.abc import Iterable, Mapping

from asyncbatch.local._engine.jobs import Job
from asyncbatch.local._engine.queues import COMPUTE_ENVIRONMENT
from asyncbatch.local._executors.base import Launch


def build_launch(job: Job, attempt: int, rng: random.Random) -> Launch:
    """Return what the job's attempt with this number starts."""
    spec = job.spec
    return Launch(
        id=job.id,
        name=job.name,
        queue=job.queue.name,
        job_definition=job.definition.name,
        attempt=attempt,
        array_index=job.position,
        command=substitute_parameters(spec.command, spec.parameters),
        environment={**spec.environment, **_batch_variables(job, attempt)},
        parameters=spec.parameters,
        tags=job.tags,
        random=rng,
        memory_mib=spec.memory_mib,
    )


def substitute_parameters(command: Iterable[str], parameters: Mapping[str, str]) -> tuple[str, ...]:
    """Replace each `Ref::name` in a command; unknown names stay as they are."""
    if not parameters:
        return tuple(command)
    # Longest names first: with parameters `in` and `input`, `Ref::input` is the second.
    names = sorted(parameters, key=len, reverse=True)
    reference = re.compile(f"Ref::({'|'.join(map(re.escape, names))})")
    return tuple(reference.sub(lambda found: parameters[found[1]], word) for word in command)


def _batch_variables(job: Job, attempt: int) -> dict[str, str]:
    variables = {
        "AWS_BATCH_JOB_ID": job.id,
        "AWS_BATCH_JOB_ATTEMPT": str(attempt),
        "AWS_BATCH_JQ_NAME": job.queue.name,
        "AWS_BATCH_CE_NAME": COMPUTE_ENVIRONMENT,
    }
    if job.parent is not None and job.parent.array is not None:
        variables["AWS_BATCH_JOB_ARRAY_INDEX"] = str(job.position)
        variables["AWS_BATCH_JOB_ARRAY_SIZE"] = str(len(job.parent.array.children))
    return variables
