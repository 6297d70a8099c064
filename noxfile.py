"""Every check of this project, as a session each. `nox` alone runs what CI runs.

`nox -l` lists the sessions, `nox -s lint` runs one, `nox -s tests -- -k limiter` hands the rest
to pytest. Interpreters that a machine lacks are skipped; the one that runs nox never is.
"""

import os
import shutil
import subprocess
import sys

import nox

SUPPORTED = ("3.11", "3.12", "3.13")
RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHONS = sorted({*SUPPORTED, RUNNING})

PYPROJECT = nox.project.load_toml("pyproject.toml")
# The lower bounds themselves, so that what pyproject.toml promises is what is tested.
FLOORS = [bound.replace(">=", "==") for bound in PYPROJECT["project"]["dependencies"]]
# aioboto3 pins one aiobotocore release; this is the one whose pin is the floor.
AIOBOTO3_AT_FLOOR = "aioboto3==15.4.0"

# Many tests wait for programs that they start: twice as many workers as cores.
WORKERS = str(2 * (os.cpu_count() or 1))
# Tests of the source tree, the benchmark and the examples: run on the Python that runs nox only.
SAME_EVERYWHERE = ("tests/bench", "tests/docs")
# Each package's own tests, and the contract with AWS: half a minute for a Python in between.
QUICK_TESTS = (
    *("tests/values", "tests/aws", "tests/journal", "tests/test_public_api.py"),
    *("tests/polling/test_changes.py", "tests/polling/test_queues.py"),
    *("tests/polling/test_schedule.py", "tests/session/test_background.py", "tests/contract"),
)

nox.needs_version = ">=2025.11.12"
nox.options.default_venv_backend = "uv|virtualenv"
# CI=true would turn a missing interpreter into an error, and uv would go and fetch one.
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"


def show_pyenv_pythons() -> None:
    """Let pyenv's shims answer for every supported version, not only for its global one."""
    if "PYENV_VERSION" in os.environ or not shutil.which("pyenv"):
        return
    listing = subprocess.run(
        ["pyenv", "versions", "--bare"], capture_output=True, text=True, check=False
    ).stdout.split()
    newest = [newest_patch(minor, listing) for minor in PYTHONS]
    os.environ["PYENV_VERSION"] = ":".join(filter(None, newest))


def newest_patch(minor: str, versions: list[str]) -> str | None:
    """Pick the newest release of one minor version, as in "3.12" of ["3.12.1", "3.12.10"]."""
    patches = [version for version in versions if version.startswith(f"{minor}.")]
    numbered = [version for version in patches if version.rpartition(".")[2].isdigit()]
    return max(numbered, key=lambda version: int(version.rpartition(".")[2]), default=None)


def groups(*names: str) -> tuple[str, ...]:
    """Return the requirements of the named dependency groups of pyproject.toml."""
    return nox.project.dependency_groups(PYPROJECT, *names)


def install_to_read(session: nox.Session, *requirements: str) -> None:
    """Install what is read rather than run: to compile all of it would take longer than that."""
    session.install(*requirements, env={"UV_COMPILE_BYTECODE": "0"})


def others() -> list[str]:
    """Return the supported versions beside the running one that this machine has."""
    return [
        python
        for python in PYTHONS
        if python != RUNNING
        and shutil.which(f"python{python}")
        and subprocess.run([f"python{python}", "-c", ""], check=False).returncode == 0
    ]


show_pyenv_pythons()
OTHERS = others()
# All tests with the oldest aiobotocore on the Python that runs nox, and with the newest one on the
# newest Python; on those between, the quick tests. `nox -s tests` runs all combinations.
nox.options.sessions = [
    *("lint", "types", "layers", "docs"),
    f"tests-{RUNNING}(aiobotocore='oldest')",
    f"tests-{(OTHERS or [RUNNING])[-1]}(aiobotocore='newest')",
    *(f"tests_between-{python}" for python in OTHERS[:-1]),
    *("demo", "bench_short", "chaos_short"),
]
# Tests, demo and benchmark start interpreters by the dozen: compile once, not in each of them.
os.environ.setdefault("UV_COMPILE_BYTECODE", "1")


@nox.session
def lint(session: nox.Session) -> None:
    """Check the format and the lint rules."""
    session.install(*groups("lint"))
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("pre-commit", "validate-config")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types twice: mypy and pyright disagree where an annotation is vague."""
    install_to_read(
        session, "-e", ".[luigi,cli,notebook,otel]", *groups("test", "types", "bench"), "nox"
    )
    session.run("mypy")
    session.run("pyright")


@nox.session
def layers(session: nox.Session) -> None:
    """Prove that imports go down the list of rooms only."""
    install_to_read(session, "-e", ".[luigi]", *groups("layers"))
    session.run("lint-imports", "--no-cache", "--no-logo")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a dead reference is an error. The tests run its examples."""
    install_to_read(session, ".[luigi,cli]", *groups("docs"))
    target = session.posargs or ["docs/_build/html"]
    session.run("sphinx-build", "-W", "-n", "--keep-going", "-q", "docs", *target)


@nox.session(python=PYTHONS)
@nox.parametrize("aiobotocore", ["oldest", "newest"])
def tests(session: nox.Session, aiobotocore: str) -> None:
    """Run the tests against the installed package, at both ends of the supported range."""
    pins = [*FLOORS, AIOBOTO3_AT_FLOOR] if aiobotocore == "oldest" else ["aiobotocore>=3.10"]
    session.install(".[luigi,cli,notebook,otel]", *pins, *groups("test"))
    elsewhere = session.python != RUNNING and not session.posargs
    left_out = [f"--ignore={path}" for path in SAME_EVERYWHERE if elsewhere]
    session.run("pytest", "--numprocesses", WORKERS, *left_out, *session.posargs)


@nox.session(python=PYTHONS)
def tests_between(session: nox.Session) -> None:
    """Run the quick tests: those of the parts, and those of the contract with AWS."""
    session.install(".[luigi,cli,notebook,otel]", *groups("test"))
    session.run("pytest", "--numprocesses", WORKERS, *QUICK_TESTS)


@nox.session
def demo(session: nox.Session) -> None:
    """Run the demonstration as a newcomer would."""
    session.install(".[cli]")
    session.run("asyncbatch", "demo")


@nox.session
def bench(session: nox.Session) -> None:
    """Measure this package and its peers on the same work; `-- --help` lists the choices."""
    session.install(".[luigi]", *groups("bench"))
    session.run("python", "-m", "bench", *session.posargs)


@nox.session
def bench_short(session: nox.Session) -> None:
    """Show in two minutes that the benchmark runs; its numbers mean nothing."""
    session.install(".[luigi]", *groups("bench"))
    session.run("python", "-m", "bench", "--short")


@nox.session
def chaos(session: nox.Session) -> None:
    """Kill programs and let AWS misbehave, 200 times; `-- --seeds 17..17` replays one run."""
    session.install(".")
    session.run("python", "-m", "tests.chaos", *session.posargs)


@nox.session
def chaos_short(session: nox.Session) -> None:
    """Do a little of it, in less than a minute; the seeds are always the same."""
    session.install(".")
    session.run("python", "-m", "tests.chaos", "--seeds", "1..6", "--jobs", "30")
