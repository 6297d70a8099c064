"""Text of jobs, of AWS and of other people, made safe for terminals, tracebacks and logs.

Whatever this package shows goes through here: exceptions of the package do so for their messages
and notes, its logger for the arguments of its records.

A job's output can contain anything: colours, progress bars, cursor movements, sequences that rename
the terminal's window or paste into its input, characters that change the direction of writing, and
bytes that are no text.
"""

import logging
import re

_COLOUR = re.compile(r"\x1b\[[0-9;:]*m")
_RESET = "\x1b[0m"
# ECMA-48: strings with their terminator, control sequences, other escapes.
# https://ecma-international.org/publications-and-standards/standards/ecma-48/
# A string ends where the next one begins, so that matching stays linear in the length of the text.
_SEQUENCE = re.compile(
    r"(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x90\x98\x9c-\x9f]*(?:\x07|\x1b\\|\x9c)"
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|\x1b[ -/]*[0-~]"
)
# Control characters except tab and line feed; characters that change the direction of writing.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LINE_END = re.compile("[\t\n\x0b\x0c\r\x85\u2028\u2029]+")
_PRINTABLE = re.compile("[\x20-\x7e]*")
_PLAIN = re.compile("[\t\n\x20-\x7e]*")


def fit_for_terminal(text: str, *, colours: bool = False) -> str:
    r"""Return text that a terminal only writes, without acting on control sequences.

    Of a line that was overwritten with carriage returns, the last version is kept. Control
    sequences are removed; single control characters become visible, such as ``\x07``.

    Args:
        text: Any text.
        colours: Whether to keep sequences for colours and bold type. They are reset at the end.
    """
    if _PLAIN.fullmatch(text):
        return text
    text = "\n".join(_last_version(line) for line in text.split("\n"))
    if not colours:
        return _without_controls(text)
    parts: list[str] = []
    place = 0
    for found in _COLOUR.finditer(text):
        parts += (_without_controls(text[place : found.start()]), found[0])
        place = found.end()
    parts.append(_without_controls(text[place:]))
    return "".join(parts) + (_RESET if place else "")


def one_line(text: str) -> str:
    """Return text fit for a terminal that cannot begin a line of its own in a log or message."""
    if _PRINTABLE.fullmatch(text):
        return text
    return _without_controls(_LINE_END.sub(" ", text))


class SafeArguments(logging.Filter):
    """Makes the text arguments of log records safe: names and reasons that others wrote."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the text arguments of a record; let every record pass."""
        if isinstance(record.args, tuple):
            record.args = tuple(
                fit_for_terminal(argument) if isinstance(argument, str) else argument
                for argument in record.args
            )
        return True


# Filters of a logger apply whatever handlers a program installs, but not to records of loggers
# below it.
for _name in ("asyncbatch", "asyncbatch.local"):
    logging.getLogger(_name).addFilter(SafeArguments())


def shortened(text: str, most: int) -> str:
    """Return text, cut to `most` characters and followed by its full length."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def _last_version(line: str) -> str:
    """Return what a terminal shows of a line in the end: progress bars go back to its start."""
    return next((part for part in reversed(line.split("\r")) if part), "")


def _without_controls(text: str) -> str:
    text = _SURROGATE.sub("\ufffd", _SEQUENCE.sub("", text))
    return _CONTROL.sub(_visible, text)


def _visible(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"  # noqa: PLR2004 - two hex digits
