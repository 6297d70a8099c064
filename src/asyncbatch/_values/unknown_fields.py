"""Errors for fields that a value does not have, with the field that was probably meant."""

import difflib
import functools
import inspect
from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import TypeVar

from asyncbatch._values.errors import UnknownField

T = TypeVar("T")

# What SubmitJob, the AWS CLI, other schedulers and other libraries call the fields of a request.
_OTHER_NAMES = {
    "job_definition": ("definition", "task_definition"),
    "queue": ("job_queue", "job_queue_name", "queue_name"),
    "name": ("job_name", "title"),
    "parameters": ("params",),
    "command": ("cmd", "args", "arguments", "job_command", "container_overrides"),
    "environment": ("env", "environ", "env_vars", "environment_variables", "container_overrides"),
    "vcpus": ("cpu", "cpus", "vcpu", "cores", "container_overrides", "resource_requirements"),
    "memory_mib": (
        *("memory", "mem", "ram", "memory_mb", "memory_gb", "memory_limit"),
        *("container_overrides", "resource_requirements"),
    ),
    "gpus": ("gpu", "container_overrides", "resource_requirements"),
    "array_size": ("size", "array", "array_properties"),
    "depends_on": ("dependencies", "dependency", "depends", "after"),
    "retry": ("retries", "retry_strategy", "attempts", "max_attempts", "max_retries"),
    "attempt_timeout": (
        *("timeout", "time_limit", "timeout_seconds", "job_timeout", "attempt_duration_seconds"),
        "max_runtime",
    ),
    "tags": ("tag", "labels"),
    "share_identifier": ("share", "fair_share", "fair_share_identifier"),
    "scheduling_priority": ("priority", "scheduling_priority_override"),
    "key": ("job_key", "idempotency_key", "client_token"),
    "recovery": ("recovery_policy", "recover"),
    "consumable_resources": (
        *("consumable_resource_properties", "consumable_resource_properties_override"),
        "consumable_resource_list",
    ),
    "ecs_properties_override": ("ecs_properties", "ecs_overrides"),
    "eks_properties_override": ("eks_properties", "eks_overrides"),
}


_SIMILARITY = 0.75


def names_unknown_fields(kind: type[T]) -> type[T]:
    """Make the constructor of a dataclass raise `UnknownField` for a field that it does not have.

    Python's own error does not say which field was meant.
    """
    make = kind.__init__
    known = frozenset(inspect.signature(kind).parameters)

    @functools.wraps(make)
    def checked(self: T, *args: object, **fields: object) -> None:
        require_known(kind.__name__, fields, known)
        make(self, *args, **fields)

    kind.__init__ = checked  # type: ignore[method-assign, assignment] # it only checks the names
    return kind


def require_known(owner: str, fields: Iterable[str], known: Collection[str]) -> None:
    """Raise if one of some fields is not known.

    Raises:
        UnknownField: It names the field, and the one that was meant or all that are known.
    """
    for field in fields:
        if field not in known:
            raise UnknownField(field, f"{owner} has no such field; {advice(field, known)}")


def advice(field: str, known: Collection[str]) -> str:
    """Return which of the known fields was meant, or all of them if none is similar."""
    meant: dict[str, list[str]] = defaultdict(list)
    for name in sorted(known):
        for each in (name, *_OTHER_NAMES.get(name, ())):
            meant[_squeezed(each)].append(name)
    for similar in difflib.get_close_matches(_squeezed(field), meant, n=1, cutoff=_SIMILARITY):
        return f"did you mean {' or '.join(meant[similar])}?"
    return f"allowed are {', '.join(sorted(known))}"


def _squeezed(name: str) -> str:
    """Return a name without the differences between snake_case, camelCase and kebab-case."""
    return name.replace("_", "").replace("-", "").lower()
