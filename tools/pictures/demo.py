"""The picture of `asyncbatch demo`: `python -m tools.pictures.demo` runs it and draws its output.

The demo runs on a pseudo-terminal, so the picture shows what a terminal shows. Its times and job
ids differ in each run, so no test compares the picture. Needs pyte (`pip install pyte`).
"""

import importlib
import io
import os
import pty
import re
import subprocess
import sys
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tools.pictures import STATIC

pyte: Any = importlib.import_module("pyte")  # as Any: type checkers work without it

_COLUMNS, _ROWS = 88, 120
_THEME = TerminalTheme(
    (22, 27, 34),
    (230, 237, 243),
    [
        *((72, 79, 88), (255, 123, 114), (63, 185, 80), (210, 153, 34)),
        *((88, 166, 255), (188, 140, 255), (57, 197, 207), (177, 186, 196)),
    ],
)
# Colours that pyte and rich name differently.
_NAMES = {"brown": "yellow"}


def run(
    command: list[str], *, columns: int = _COLUMNS, environment: Mapping[str, str] | None = None
) -> bytes:
    """Run a command on a pseudo-terminal and return what it writes."""
    controller, terminal = pty.openpty()
    size = {"COLUMNS": str(columns), "LINES": "40", "TERM": "xterm-256color"}
    variables = {**os.environ, **(environment or {}), **size}
    with subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=variables):
        os.close(terminal)
        written = bytearray()
        while True:
            try:
                part = os.read(controller, 65536)
            except OSError:  # Linux: the other end is closed
                part = b""
            if not part:
                os.close(controller)
                return bytes(written)
            written += part


def screen_lines(written: bytes, *, columns: int = _COLUMNS) -> list[Text]:
    """Return the lines that a terminal shows after a program has written all of this."""
    screen = pyte.Screen(columns, _ROWS)
    pyte.ByteStream(screen).feed(written)
    lines = []
    for row in range(_ROWS):
        line = Text()
        cells = [screen.buffer[row][column] for column in range(columns)]
        for (colour, bold), run_of_cells in groupby(cells, lambda cell: (cell.fg, cell.bold)):
            text = "".join(cell.data for cell in run_of_cells)
            line.append(text, Style(color=_NAMES.get(colour, colour), bold=bold))
        line.rstrip()
        lines.append(line)
    while lines and not lines[-1].plain:
        lines.pop()
    return lines


def write_picture(name: str, title: str, lines: list[Text], *, columns: int = _COLUMNS) -> None:
    """Write lines of a terminal as a picture of the documentation."""
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True)
    for line in lines:
        console.print(line, soft_wrap=True)
    picture = console.export_svg(title=title, theme=_THEME, unique_id=name)
    # The fonts are linked from the network: use those of the system.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL)
    picture = picture.replace("Fira Code", "ui-monospace")
    (STATIC / f"{name}.svg").write_text(picture, encoding="utf-8")


def main() -> None:
    """Run the demo and write the picture."""
    lines = screen_lines(run([sys.executable, "-m", "asyncbatch", "demo"]))
    write_picture("demo", "asyncbatch demo", lines)


if __name__ == "__main__":
    main()
