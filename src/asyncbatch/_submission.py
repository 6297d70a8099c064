"""Safe submission: one SubmitJob, whose outcome is settled before anything is sent again.

SubmitJob has no idempotency token. Where its answer got lost the job may or may not exist, so it is
looked up by its unique name first: found means accepted. Only a job that stays unseen for the whole
`_SETTLE_DELAYS` is sent again, under the same name. A name that the user chose is not unique; there
the outcome stays open and the caller is told (`SubmitUncertain`).
"""

import logging
import os
import re

import anyio

from asyncbatch._api import API
from asyncbatch._errors import APIError, ConnectionFailed, ServiceFault, SubmitUncertain
from asyncbatch._request import JobRequest
from asyncbatch._wire import requests

logger = logging.getLogger("asyncbatch")

# ListJobs may lag behind SubmitJob by some seconds.
_SETTLE_DELAYS = (1.0, 2.0, 4.0, 8.0)
_RESENDS = 5
_NONCE_BYTES = 6
_LONGEST_STEM = 128 - 1 - 2 * _NONCE_BYTES


def unique_name(job_definition: str) -> str:
    """Return a job name that tells what runs and that nobody else uses.

    Args:
        job_definition: Name, name:revision, or ARN of the job definition.
    """
    stem = job_definition.rpartition("/")[2].partition(":")[0]
    stem = re.sub(r"[^A-Za-z0-9_-]", "-", stem).lstrip("-_")[:_LONGEST_STEM] or "job"
    return f"{stem}-{os.urandom(_NONCE_BYTES).hex()}"


async def submit(api: API, request: JobRequest, *, name: str, queue: str) -> str:
    """Submit a job once and return its id.

    Args:
        api: Where to send it.
        request: What to submit.
        name: Its job name; unique exactly if the request has none of its own.
        queue: Name or ARN of the job queue.

    Raises:
        InvalidRequest: The request is larger than AWS takes.
        SubmitUncertain: It may or may not have been accepted, and cannot be looked up.
        APIError: AWS refused it, or it certainly did not arrive.
    """
    arguments = requests.submit_job(request, name=name, queue=queue)
    is_unique = request.name is None
    for resend in range(_RESENDS + 1):
        try:
            return await api.submit_job(arguments)
        except (ServiceFault, ConnectionFailed) as fault:
            if isinstance(fault, ConnectionFailed) and not fault.may_have_arrived:
                raise
            if not is_unique or resend == _RESENDS:
                raise SubmitUncertain(name, queue, name if is_unique else None, fault) from fault
            job_id = await _look_up(api, name, queue, fault)
            if job_id is not None:
                return job_id
    raise AssertionError("unreachable: the last resend returns or raises")


async def _look_up(api: API, name: str, queue: str, fault: APIError) -> str | None:
    """Return the id of the job with a unique name; None if it stays unseen."""
    logger.warning("No answer to the submission of %s: looking it up. %s", name, fault)
    for delay in _SETTLE_DELAYS:
        await anyio.sleep(delay)  # noqa: TID251 - ListJobs lags behind SubmitJob
        try:
            async for job in api.list_jobs(queue=queue, name=name):
                if job.name == name:
                    logger.info("The submission of %s had been accepted as %s.", name, job.job_id)
                    return job.job_id
        except APIError as error:
            raise SubmitUncertain(name, queue, name, fault) from error
    logger.info("The submission of %s had not been accepted: sending it again.", name)
    return None
