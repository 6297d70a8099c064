"""Checks that mypy and pyright report the errors that `rejected.py` expects, and no others.

Run it with `python -m tests.typing.check_rejected`; `nox -s types` does.
"""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

REJECTED = Path(__file__).with_name("rejected.py")
_EXPECTED = re.compile(r"# error: (?P<mypy>[a-z-]+), (?P<pyright>\w+)$")
_MYPY_ERROR = re.compile(r":(?P<line>\d+): error: .* \[(?P<rule>[a-z-]+)\]$", re.MULTILINE)

# Rules of the errors that are reported for each line.
Errors = dict[int, set[str]]


def expected(checker: str) -> dict[int, str]:
    """Return the rule that the comments of `rejected.py` announce for each line."""
    lines = REJECTED.read_text(encoding="utf-8").splitlines()
    matches = ((number, _EXPECTED.search(line)) for number, line in enumerate(lines, start=1))
    return {number: match[checker] for number, match in matches if match}


def mypy() -> Errors:
    """Return what mypy reports."""
    output = _run("mypy", "--no-pretty", "--hide-error-context")
    found: Errors = {}
    for match in _MYPY_ERROR.finditer(output):
        found.setdefault(int(match["line"]), set()).add(match["rule"])
    return found


def pyright() -> Errors:
    """Return what pyright reports."""
    found: Errors = {}
    for each in json.loads(_run("pyright", "--outputjson"))["generalDiagnostics"]:
        # pyright counts lines from 0. A syntax error has no rule.
        line = each["range"]["start"]["line"] + 1
        found.setdefault(line, set()).add(each.get("rule", "syntax"))
    return found


def _run(*command: str) -> str:
    """Check a copy of the file: pyproject.toml excludes the file itself."""
    with TemporaryDirectory() as directory:
        copy = shutil.copy(REJECTED, directory)
        done = subprocess.run(
            [sys.executable, "-m", *command, copy], capture_output=True, text=True, check=False
        )
    # Exit code 1 means that errors were found, as they should be.
    if done.returncode != 1:
        raise SystemExit(f"{command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def differences(checker: str, reported: Errors) -> Iterator[str]:
    """Describe where the reported errors differ from the expected ones.

    A line may have further errors: one mistake can break several rules.
    """
    wanted = expected(checker)
    for line in sorted(wanted.keys() | reported.keys()):
        rules = ", ".join(sorted(reported.get(line, ()))) or "nothing"
        if line not in wanted:
            yield f"{REJECTED.name}:{line}: {checker} reports {rules}, expected nothing"
        elif wanted[line] not in reported.get(line, ()):
            yield f"{REJECTED.name}:{line}: {checker} reports {rules}, expected {wanted[line]}"


def main() -> None:
    """Compare the errors of both type checkers with the expected ones.

    Raises:
        SystemExit: They differ.
    """
    with ThreadPoolExecutor() as pool:  # each of them uses one core
        reported = {"mypy": pool.submit(mypy), "pyright": pool.submit(pyright)}
    found = [line for each in reported for line in differences(each, reported[each].result())]
    if found:
        raise SystemExit("\n".join(found))
    count = len(expected("mypy"))
    sys.stdout.write(f"mypy and pyright report all {count} mistakes in {REJECTED.name}\n")


if __name__ == "__main__":
    main()
