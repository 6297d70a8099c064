"""Run the three Luigi examples beside a local AWS Batch.

They are the usage examples of `luigi.contrib.batch`, with `asyncbatch_luigi` in its place. The
command `asyncbatch local` starts a local AWS Batch with the job queues and job definitions of
`local.toml`, and runs each of them as a program of its own, with the variables that lead it there.
It needs the extra `cli`.

Run it without an AWS account, from the root of the repository:

    python -m examples.luigi.run
"""

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
PROGRAMS = ("basic_usage", "custom_queue", "batch_client")


def main() -> int:
    """Run the examples one after the other, in an empty directory; return the exit code."""
    python = shlex.quote(sys.executable)
    steps = [
        f"echo '-- {name}' && {python} {shlex.quote(str(HERE / f'{name}.py'))}" for name in PROGRAMS
    ]
    local = [sys.executable, "-m", "asyncbatch", "local", "--config", str(HERE / "local.toml")]
    with tempfile.TemporaryDirectory() as directory:
        command = [*local, "--", "sh", "-c", " && ".join(steps)]
        return subprocess.run(command, cwd=directory, check=False).returncode  # noqa: S603 - its own programs


if __name__ == "__main__":
    raise SystemExit(main())
