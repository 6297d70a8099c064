"""Registering job definitions: one revision for each content."""

import json
import logging
from collections.abc import Mapping
from os import PathLike
from typing import Any

import anyio

from asyncbatch._aws.api import API
from asyncbatch._aws.wire import requests
from asyncbatch._values.descriptions import JobDefinition
from asyncbatch._values.errors import AccessDenied, InvalidRequest

logger = logging.getLogger("asyncbatch")


async def register(
    api: API, definition: Mapping[str, Any] | str | PathLike[str], *, reuse: bool
) -> JobDefinition:
    """Register a job definition, or with `reuse` find the revision that has its content.

    Raises:
        InvalidRequest: The file cannot be read, or the definition breaks a rule.
        APIError: AWS refused.
    """
    content = await _content(definition)
    arguments = requests.register_job_definition(content, tagged=reuse)
    if not reuse:
        return await api.register_job_definition(arguments)
    name = arguments["jobDefinitionName"]
    if found := await api.find_job_definition(name, requests.definition_hash(content)):
        return found
    try:
        return await api.register_job_definition(arguments)
    except AccessDenied as error:
        logger.warning(
            "batch:TagResource denied; registering a new revision of %s: %s", name, error
        )
        plain = requests.register_job_definition(content, tagged=False)
        return await api.register_job_definition(plain)


async def _content(definition: Mapping[str, Any] | str | PathLike[str]) -> Mapping[str, Any]:
    """Return the content of a definition given as a mapping or as the path of a JSON file."""
    if isinstance(definition, Mapping):
        return definition
    field, path = "definition", str(definition)
    try:
        content = json.loads(await anyio.Path(definition).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidRequest(field, path, f"must be a readable JSON file: {error}") from error
    if not isinstance(content, dict):
        raise InvalidRequest(field, path, "the file must contain a JSON object")
    return content
