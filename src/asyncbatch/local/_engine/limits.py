"""AWS's fixed limits, and checks that several operations share.

Source: https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html
"""

import re
from collections.abc import Mapping, Sequence

from asyncbatch.local._engine.errors import client_error

ARRAY_SIZE = range(2, 10_001)
ATTEMPTS = range(1, 11)
EXIT_RULES = 5  # entries of `evaluateOnExit`
DEPENDENCIES = 20
JOB_QUEUES = 50
TAGS = 50
DESCRIBED_JOBS = 100  # ids in a DescribeJobs request
DESCRIBED_RESOURCES = 100  # names in a request, and results of a page
TERMINATED_JOBS = 50  # ids in a TerminateJobs or CancelJobs request
FILTERED_JOBS = 100  # results of a ListJobs page with a filter
LISTED_JOBS = 1000  # results of a ListJobs page without one
MIN_TIMEOUT_SECONDS = 60
DEFINITION_BYTES = 24 * 1024
SUBMIT_BYTES = 30 * 1024
REASON_CHARACTERS = 1024

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


def is_name(text: str) -> bool:
    """Whether AWS Batch accepts the name of a job, a queue or a job definition."""
    return _NAME.fullmatch(text) is not None


def check_size(what: str, body: bytes, limit: int) -> None:
    """Raise an error if a request body is longer than `limit` bytes."""
    if len(body) > limit:
        raise client_error(f"{what} is {len(body)} bytes long; the limit is {limit} bytes.")


def check_tags(tags: Mapping[str, str]) -> None:
    """Raise an error for tags that AWS rejects: too many, or too long."""
    if len(tags) > TAGS:
        raise client_error(f"The number of tags is {len(tags)}; the limit is {TAGS}.")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or len(value) > 256:  # noqa: PLR2004 (AWS's limits, used once)
            raise client_error(
                f"The tag {key!r} is too long: keys have 1-128 characters, values up to 256."
            )


def check_reason(reason: str) -> None:
    """Raise an error for the reason of a cancellation or termination that AWS rejects."""
    if not reason:
        raise client_error("The reason should not be empty.")
    if len(reason) > REASON_CHARACTERS:
        raise client_error(f"The reason is longer than {REASON_CHARACTERS} characters.")


def check_count(what: str, items: Sequence[object], limit: int) -> None:
    """Raise an error if a list is longer than `limit`."""
    if len(items) > limit:
        # The spaces are AWS's.
        raise client_error(f"Maximum number of {what} supported is  {limit} .")


def page_size(max_results: int | None, limit: int) -> int:
    """Return the number of results of a page: `maxResults`, capped at the service's limit."""
    if max_results is None:
        return limit
    if max_results < 1:
        raise client_error("maxResults should be greater than 0.")
    return min(max_results, limit)
