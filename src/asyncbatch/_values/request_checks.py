"""Checks of single fields of a `JobRequest`, for requests and for rules that change them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Protocol, runtime_checkable

from asyncbatch._values import checks as check
from asyncbatch._values.errors import InvalidRequest
from asyncbatch._values.retries import retry_strategy


@runtime_checkable
class HasArn(Protocol):
    """Anything with the ``arn`` of an AWS resource: a `JobDefinition`."""

    @property
    def arn(self) -> str:
        """Amazon Resource Name."""
        ...


# Fields with structures of AWS, and the members at their top. botocore's model has the others.
# https://docs.aws.amazon.com/batch/latest/APIReference/API_SubmitJob.html
STRUCTURES: Mapping[str, tuple[str, ...]] = {
    "node_overrides": ("numNodes", "nodePropertyOverrides"),
    "ecs_properties_override": ("taskProperties",),
    "eks_properties_override": ("podProperties",),
}


def quantities(resources: Mapping[str, int]) -> dict[str, int]:
    """Return a copy of quantities by the name or ARN of a consumable resource."""
    copied = check.mapping("consumable_resources", resources)
    for name, quantity in copied.items():
        check.text("consumable_resources", name, rule="names must not be empty", at_most=2048)
        check.integer(f"consumable_resources[{name!r}]", quantity, 1)
    return copied


def definition_name(value: str | HasArn) -> str:
    """Return the name, name:revision or ARN of a job definition."""
    # str first: isinstance() with a protocol is slow, and most values are strings.
    text = value if isinstance(value, str) or not isinstance(value, HasArn) else value.arn
    definition = check.text(
        "job_definition",
        text,
        at_most=2048,
        rule="must be a name, name:revision or ARN of a job definition",
    )
    name, colon, revision = definition.rpartition("/")[2].partition(":")
    if colon and not (revision.isascii() and revision.isdecimal()):
        raise InvalidRequest(
            "job_definition",
            definition,
            f"a revision is a number, such as {name}:3, and not a tag as of an image. Leave it out"
            " for the latest ACTIVE revision.",
        )
    return definition


def arguments(command: Sequence[str] | None) -> tuple[str, ...] | None:
    """Return a copy of a command."""
    if command is None:
        return None
    rule = 'must be a list of arguments, such as ["sh", "-c", "..."]'
    check.iterable("command", command, rule=rule)
    return tuple(check.argument("command", argument) for argument in command)


def environment(variables: Mapping[str, str | float]) -> dict[str, str]:
    """Return a copy of environment variables, with numbers as text."""
    if not isinstance(variables, Mapping):
        rule = "must be a mapping, such as a dict"
        raise InvalidRequest("environment", variables, rule, shown=type(variables))
    values = check.text_by_name("environment", variables)
    for name in values:
        if not name or "=" in name or "\0" in name:
            rule = "names of variables must not be empty or contain '=' or NUL"
            raise InvalidRequest("environment", name, rule)
        if name.startswith("AWS_BATCH"):
            rule = "AWS reserves names that begin with AWS_BATCH. Choose another name."
            raise InvalidRequest("environment", name, rule)
    return values


# Each field that does not depend on others, with the check of its value, which raises
# `InvalidRequest`. Some checks return the value in another form.
CHECKS: Mapping[str, Callable[[Any], object]] = {
    "job_definition": definition_name,
    "queue": partial(check.optional_text, "queue", at_most=2048),
    "parameters": partial(check.text_by_name, "parameters"),
    "command": arguments,
    "environment": environment,
    "vcpus": partial(check.optional_number, "vcpus", above=0),
    "memory_mib": partial(check.optional_integer, "memory_mib", least=4),
    "gpus": partial(check.optional_integer, "gpus", least=1),
    "retry": retry_strategy,
    "attempt_timeout": partial(check.optional_timeout, "attempt_timeout"),
    "tags": check.tags,
    "propagate_tags": partial(check.optional_flag, "propagate_tags"),
    "share_identifier": check.optional_share_identifier,
    "scheduling_priority": partial(
        check.optional_integer, "scheduling_priority", least=0, most=9999
    ),
    "consumable_resources": quantities,
    "instance_type": partial(check.optional_text, "instance_type", at_most=256),
    **{
        name: partial(check.structure, name, members=members)
        for name, members in STRUCTURES.items()
    },
    "extra": partial(check.mapping, "extra"),
}
