"""What asyncbatch, its Luigi adapter, AWS and ECS add to a request: names, tags and variables.

A request that is made from the description of a job must not contain them: a generated name names
one submission only, and a tag of ours identifies one.
"""

import functools
import re
from collections.abc import Mapping

SUBMISSION_TAG = "asyncbatch-submission"
NONCE_BYTES = 6

_LONGEST_STEM = 128 - 1 - 2 * NONCE_BYTES
# The tags of asyncbatch and of its Luigi adapter; those of AWS cannot be set.
_TAG_PREFIXES = ("asyncbatch-submission", "asyncbatch:", "luigi:", "aws:")
# https://docs.aws.amazon.com/batch/latest/userguide/job_env_vars.html and
# https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html; Step Functions
# adds MANAGED_BY_AWS to the jobs that it starts and waits for.
_VARIABLE_PREFIXES = ("AWS_BATCH", "AWS_CONTAINER_CREDENTIALS_", "ECS_CONTAINER_METADATA_URI")
_VARIABLES = frozenset({"AWS_EXECUTION_ENV", "ECS_AGENT_URI", "MANAGED_BY_AWS"})
# https://www.w3.org/TR/trace-context/; a context that asyncbatch adds has this member in its state,
# which distinguishes it from one that the request has set.
TRACE_VARIABLES = ("TRACEPARENT", "TRACESTATE")
TRACE_STATE_KEY = "asyncbatch"
# A Luigi task id ends with Luigi's hash of 10 digits, to which the adapter adds one of 12.
_LUIGI_NAME = re.compile(r"(.*[_-])?[0-9a-f]{10}-[0-9a-f]{12}")


@functools.lru_cache
def name_stem(job_definition: str) -> str:
    """Return what generated job names begin with.

    Args:
        job_definition: Name, name:revision, or ARN of the job definition.
    """
    name = job_definition.rpartition("/")[2].partition(":")[0]
    return re.sub(r"[^A-Za-z0-9_-]", "-", name).lstrip("-_")[:_LONGEST_STEM] or "job"


def is_generated_name(name: str, job_definition: str) -> bool:
    """Return whether a job name has the form of a generated one: asyncbatch's or the adapter's."""
    nonce = name.removeprefix(f"{name_stem(job_definition)}-")
    is_ours = nonce != name and re.fullmatch(f"[0-9a-f]{{{2 * NONCE_BYTES}}}", nonce)
    return bool(is_ours or _LUIGI_NAME.fullmatch(name))


def is_added_tag(key: str) -> bool:
    """Return whether a tag key is one that asyncbatch, its adapter or AWS sets."""
    return key.lower().startswith(_TAG_PREFIXES)


def without_added_variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the variables that neither AWS Batch, ECS, Step Functions nor asyncbatch has set."""
    added = {*_VARIABLES, *(TRACE_VARIABLES if has_added_trace(environment) else ())}
    return {
        name: value
        for name, value in environment.items()
        if not name.startswith(_VARIABLE_PREFIXES) and name not in added
    }


def has_added_trace(environment: Mapping[str, str]) -> bool:
    """Return whether the context of a trace is one that asyncbatch has added."""
    members = environment.get("TRACESTATE", "").split(",")
    return any(each.strip().startswith(f"{TRACE_STATE_KEY}=") for each in members)
