"""The `asyncbatch` command.

The command itself needs the `cli` extra (typer and rich). This module does not, so that it can
report a missing extra instead of a traceback.
"""

from importlib.util import find_spec


def main() -> None:
    """Run the command.

    Raises:
        SystemExit: Always: with the command's exit code, or with 1 and a message on standard
            error if the `cli` extra is not installed.
    """
    if not all(find_spec(name) for name in ("rich", "typer")):
        raise SystemExit("asyncbatch: missing dependencies: pip install 'asyncbatch[cli]'")
    from asyncbatch._cli.app import app

    app(prog_name="asyncbatch")
