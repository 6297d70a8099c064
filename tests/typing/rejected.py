"""Mistakes in the use of the public API that mypy and pyright must report.

Each line with a mistake ends with the error code of mypy and the rule of pyright. Nothing here
runs. `check_rejected.py` proves that both report exactly these errors.
"""

from asyncbatch import (
    ArrayJob,
    AsyncBatchClient,
    Job,
    JobRequest,
    JobResult,
    PollPolicy,
    RetryStrategy,
)


async def arguments_of_clients() -> None:
    """Open clients in ways that do not exist."""
    AsyncBatchClient("eu-west-1")  # error: call-arg, reportCallIssue
    AsyncBatchClient(region="eu-west-1")  # error: call-arg, reportCallIssue
    AsyncBatchClient(poll=5.0)  # error: arg-type, reportArgumentType
    AsyncBatchClient(observers=print_text)  # error: arg-type, reportArgumentType
    AsyncBatchClient(observers=[print_text])  # error: list-item, reportArgumentType
    PollPolicy(2.0)  # error: call-arg, reportCallIssue
    with AsyncBatchClient():  # error: attr-defined, reportGeneralTypeIssues
        pass


def print_text(text: str) -> None:
    """Take text, where an observer takes an event."""


async def fields_of_requests(batch: AsyncBatchClient, request: JobRequest) -> None:
    """Submit jobs with fields that do not exist, or of the wrong type."""
    await batch.submit("etl", paramters={"date": "2024-01-15"})  # error: call-arg, reportCallIssue
    await batch.submit("etl", vcpus="2")  # error: arg-type, reportArgumentType
    await batch.submit("etl", retry=RetryStrategy)  # error: arg-type, reportArgumentType
    JobRequest("etl", attempt_timeout=60)  # error: arg-type, reportArgumentType
    JobRequest()  # error: call-arg, reportCallIssue
    request.replace(priority=1)  # error: call-arg, reportCallIssue
    request.queue = "other"  # error: misc, reportAttributeAccessIssue
    await batch.submit_array("etl")  # error: call-arg, reportCallIssue
    await batch.run(request)  # error: arg-type, reportArgumentType
    batch.job_group(on_error="kill")  # error: arg-type, reportArgumentType


async def handles(job: Job, array: ArrayJob) -> None:
    """Use handles as if their calls were not asynchronous, or as if nothing were missing."""
    print(job.result().status)  # error: attr-defined, reportAttributeAccessIssue
    print(job.description.status)  # error: union-attr, reportOptionalMemberAccess
    job.status = "FAILED"  # error: misc, reportAttributeAccessIssue
    print(array["0"])  # error: call-overload, reportArgumentType
    print(array[0].counts)  # error: attr-defined, reportAttributeAccessIssue
    for event in job.logs():  # error: attr-defined, reportGeneralTypeIssues
        print(event)


def results(result: JobResult) -> int:
    """Calculate with values that may be None."""
    result.failure.kind.upper()  # error: union-attr, reportOptionalMemberAccess
    return result.exit_code + 1  # error: operator, reportOptionalOperand
