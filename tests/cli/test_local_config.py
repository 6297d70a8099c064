"""The TOML file of `asyncbatch local`: values that it sets, and errors that name file and key."""

import json
from pathlib import Path

import pytest

from asyncbatch._cli.errors import UsageError
from asyncbatch._cli.local_config import COMMAND_DEFINITION, LocalConfig, Queue, read_config

WHOLE = """
vcpus = 8
gpus = 2
enforce_memory = true
directory = "."
port = 4566
stop_grace = 1.5

[environment]
COLOUR = "green"
WORKERS = 3

[queues.night]
priority = 10
[queues.day]

[definitions.etl]
command = ["python", "etl.py", "Ref::date"]
vcpus = 0.5
memory_mib = 1024
gpus = 1
attempts = 3
timeout = 600
environment = { MODE = "fast" }
parameters = { date = "today" }

[definitions.train]
file = "train.json"
revisions = 2
"""


def written(path: Path, text: str) -> Path:
    """Write a file in a directory, and return its path."""
    file = path / "local.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_all_values_are_read(tmp_path: Path) -> None:
    (tmp_path / "train.json").write_text(json.dumps({"type": "container"}))
    config = read_config(written(tmp_path, WHOLE))
    assert (config.vcpus, config.gpus, config.port, config.stop_grace) == (8, 2, 4566, 1.5)
    assert (config.enforce_memory, config.directory) == (True, tmp_path)
    assert config.environment == {"COLOUR": "green", "WORKERS": "3"}
    assert config.queues == (Queue(name="night", priority=10), Queue(name="day"))
    etl, train = config.definitions
    assert etl.request == {
        "jobDefinitionName": "etl",
        "type": "container",
        "parameters": {"date": "today"},
        "retryStrategy": {"attempts": 3},
        "timeout": {"attemptDurationSeconds": 600},
        "containerProperties": {
            "image": "local",
            "command": ["python", "etl.py", "Ref::date"],
            "environment": [{"name": "MODE", "value": "fast"}],
            "resourceRequirements": [
                {"type": "VCPU", "value": "0.5"},
                {"type": "MEMORY", "value": "1024"},
                {"type": "GPU", "value": "1"},
            ],
        },
    }
    assert (train.revisions, train.request["jobDefinitionName"]) == (2, "train")
    names = [definition.name for definition in config.all_definitions()]
    assert names == ["etl", "train", COMMAND_DEFINITION]


def test_empty_file_is_the_defaults(tmp_path: Path) -> None:
    file = written(tmp_path, "")
    assert read_config(file) == LocalConfig(source=str(file))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("vcpus = 0", "vcpus = 0: must be a whole number from 1 to"),
        ("vcpus = true", "vcpus = True: must be a whole number"),
        ("gpus = -1", "gpus = -1: must be a whole number from 0 to"),
        ("port = 99999", "port = 99999: must be a whole number from 0 to 65535"),
        ('stop_grace = "2"', "stop_grace = '2': must be a number of at least 0"),
        ("enforce_memory = 1", "enforce_memory = 1: must be true or false"),
        ('directory = "nowhere"', "directory = 'nowhere': there is no such directory"),
        ("vcpu = 1", "vcpu = 1: there is no such key; known keys: vcpus, gpus"),
        ("environment = [1]", "environment = [1]: must be a table of texts"),
        ('queues = ["a"]', "queues = ['a']: must be tables, such as [queues.NAME]"),
        ('queues = { a = "b" }', "queues.a = 'b': must be tables"),
        ('[queues."a b"]', "queues = 'a b': the name of each must have letters"),
        ("[queues.a]\npriority = 1.5", "queues.a.priority = 1.5: must be a whole number"),
        ("[queues.a]\nstate = 1", "queues.a.state = 1: there is no such key; known keys: priority"),
        (
            '[definitions.e]\ncommand = "ls"',
            "e.command = 'ls': must be a list of texts",
        ),
        (
            "[definitions.e]\ntimeout = 5",
            "e.timeout = 5: must be a whole number from 60",
        ),
        ("[definitions.e]\nmemory = 5", "definitions.e.memory = 5: there is no such key"),
        ('[definitions.e]\nfile = "no.json"', "no.json: cannot be read: No such file"),
        (
            '[definitions.e]\nfile = "local.toml"',
            "e.file = 'local.toml': this is no JSON",
        ),
        ("vcpus = ", "this is no TOML"),
        ("vcpus = 1\x00", "this is no TOML"),
    ],
)
def test_error_names_file_key_value_and_rule(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_config(written(tmp_path, text))
    assert words in str(caught.value)
    assert str(tmp_path) in str(caught.value)
    assert "\x00" not in str(caught.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.toml: cannot be read: No such file"):
        read_config(tmp_path / "none.toml")
