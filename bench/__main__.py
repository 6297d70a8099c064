"""`python -m bench`: runs the workloads, prints tables and writes the measurements."""

import argparse
import dataclasses
import json
import shutil
import signal
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from bench.comparison import scale, table
from bench.environments import compile_environment
from bench.measure import Measurement, least_disturbed
from bench.plot import draw
from bench.report import report
from bench.runs import ROOT, run
from bench.workloads import ALL_CONTENDERS, Workload, brief, full

_NAMES = (
    *("short", "medium", "array", "idle", "live100k"),
    *("logs1000", "log200k", "journal", "resume100k"),
    *("luigi-one", "luigi", "luigi-open", "luigi-sleep"),
)
_TABLES, _DATA, _PICTURE, _COMPARISON, _SCALE = _FILES = (
    *("bench-tables.txt", "bench.json", "bench.svg"),
    *("bench-comparison.txt", "bench-scale.txt"),
)
_PUBLISHED = ROOT / "docs" / "_static"


def main() -> None:
    """Run the workloads that the command line selects."""
    # The contender runs in its own session, so a signal does not reach it: Ctrl-C and SIGTERM raise
    # KeyboardInterrupt here, and the cleanup ends it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = _options()
    workloads = list(_chosen(options))
    options.output.mkdir(parents=True, exist_ok=True)
    if not options.short:
        compile_environment()
    measurements: list[Measurement] = []
    for workload in workloads:
        print(workload.title, flush=True)
        before = list(measurements)
        for runs in _rounds(workload, options.rounds):
            measurements = [*before, *(least_disturbed(each) for each in runs if each)]
            _write(options.output, workloads, measurements)
    print()
    print((options.output / _TABLES).read_text(encoding="utf-8"))
    if options.publish:
        for file in filter(Path.exists, map(options.output.joinpath, _FILES)):
            shutil.copy(file, _PUBLISHED)


def _rounds(workload: Workload, rounds: int) -> Iterator[list[list[Measurement]]]:
    """Run the contenders alternately; after each run, yield all runs so far by contender."""
    runs: list[list[Measurement]] = [[] for _ in workload.contenders]
    for _ in range(rounds):
        for contender, mine in zip(workload.contenders, runs, strict=True):
            mine.append(run(workload, contender))
            print(f"  {_line(mine[-1])}", flush=True)
            yield runs


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--short", action="store_true", help="run small workloads, for one minute")
    parser.add_argument(
        "--workload", action="append", choices=_NAMES, help="run only this workload"
    )
    parser.add_argument(
        "--contender", action="append", choices=ALL_CONTENDERS, help="run only this one"
    )
    parser.add_argument("--jobs", action="append", type=int, help="run only workloads of this size")
    parser.add_argument(
        "--rounds", type=int, default=1, help="runs of each; the least disturbed is reported"
    )
    parser.add_argument("--patient", action="store_true", help="run peers with 10,000 jobs as well")
    parser.add_argument("--real", action="store_true", help="run medium jobs in real time")
    parser.add_argument("--publish", action="store_true", help="copy the results to docs/")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench")
    return parser.parse_args()


def _chosen(options: argparse.Namespace) -> Iterable[Workload]:
    every = brief() if options.short else full(patient=options.patient, real=options.real)
    for workload in every:
        if options.workload and workload.name not in options.workload:
            continue
        if options.jobs and workload.jobs not in options.jobs:
            continue
        selected = [
            each
            for each in workload.contenders
            if not options.contender or each in options.contender
        ]
        yield dataclasses.replace(workload, contenders=tuple(selected))


def _write(
    folder: Path, workloads: Sequence[Workload], measurements: Sequence[Measurement]
) -> None:
    """Write the measurements so far, so that they exist if a long run is stopped."""
    done = {(each.workload, each.jobs) for each in measurements}
    shown = [each for each in workloads if (each.name, each.jobs) in done]
    (folder / _TABLES).write_text(report(shown, measurements), encoding="utf-8")
    data = [dataclasses.asdict(each) for each in measurements]
    (folder / _DATA).write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    draw(measurements, folder / _PICTURE)
    (folder / _COMPARISON).write_text(table(measurements), encoding="utf-8")
    (folder / _SCALE).write_text(scale(measurements), encoding="utf-8")


def _line(each: Measurement) -> str:
    state = each.error or "done"
    return f"{each.contender:<20} {state}: {each.wall_s:,.1f} s, {each.cpu_s:.1f} CPU s"


if __name__ == "__main__":
    main()
