"""Programs of `tests.fixtures.programs` behave as with an interpreter of their own."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fixtures.programs import launcher

ENDS = {
    "end": "print('printed')",
    "exit code": "raise SystemExit(3)",
    "exception": "print('printed'); 1 / 0",
    "Ctrl-C": "import os, signal; os.kill(os.getpid(), signal.SIGINT); print('continued')",
    "signal": "import os, signal; os.kill(os.getpid(), signal.SIGTERM); print('continued')",
    "atexit": "import atexit; atexit.register(print, 'at exit'); raise SystemExit('message')",
    "thread": "import threading; threading.Thread(target=print, args=['in a thread']).start()",
    "main module": "import sys; print(sys.modules[__name__].sys is sys, __name__, sys.argv)",
    "group": "import os; print(os.getpgid(0) == os.getpid() != os.getppid())",
    "surroundings": "import os; print(os.getcwd(), os.environ['VARIABLE'], os.environ['HOME'])",
}


@pytest.mark.parametrize("program", ENDS.values(), ids=ENDS)
def test_program_prints_and_ends_as_with_a_new_interpreter(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("VARIABLE", "value")
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,
    )
    errors = tmp_path / "errors"
    with errors.open("w") as stderr:
        started = launcher(("asyncbatch.local",)).start(program, stderr=stderr)
        output = started.read_all()
    assert (started.returncode, output) == (done.returncode, done.stdout)
    assert errors.read_text().splitlines()[-1:] == done.stderr.splitlines()[-1:]


def test_killed_program_leaves_no_process_of_its_group() -> None:
    program = launcher(("asyncbatch.local",)).start(
        # One write for each line: print() may write the text and the line end separately.
        "import os, time; os.fork(); os.write(1, b'up\\n'); time.sleep(600)"
    )
    assert [program.stdout.readline() for _ in range(2)] == ["up\n"] * 2
    program.kill()
    assert program.returncode == -signal.SIGKILL
    assert program.read_all() == ""  # the end of the output: no process has it open any more
