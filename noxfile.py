"""The checks of this project, one nox session each. `nox` without arguments runs what CI runs.

`nox -l` lists the sessions and `nox -s lint` runs one of them. Arguments after `--` are passed on:
`nox -s tests -- -k pacing`. Python versions that are not installed are skipped.
"""

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor, as_completed

import nox

SUPPORTED = ("3.11", "3.12", "3.13")
RUNNING = f"{sys.version_info.major}.{sys.version_info.minor}"
PYTHONS = sorted({*SUPPORTED, RUNNING})

PYPROJECT = nox.project.load_toml("pyproject.toml")
# Exactly the lower bounds that pyproject.toml promises.
FLOORS = [bound.replace(">=", "==") for bound in PYPROJECT["project"]["dependencies"]]
# Each aioboto3 release pins one aiobotocore release; this one pins our lower bound.
AIOBOTO3_AT_FLOOR = "aioboto3==15.4.0"

# Twice as many workers as cores: many tests wait for programs that they start.
WORKERS = str(2 * (os.cpu_count() or 1))
# These tests do not depend on the versions of Python and dependencies: they run only on the Python
# that runs nox.
SAME_EVERYWHERE = (
    # The project's own texts, examples, benchmark and test tools.
    *("tests/bench", "tests/chaos", "tests/docs", "tests/examples", "tests/test_programs.py"),
    *("tests/luigi/test_notebook.py", "tests/mutations/test_mutations.py"),
    # Shells run the commands that these tests make from strings and numbers.
    *("tests/submitting/test_coalesce_properties.py", "tests/submitting/test_smaller_array.py"),
    # Functions of strings, numbers and dictionaries, with thousands of values: no SDK, no loop.
    *("tests/aws/test_wire_properties.py", "tests/aws/test_wire_total.py"),
    *("tests/local/executors/test_lines.py", "tests/logs/test_window_properties.py"),
    *("tests/polling/test_schedule_properties.py", "tests/values/test_failures.py"),
    "tests/values/test_from_description.py",
    # Hundreds of faults and odd responses: what is read or looked up next is decided from them,
    # in virtual time. The calls and the event loop are those of other tests of these packages.
    *("tests/submitting/test_shared_look_ups.py", "tests/logs/test_follower_properties.py"),
    *("tests/logs/test_hub.py", "tests/logs/test_odd_responses.py", "tests/polling/test_sweep.py"),
    *("tests/polling/test_odd_responses.py", "tests/mutations/test_found_faults.py"),
    *("tests/polling/test_sweep_disagreements.py", "tests/local/service/test_listing.py"),
    "tests/session/test_resumption_properties.py",
    # Requests and decisions of the adapter and of Luigi's scheduler, whose version is the same in
    # all environments. Tests of threads, forked workers, signals and tracebacks run everywhere.
    *("tests/luigi/test_compatibility.py", "tests/luigi/test_default_queue.py"),
    *("tests/luigi/test_find_live.py", "tests/luigi/test_luigi_semantics.py"),
    "tests/luigi/test_scheduling_semantics.py",
    # What commands read and print: texts of values, by typer, rich and textual, whose versions are
    # the same in all environments. Tests of signals, killed commands and the client run everywhere.
    *("tests/cli/request_files", "tests/cli/test_account.py", "tests/cli/test_demo.py"),
    *("tests/cli/test_ending.py", "tests/cli/test_every_command.py"),
    *("tests/cli/test_explain.py", "tests/cli/test_local_config.py", "tests/cli/test_logs.py"),
    *("tests/cli/test_on_call_page.py", "tests/cli/test_output.py", "tests/cli/test_page.py"),
    *("tests/cli/test_report.py", "tests/cli/test_rerun.py", "tests/cli/test_resume.py"),
    *("tests/cli/test_show.py", "tests/cli/test_submit.py", "tests/cli/test_top.py"),
    *("tests/cli/test_top_board.py", "tests/cli/test_wait.py", "tests/explaining"),
    "tests/results/test_report.py",
    # What observers of a client make of its events, by OpenTelemetry, whose version is the same.
    "tests/telemetry",
)
# They need Docker Engine, or the virtual environments of other clients.
OWN_SESSIONS = ("--ignore=tests/docker", "--ignore=tests/strangers")
IGNORED_ELSEWHERE = [f"--ignore={path}" for path in SAME_EVERYWHERE]
# What depends most on the versions of Python and botocore: values, AWS access, journal, contract.
QUICK_TESTS = (
    *("tests/values", "tests/aws", "tests/journal", "tests/test_public_api.py"),
    *("tests/polling/test_changes.py", "tests/polling/test_queues.py"),
    *("tests/polling/test_schedule.py", "tests/session/test_background.py", "tests/contract"),
)

nox.needs_version = ">=2025.11.12"
nox.options.default_venv_backend = "uv|virtualenv"
# With CI=true, nox fails if a Python version is missing, and uv downloads it.
nox.options.error_on_missing_interpreters = False
nox.options.download_python = "never"


def show_pyenv_pythons() -> None:
    """Make pyenv's shims find every supported Python version, not only the global one."""
    if "PYENV_VERSION" in os.environ or not shutil.which("pyenv"):
        return
    listing = subprocess.run(
        ["pyenv", "versions", "--bare"], capture_output=True, text=True, check=False
    ).stdout.split()
    newest = [newest_patch(minor, listing) for minor in PYTHONS]
    os.environ["PYENV_VERSION"] = ":".join(filter(None, newest))


def newest_patch(minor: str, versions: list[str]) -> str | None:
    """Return the newest patch release of a minor version, such as 3.12.10 for 3.12."""
    patches = [version for version in versions if version.startswith(f"{minor}.")]
    numbered = [version for version in patches if version.rpartition(".")[2].isdigit()]
    return max(numbered, key=lambda version: int(version.rpartition(".")[2]), default=None)


def groups(*names: str) -> tuple[str, ...]:
    """Return the requirements of the named dependency groups of pyproject.toml."""
    return nox.project.dependency_groups(PYPROJECT, *names)


def other_pythons() -> list[str]:
    """Return the installed Python versions that are supported, without the running one."""
    return [
        python
        for python in PYTHONS
        if python != RUNNING
        and shutil.which(f"python{python}")
        and subprocess.run([f"python{python}", "-c", ""], check=False).returncode == 0
    ]


show_pyenv_pythons()
OTHERS = other_pythons()
# All tests with the oldest aiobotocore on the Python that runs nox and with the newest aiobotocore
# on the newest Python; the quick tests on the versions in between. `nox -s tests` runs all
# combinations, `nox -s coverage` traces them, which takes half as long again.
nox.options.sessions = [
    *("plan", "side_by_side"),
    f"tests-{RUNNING}(aiobotocore='oldest')",
    f"tests-{(OTHERS or [RUNNING])[-1]}(aiobotocore='newest')",
]
# Most of these use one core, or wait for programs. Long ones first; `types` and the tests use more
# than one core, so they do not start together.
SIDE_BY_SIDE = (
    *("types", "bench_short"),
    *(f"tests_between-{python}" for python in OTHERS[:-1]),
    *("strangers_short", "docker", "docs", "demo", "chaos_short", "lint", "layers"),
)
# Tests and benchmark start dozens of interpreters. The first one that imports a module keeps it
# compiled; most installed modules are never imported.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
os.environ["UV_COMPILE_BYTECODE"] = "0"


@nox.session(venv_backend="none")
def plan(session: nox.Session) -> None:
    """Say how long the default sessions take, and which supported Pythons they leave out."""
    found = sorted({RUNNING, *OTHERS})
    session.log(f"the default sessions take about 15 minutes on 2 idle cores; Python {RUNNING}")
    left_out = [python for python in SUPPORTED if python not in found]
    for python in left_out:
        session.log(f"Python {python} is left out: there is no python{python} on the PATH")


@nox.session(venv_backend="none")
def side_by_side(session: nox.Session) -> None:
    """Run the short sessions, as many at a time as there are cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = [pool.submit(run_nox, name) for name in SIDE_BY_SIDE]
        for run in as_completed(runs):
            sys.stdout.write(f"\n{run.result().stdout}")  # each output as one block
            sys.stdout.flush()
    failed = [name for name, run in zip(SIDE_BY_SIDE, runs, strict=True) if run.result().returncode]
    if failed:
        session.error(f"failed: {', '.join(failed)}")


def run_nox(name: str) -> subprocess.CompletedProcess[str]:
    """Run one session in a nox of its own; return its exit code and output."""
    return subprocess.run(
        [sys.executable, "-m", "nox", "--session", name],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


@nox.session
def lint(session: nox.Session) -> None:
    """Check formatting and lint rules with ruff, and the pre-commit configuration."""
    session.install(*groups("lint"))
    session.run("ruff", "format", "--check", ".")
    session.run("ruff", "check", ".")
    session.run("pre-commit", "validate-config")


@nox.session
def types(session: nox.Session) -> None:
    """Check types with mypy and pyright, and that both reject known mistakes."""
    session.install(
        "-e", ".[luigi,cli,notebook,report,tui,otel]", *groups("test", "types", "bench"), "nox"
    )
    with ThreadPoolExecutor() as pool:  # each of them uses one core
        checks = [pool.submit(session.run, checker) for checker in ("mypy", "pyright")]
    for check in checks:
        check.result()
    session.run("python", "-m", "tests.typing.check_rejected")


@nox.session
def layers(session: nox.Session) -> None:
    """Check that imports follow the layers and form no cycles."""
    session.install("-e", ".[luigi,otel]", *groups("layers"))
    session.run("lint-imports", "--no-cache", "--no-logo")


@nox.session
def docs(session: nox.Session) -> None:
    """Build the documentation; a broken reference is an error."""
    session.install(".[luigi,cli,otel]", *groups("docs"))
    target = session.posargs or ["docs/_build/html"]
    session.run("sphinx-build", "-W", "-n", "--keep-going", "-q", "docs", *target)


@nox.session(python=PYTHONS)
@nox.parametrize("aiobotocore", ["oldest", "newest"])
def tests(session: nox.Session, aiobotocore: str) -> None:
    """Run the tests on one Python version with the oldest or newest aiobotocore."""
    install_for_tests(session, aiobotocore)
    elsewhere = session.python != RUNNING and not session.posargs
    ignored = [] if session.posargs else [*OWN_SESSIONS]
    ignored += IGNORED_ELSEWHERE if elsewhere else []
    run_tests(session, *ignored)


def run_tests(session: nox.Session, *arguments: str) -> None:
    """Run pytest in several processes; `-- ...` adds arguments."""
    if not session.posargs:
        # Compiles the tests and what they import; else each of the processes would do so.
        session.run("pytest", "--collect-only", "-qq", *arguments, silent=True)
    pytest = ("pytest", "--numprocesses", WORKERS, "--dist=worksteal", "--durations=15")
    session.run(*pytest, *arguments, *session.posargs)


def install_for_tests(session: nox.Session, aiobotocore: str) -> None:
    """Install the package, not the source tree, with one end of the range of dependencies."""
    pins = [*FLOORS, AIOBOTO3_AT_FLOOR] if aiobotocore == "oldest" else ["aiobotocore>=3.10"]
    session.install(".[luigi,cli,notebook,report,tui,otel]", *pins, *groups("test"))


@nox.session
def coverage(session: nox.Session) -> None:
    """Run the tests with the oldest aiobotocore and report branch coverage."""
    install_for_tests(session, "oldest")
    session.run("coverage", "erase")
    # Tracing takes time: the limit of a test is longer, so that it finds only tests that hang.
    pytest = ["pytest", "--numprocesses", WORKERS, "--timeout=180", *OWN_SESSIONS]
    session.run("coverage", "run", "-m", *pytest, *session.posargs)
    session.run("coverage", "combine", "--quiet")
    session.run("coverage", "report", "--skip-covered")


@nox.session(python=PYTHONS)
def tests_between(session: nox.Session) -> None:
    """Run the quick tests on one Python version."""
    session.install(".[luigi,cli,notebook,report,tui,otel]", *groups("test"))
    run_tests(session, *([] if session.posargs else [*QUICK_TESTS, *IGNORED_ELSEWHERE]))


@nox.session
def docker(session: nox.Session) -> None:
    """Run the tests against moto with real containers; needs Docker Engine and root."""
    session.install(".[luigi,cli,notebook,report,tui,otel]", *groups("test"))
    session.run("pytest", "tests/docker", *session.posargs)


@nox.session
def strangers(session: nox.Session) -> None:
    """Run AWS CLI, boto3, Luigi, aio-aws and redun in the local AWS Batch; two minutes."""
    install_for_strangers(session)
    session.run("pytest", "tests/strangers", *session.posargs)


@nox.session
def strangers_short(session: nox.Session) -> None:
    """Run only boto3 and luigi.contrib.batch in the local AWS Batch."""
    install_for_strangers(session)
    session.run("pytest", "tests/strangers", "-k", "boto3 or luigi")


def install_for_strangers(session: nox.Session) -> None:
    """Install the package, and uv, which creates the environments of the other clients."""
    session.install(".[cli]", *groups("test", "bench"))


@nox.session
def demo(session: nox.Session) -> None:
    """Run `asyncbatch demo`, installed as the README says."""
    session.install(".[cli]")
    session.run("asyncbatch", "demo")


@nox.session
def bench(session: nox.Session) -> None:
    """Benchmark asyncbatch and other clients; `-- --help` lists the options."""
    session.install(".[luigi]", *groups("bench"))
    session.run("python", "-m", "bench", *session.posargs)


@nox.session
def bench_short(session: nox.Session) -> None:
    """Check in one minute that the benchmark runs; too short for meaningful numbers."""
    session.install(".[luigi]", *groups("bench"))
    # Compiles what the contenders import; they do not keep what they compile.
    imports = "import asyncbatch_luigi.worker, bench.plot, bench.virtual"
    session.run("python", "-c", f"{imports}; from asyncbatch import preload; preload()")
    session.run("python", "-m", "bench", "--short")


@nox.session
def luigi_suite(session: nox.Session) -> None:
    """Run Luigi's tests with the one-process worker; `-- PATH` names a checkout of Luigi."""
    if not session.posargs:
        session.error("pass a checkout of Luigi's repository: nox -s luigi_suite -- PATH")
    checkout = session.posargs[0]
    tag = subprocess.run(
        ["git", "-C", checkout, "describe", "--tags", "--exact-match"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    version = [f"luigi=={tag.removeprefix('v')}"] if tag else []
    session.install(".[luigi]", *version, *groups("test"), "mock", "psutil")
    session.run("python", "-m", "tests.luigi_suite", checkout)


@nox.session
def chaos(session: nox.Session) -> None:
    """Run 200 chaos tests; `-- --seeds 17..17` replays one of them."""
    session.install(".")
    session.run("python", "-m", "tests.chaos", *session.posargs)


@nox.session
def chaos_short(session: nox.Session) -> None:
    """Run six chaos tests with fixed seeds, in less than a minute."""
    session.install(".")
    session.run("python", "-m", "tests.chaos", "--seeds", "1..6", "--jobs", "30")


@nox.session
def mutations(session: nox.Session) -> None:
    """Mutate 20,000 responses; `-- --seed 17 --rounds 1` replays one round."""
    session.install(".", *groups("test"))
    session.run("python", "-m", "tests.mutations", *session.posargs)
