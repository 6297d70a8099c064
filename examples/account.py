"""Where the examples run: on a local AWS Batch, or on AWS.

By default an example starts `asyncbatch.local`, which runs the jobs as processes on this machine,
so no AWS account is needed. To run it on AWS, with the Region and credentials of your AWS
configuration, name a job queue and a job definition whose image contains `sh`:

    EXAMPLE_QUEUE=my-queue EXAMPLE_DEFINITION=my-definition python -m examples.fan_out
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from anyio.from_thread import start_blocking_portal

from asyncbatch import AsyncBatchClient, LogPolicy
from asyncbatch.local import LocalBatch

ON_AWS = "EXAMPLE_QUEUE" in os.environ
QUEUE = os.environ.get("EXAMPLE_QUEUE", "default")
DEFINITION = os.environ.get("EXAMPLE_DEFINITION", "example")

# CloudWatch Logs delivers the last lines of a log late; the local engine never does.
LOGS = LogPolicy() if ON_AWS else LogPolicy(drain=0.5)


@contextmanager
def account() -> Iterator[None]:
    """Provide an AWS account to the block: every client in it connects to this account."""
    # A process that an example starts uses the account of the process that started it.
    if ON_AWS or "AWS_ENDPOINT_URL_BATCH" in os.environ:
        yield
        return
    # The engine runs in a thread of its own, so that examples may block, as Luigi does.
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(LocalBatch(vcpus=8)) as local,
        portal.wrap_async_context_manager(local.serve()) as door,
    ):
        portal.call(_register_definition, local)
        # Endpoints, Region and access key, in the variables that every AWS SDK reads.
        os.environ.update(door.environment)
        yield


async def _register_definition(local: LocalBatch) -> None:
    async with AsyncBatchClient(session=local.session) as batch:
        await batch.register_job_definition(
            {
                "jobDefinitionName": DEFINITION,
                "type": "container",
                "containerProperties": {
                    "image": "busybox",
                    "command": ["echo", "hello"],
                    "resourceRequirements": [
                        {"type": "VCPU", "value": "1"},
                        {"type": "MEMORY", "value": "128"},
                    ],
                },
            }
        )
