"""The `asyncbatch` command. What it needs is the `cli` extra; this file can do without."""

from importlib.util import find_spec


def main() -> None:
    """Run the command.

    Raises:
        SystemExit: Always: with the command's exit code, or with 1 and a line on standard error
            where the `cli` extra is not installed.
    """
    if not all(find_spec(name) for name in ("rich", "typer")):
        raise SystemExit("asyncbatch: this command needs an extra: pip install 'asyncbatch[cli]'")
    from asyncbatch._cli.app import app

    app(prog_name="asyncbatch")
