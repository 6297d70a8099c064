"""Job definitions in AWS's spelling: what is registered, and whether a revision has that content.

RegisterJobDefinition makes a new revision each time, so a definition that is registered again has
to be found. DescribeJobDefinitions returns the content with members that AWS adds: empty lists and
maps, zeros, defaults. Its order is not documented.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_DescribeJobDefinitions.html
"""

import json
from collections.abc import Mapping
from typing import Any

from asyncbatch._aws.wire.requests import DEFINITION_HASH_TAG
from asyncbatch._values.errors import InvalidRequest

Wire = Mapping[str, Any]

# Members of DescribeJobDefinitions that RegisterJobDefinition does not accept.
_READ_ONLY = frozenset({"jobDefinitionArn", "revision", "status", "containerOrchestrationType"})

# What AWS adds to a definition that leaves a member out, besides empty values, false and zero.
# https://docs.aws.amazon.com/batch/latest/userguide/job_definition_parameters.html
_DEFAULTS: Mapping[str, tuple[object, ...]] = {
    "platformCapabilities": (["EC2"],),
    "platformVersion": ("LATEST",),
    "assignPublicIp": ("DISABLED",),
    "operatingSystemFamily": ("LINUX",),
    "cpuArchitecture": ("X86_64",),
    "essential": (True,),
    "hostNetwork": (True,),
    "dnsPolicy": ("ClusterFirst", "ClusterFirstWithHostNet"),
    "name": ("Default",),  # of the only container of a pod
    "rootDirectory": ("/",),
    "transitEncryption": ("DISABLED",),
}


def editable(definition: object) -> dict[str, Any]:
    """Return the members to register of a definition, which may be a response that describes it.

    Raises:
        InvalidRequest: It is no definition, or describes several.
    """
    if isinstance(definition, Mapping) and "jobDefinitions" in definition:
        definition = definition["jobDefinitions"]
    if isinstance(definition, list | tuple):
        if len(definition) != 1:
            rule = f"must be one job definition, and these are {len(definition)}"
            raise InvalidRequest("definition", definition, rule)
        (definition,) = definition
    if not isinstance(definition, Mapping):
        raise InvalidRequest("definition", definition, "must be a mapping, such as a dict")
    members = {name: value for name, value in definition.items() if name not in _READ_ONLY}
    tags = members.get("tags")
    if isinstance(tags, Mapping) and DEFINITION_HASH_TAG in tags:
        members["tags"] = {k: v for k, v in tags.items() if k != DEFINITION_HASH_TAG}
    return members


def has_content(detail: object, wanted: Wire, content_hash: str) -> bool:
    """Return whether a described revision has the content of a definition.

    The tag with the hash is only a hint, as a copy may have the tags of its original. With it, tags
    that others added later make no difference.
    """
    if not isinstance(detail, Mapping):
        return False
    tags = detail.get("tags") or {}
    if not isinstance(tags, Mapping):
        return False
    compared = wanted.get("tags") or {}
    if tags.get(DEFINITION_HASH_TAG) != content_hash:
        compared = {**dict.fromkeys(tags.keys() - {DEFINITION_HASH_TAG}), **compared}
    if any(tags.get(name) != value for name, value in compared.items()):
        return False
    ignored = _READ_ONLY | {"tags"}
    return _plain({k: v for k, v in detail.items() if k not in ignored}, wanted) == _plain(
        {k: v for k, v in wanted.items() if k not in ignored}, detail
    )


def _plain(value: object, other: object) -> object:
    """Return a value to compare with another: without what AWS adds, and in one order.

    Args:
        value: A part of one definition.
        other: The same part of the other one; a default counts only where it has no such member.
    """
    if isinstance(value, Mapping):
        counterpart = other if isinstance(other, Mapping) else {}
        members = {name: _plain(v, counterpart.get(name)) for name, v in value.items()}
        if isinstance(action := members.get("action"), str):
            members["action"] = action.lower()  # AWS ignores the case of evaluateOnExit's
        return {
            name: member
            for name, member in members.items()
            if member and (name in counterpart or value[name] not in _DEFAULTS.get(name, ()))
        }
    if isinstance(value, list | tuple):
        # AWS drops variables without a value, and returns variables in an order of its own.
        items = [item for item in value if not _is_empty_variable(item)]
        if all(isinstance(item, Mapping) and ("name" in item or "type" in item) for item in items):
            items.sort(key=_name)
            others = other if isinstance(other, list | tuple) else ()
            by_name = {_name(item): item for item in others if isinstance(item, Mapping)}
            return [_plain(item, by_name.get(_name(item))) for item in items]
        partners = other if isinstance(other, list | tuple) else ()
        return [
            _plain(item, partners[n] if n < len(partners) else None) for n, item in enumerate(items)
        ]
    return value


def _is_empty_variable(item: object) -> bool:
    return isinstance(item, Mapping) and item.keys() == {"name", "value"} and not item["value"]


def _name(item: Wire) -> str:
    """Return what distinguishes an item from others of its list."""
    if "name" in item:
        return str(item["name"])
    return json.dumps([item.get("type"), item.get("value")], default=str)
