"""The `asyncbatch` command.

Theory of operation
-------------------
`app` has a table of all commands, with the line that `asyncbatch --help` shows for each. The module
of a command is imported when the command runs, so the table is all that `--help` needs; it answers
in less than 150 ms.

    app          the table of commands, in the order of the help, and the group that reads it
    help         what --help and the reference show of arguments and options
    running      makes a command of a coroutine function; signals; errors become exit codes
    exit_codes   what the exit codes mean
    errors       the message and the exit code of an error
    stdout       standard output that may be closed or full
    output       tables and plain text for people, JSON for machines
    connecting   the options --region, --profile, --endpoint-url and --queue, and the client
    choosing     the options that choose jobs, and the jobs that they mean

    request_files    requests from JSON, YAML and CSV: text in, requests or bad lines out
    request_options  the options that set fields of a request
    input_files      files that commands read
    outcomes         the ends of a command's jobs: followed, summarized, as JSON lines
    progress_display their progress, on standard error

Commands print to standard output what was asked for and nothing else, and everything else to
standard error. They import public names and `_values`; a command that needs something that only
`_cli` has takes it from the modules above.

The command needs the `cli` extra (typer, rich and PyYAML). This module does not, so that it can
report a missing extra instead of a traceback.
"""

from importlib.util import find_spec


def main() -> None:
    """Run the command.

    Raises:
        SystemExit: Always: with the command's exit code, or with 2 and a message on standard
            error if the `cli` extra is not installed.
    """
    import signal

    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Python would raise KeyboardInterrupt wherever it is, and print a traceback. A command
        # installs its own handler when it runs.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    from asyncbatch._cli.exit_codes import USAGE
    from asyncbatch._cli.stdout import guarded_stdout

    if not all(find_spec(name) for name in ("rich", "typer", "yaml")):
        _say("missing dependencies: pip install 'typer>=0.15.2' 'rich>=13.9' 'pyyaml>=6.0.2'")
        raise SystemExit(USAGE)
    code: int | str | None = None
    with guarded_stdout() as stdout:
        from asyncbatch._cli.app import app

        try:
            app(prog_name="asyncbatch")
        except SystemExit as end:
            code = end.code
    if stdout.failure is not None:
        code = stdout.exit_code
        if stdout.message:
            _say(stdout.message)
    raise SystemExit(code)


def _say(message: str) -> None:
    import sys

    sys.stderr.write(f"asyncbatch: {message}\n")
