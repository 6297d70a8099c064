"""Registering job definitions: one revision for each content."""

import functools
import json
import logging
from collections.abc import Mapping
from os import PathLike
from typing import Any

import anyio

from asyncbatch._aws.api import API
from asyncbatch._aws.wire import definitions, requests
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
    content = definitions.editable(await _content(definition))
    arguments = requests.register_job_definition(content, tagged=reuse)
    if not reuse:
        return await api.register_job_definition(arguments)
    name = arguments["jobDefinitionName"]
    has_content = functools.partial(
        definitions.has_content, wanted=content, content_hash=requests.definition_hash(content)
    )
    if found := await api.find_job_definition(name, has_content):
        return found
    try:
        return await api.register_job_definition(arguments)
    except AccessDenied as error:
        logger.warning(
            "batch:TagResource denied; registering a new revision of %s: %s", name, error
        )
        plain = requests.register_job_definition(content, tagged=False)
        return await api.register_job_definition(plain)


async def _content(definition: Mapping[str, Any] | str | PathLike[str]) -> object:
    """Return the content of a definition that is given as a value or as the path of a JSON file."""
    if not isinstance(definition, str | PathLike):
        return definition
    field, path = "definition", str(definition)
    try:
        content = json.loads(await anyio.Path(definition).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidRequest(field, path, f"must be a readable JSON file: {error}") from error
    if not content or not isinstance(content, dict | list):
        raise InvalidRequest(field, path, "the file must contain a JSON object")
    return content
