"""AWS's fixed limits, and the checks that more than one operation makes.

Source: https://docs.aws.amazon.com/batch/latest/userguide/service_limits.html
"""

import re
from collections.abc import Mapping, Sequence

from asyncbatch.local._engine.errors import client_error

ARRAY_SIZE = range(2, 10_001)
ATTEMPTS = range(1, 11)
EXIT_RULES = 5
DEPENDENCIES = 20
JOB_QUEUES = 50
TAGS = 50
DESCRIBED_JOBS = 100
DESCRIBED_RESOURCES = 100
TERMINATED_JOBS = 50
FILTERED_JOBS = 100
LISTED_JOBS = 1000
MIN_TIMEOUT_SECONDS = 60
DEFINITION_BYTES = 24 * 1024
SUBMIT_BYTES = 30 * 1024
REASON_CHARACTERS = 1024
PRIORITY = range(10_000)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")


def is_name(text: str) -> bool:
    """Whether AWS Batch accepts a text as the name of a job, a queue or a job definition."""
    return _NAME.fullmatch(text) is not None


def check_size(what: str, body: bytes, limit: int) -> None:
    """Refuse a request body that is longer than `limit` bytes."""
    if len(body) > limit:
        raise client_error(f"{what} is {len(body)} bytes long; the limit is {limit} bytes.")


def check_tags(tags: Mapping[str, str]) -> None:
    """Refuse tags that AWS would refuse."""
    if len(tags) > TAGS:
        raise client_error(f"The number of tags is {len(tags)}; the limit is {TAGS}.")
    for key, value in tags.items():
        if not 1 <= len(key) <= 128 or len(value) > 256:  # noqa: PLR2004 (AWS's limits, said once)
            raise client_error(
                f"The tag {key!r} is too long: keys have 1-128 characters, values up to 256."
            )


def check_reason(reason: str) -> None:
    """Refuse the reason of a cancellation or termination that AWS would refuse."""
    if not reason:
        raise client_error("The reason should not be empty.")
    if len(reason) > REASON_CHARACTERS:
        raise client_error(f"The reason is longer than {REASON_CHARACTERS} characters.")


def check_count(what: str, items: Sequence[object], limit: int) -> None:
    """Refuse a list that is longer than `limit`."""
    if len(items) > limit:
        raise client_error(f"Maximum number of {what} supported is  {limit} .")


def page_size(asked: int | None, limit: int) -> int:
    """Return how many results a page holds: what was asked for, at most the service's limit."""
    if asked is None:
        return limit
    if asked < 1:
        raise client_error("maxResults should be greater than 0.")
    return min(asked, limit)
