"""What `--help` and the reference show of a command's arguments and options.

typer adds the Python type of each value, such as ``<list[str]>``, and differs between versions.
Here, a value has the name that its `metavar` gives it, and nothing else.
"""

from collections.abc import Iterator
from typing import Any

Parameter = Any  # click's class, which typer has had in two places
Command = Any


def usage_of(command: Command) -> str:
    """Return what follows the name of a command, such as ``[OPTIONS] JOB...``."""
    arguments = " ".join(_usage(each) for each in command.params if _is_argument(each))
    return f"[OPTIONS] {arguments}".rstrip()


def arguments_of(command: Command) -> Iterator[tuple[str, str]]:
    """Yield name and meaning of each argument."""
    return ((_name(each), text_of(each)) for each in command.params if _is_argument(each))


def options_of(command: Command) -> Iterator[tuple[str, str]]:
    """Yield name and meaning of each option."""
    for each in command.params:
        if not (_is_argument(each) or getattr(each, "hidden", False)):
            names, value = names_of(each)
            yield " ".join(filter(None, (", ".join(names), value))), text_of(each)


def names_of(option: Parameter) -> tuple[list[str], str]:
    """Return the names of an option, the short one first, and that of its value."""
    names = sorted((*option.opts, *option.secondary_opts), key=len)
    takes_value = not (option.is_flag or option.count)
    return names, _metavar(option) if takes_value else ""


def text_of(parameter: Parameter) -> str:
    """Return the meaning, with the default and the variable that gives the value."""
    text = parameter.help or ""
    default = parameter.default
    is_plain = not (callable(default) or isinstance(default, bool))
    if is_plain and default not in (None, "", [], ()):
        text += f" Default: {default:g}." if isinstance(default, float) else f" Default: {default}."
    if parameter.envvar:
        text += f" Environment: {parameter.envvar}."
    return text


def _is_argument(parameter: Parameter) -> bool:
    return bool(parameter.param_type_name == "argument")


def _metavar(parameter: Parameter) -> str:
    return str(parameter.metavar or parameter.name.upper())


def _name(argument: Parameter) -> str:
    """Return the name of an argument; one with brackets says how often it comes by itself."""
    name = _metavar(argument)
    return name if "[" in name or argument.nargs == 1 else f"{name}..."


def _usage(argument: Parameter) -> str:
    name = _metavar(argument)
    if "[" in name:
        return name
    repeated = "" if argument.nargs == 1 else "..."
    return f"{name}{repeated}" if argument.required else f"[{name}]{repeated}"
