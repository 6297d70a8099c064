"""The TOML file of `asyncbatch local`: compute limits, job queues and job definitions. Pure.

Every error names the file, the key, the value and the rule.
"""

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from asyncbatch._cli.errors import UsageError
from asyncbatch._values.text import one_line, shortened

DEFAULT_QUEUE = "default"
COMMAND_DEFINITION = "command"
"""Job definition that exists without a file: its jobs give their own command."""

# https://docs.aws.amazon.com/batch/latest/APIReference/API_CreateJobQueue.html
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_NAME_RULE = "must have letters, digits, - and _, at most 128 of them, and begin with no - or _"
_SHOWN = 80
"""Characters of a value that an error shows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A job queue: its name, and its priority among the queues."""

    name: str
    priority: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A job definition.

    Attributes:
        name: Its name.
        request: Arguments of RegisterJobDefinition.
        revisions: How many revisions are registered.
    """

    name: str
    request: Mapping[str, Any]
    revisions: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalConfig:
    """What a local AWS Batch consists of.

    Attributes:
        source: The file; None for the defaults.
        vcpus: vCPUs that the jobs share; None for the number of CPUs.
        gpus: GPUs that the jobs share.
        enforce_memory: Whether a job that uses more than its memory is killed.
        directory: Working directory of the jobs; None for a temporary one for each attempt.
        environment: Variables of all jobs.
        port: TCP port; 0 for a free one.
        stop_grace: Seconds between SIGTERM and SIGKILL for a job that is ended.
        queues: Job queues; the first one is the default of the command.
        definitions: Job definitions.
    """

    source: str | None = None
    vcpus: int | None = None
    gpus: int = 0
    enforce_memory: bool = False
    directory: Path | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    stop_grace: float = 30.0
    queues: tuple[Queue, ...] = (Queue(name=DEFAULT_QUEUE),)
    definitions: tuple[Definition, ...] = ()

    def all_definitions(self) -> tuple[Definition, ...]:
        """Return the job definitions, with the one that exists without a file."""
        if any(each.name == COMMAND_DEFINITION for each in self.definitions):
            return self.definitions
        return (*self.definitions, _short_definition(COMMAND_DEFINITION, {}))


def read_config(path: Path) -> LocalConfig:
    """Read a file.

    Raises:
        UsageError: It cannot be read, is no TOML, or a value breaks a rule.
    """
    text = _text_of(path)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: this is no TOML: {one_line(str(error))}.") from None
    return _config(path, document)


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UsageError(f"{path}: cannot be read: {reason}. Check --config.") from None


class _Table:
    """A table of the file, whose keys are read once and checked."""

    def __init__(self, path: Path, prefix: str, values: Mapping[str, Any]) -> None:
        self._path = path
        self._prefix = prefix
        self._values = dict(values)

    def take(self, key: str, default: Any, rule: str, is_valid: Callable[[Any], bool]) -> Any:  # noqa: ANN401 - any value of TOML
        """Return the value of a key, which is then no longer unknown.

        Raises:
            UsageError: The value breaks the rule.
        """
        if key not in self._values:
            return default
        value = self._values.pop(key)
        if not is_valid(value):
            raise self.error(key, value, rule)
        return value

    def text(self, key: str, default: str | None = None) -> Any:  # noqa: ANN401 - as above
        """Return a text."""
        return self.take(key, default, "must be a text", _is_text)

    def whole(self, key: str, default: int | None, least: int, most: int = 2**31) -> Any:  # noqa: ANN401 - as above
        """Return a whole number."""
        rule = f"must be a whole number from {least} to {most}"
        return self.take(key, default, rule, lambda v: _is_whole(v) and least <= v <= most)

    def number(self, key: str, default: float, least: float) -> Any:  # noqa: ANN401 - as above
        """Return a number."""
        rule = f"must be a number of at least {least:g}"
        return self.take(key, default, rule, lambda v: _is_number(v) and v >= least)

    def flag(self, key: str) -> Any:  # noqa: ANN401 - as above
        """Return a flag; False where there is none."""
        return self.take(key, False, "must be true or false", lambda v: isinstance(v, bool))  # noqa: FBT003 - a default

    def texts(self, key: str) -> Any:  # noqa: ANN401 - as above
        """Return a table of texts; numbers become texts."""
        rule = "must be a table of texts"
        given = self.take(key, {}, rule, _is_table_of_plain)
        return {name: str(value) for name, value in given.items()}

    def tables(self, key: str) -> "dict[str, _Table]":
        """Return the tables in a table, by name."""
        rule = f"must be tables, such as [{key}.NAME]"
        given = self.take(key, {}, rule, lambda v: isinstance(v, dict))
        for name, value in given.items():
            if not isinstance(value, dict):
                raise self.error(f"{key}.{name}", value, rule)
            if not _NAME.fullmatch(name):
                raise self.error(key, name, f"the name of each {_NAME_RULE}")
        return {
            name: _Table(self._path, f"{self._prefix}{key}.{name}.", value)
            for name, value in given.items()
        }

    def end(self, known: str) -> None:
        """Raise if a key is left that was not taken.

        Raises:
            UsageError: There is one.
        """
        for key, value in self._values.items():
            raise self.error(key, value, f"there is no such key; known keys: {known}")

    def error(self, key: str, value: object, rule: str) -> UsageError:
        """Return the error of a value that breaks a rule."""
        shown = shortened(one_line(repr(value)), _SHOWN)
        return UsageError(f"{self._path}: {self._prefix}{one_line(key)} = {shown}: {rule}.")


def _config(path: Path, document: Mapping[str, Any]) -> LocalConfig:
    top = _Table(path, "", document)
    directory = top.text("directory")
    defaults = LocalConfig()
    config = LocalConfig(
        source=str(path),
        vcpus=top.whole("vcpus", None, 1),
        gpus=top.whole("gpus", 0, 0),
        enforce_memory=top.flag("enforce_memory"),
        directory=None if directory is None else path.parent / directory,
        environment=top.texts("environment"),
        port=top.whole("port", 0, 0, 65535),
        stop_grace=top.number("stop_grace", defaults.stop_grace, 0),
        queues=_queues(top) or defaults.queues,
        definitions=tuple(_definition(path, *each) for each in top.tables("definitions").items()),
    )
    if config.directory is not None and not config.directory.is_dir():
        raise top.error("directory", directory, "there is no such directory")
    top.end(
        "vcpus, gpus, enforce_memory, directory, environment, port, stop_grace, queues, definitions"
    )
    return config


def _queues(top: _Table) -> tuple[Queue, ...]:
    found = []
    for name, table in top.tables("queues").items():
        found.append(Queue(name=name, priority=table.whole("priority", 1, 0, 1000)))
        table.end("priority")
    return tuple(found)


_FROM_FILE = "file, revisions"
_SHORT = "image, command, vcpus, memory_mib, gpus, environment, parameters, attempts, timeout"


def _definition(path: Path, name: str, table: _Table) -> Definition:
    file = table.text("file")
    if file is not None:
        revisions = table.whole("revisions", 1, 1, 100)
        table.end(_FROM_FILE)
        return Definition(
            name=name,
            request=_request_of(path.parent / file, table, name, file),
            revisions=revisions,
        )
    values = {
        "image": table.text("image", "local"),
        "command": table.take("command", [], "must be a list of texts", _is_list_of_texts),
        "vcpus": table.number("vcpus", 1, 0.25),
        "memory_mib": table.whole("memory_mib", 512, 4),
        "gpus": table.whole("gpus", 0, 0),
        "environment": table.texts("environment"),
        "parameters": table.texts("parameters"),
        "attempts": table.whole("attempts", 1, 1, 10),
        "timeout": table.whole("timeout", None, 60),
    }
    table.end(f"{_SHORT}; or {_FROM_FILE}")
    return _short_definition(name, values)


def _request_of(path: Path, table: _Table, name: str, file: str) -> dict[str, Any]:
    """Return the arguments of RegisterJobDefinition in a JSON file.

    Raises:
        UsageError: The file cannot be read, or has no object.
    """
    try:
        request = json.loads(_text_of(path))
    except ValueError as error:
        raise table.error("file", file, f"this is no JSON: {one_line(str(error))}") from None
    if not isinstance(request, dict):
        raise table.error("file", file, "must have an object, the input of register-job-definition")
    return {**request, "jobDefinitionName": name}


def _short_definition(name: str, values: Mapping[str, Any]) -> Definition:
    """Return a job definition from its short form."""
    resources = {"VCPU": f"{values.get('vcpus', 1):g}", "MEMORY": values.get("memory_mib", 512)}
    if values.get("gpus"):
        resources["GPU"] = values["gpus"]
    environment: Mapping[str, str] = values.get("environment", {})
    container = {
        "image": values.get("image", "local"),
        "command": values.get("command", []),
        "environment": [{"name": key, "value": value} for key, value in environment.items()],
        "resourceRequirements": [
            {"type": kind, "value": str(value)} for kind, value in resources.items()
        ],
    }
    request: dict[str, Any] = {
        "jobDefinitionName": name,
        "type": "container",
        "parameters": dict(values.get("parameters", {})),
        "retryStrategy": {"attempts": values.get("attempts", 1)},
        "containerProperties": container,
    }
    if values.get("timeout") is not None:
        request["timeout"] = {"attemptDurationSeconds": values["timeout"]}
    return Definition(name=name, request=request)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)


def _is_table_of_plain(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(each, str) or _is_number(each) for each in value.values()
    )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)
