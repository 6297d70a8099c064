"""`python -m tests.chaos`: many seeded runs, a tally, and how to replay what went wrong.

`--seeds A..B` chooses the runs, `--jobs N` how many jobs each has, `--keep DIRECTORY` where the
files of each run stay. The exit code is 0 if nothing was lost, doubled or hung.
"""

import argparse
import multiprocessing
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import partial
from pathlib import Path

from tests.chaos.forks import warm_up
from tests.chaos.runs import Outcome, run

# Troubles of one kind that are told for a run.
_TOLD = 3


def main(arguments: list[str] | None = None) -> int:
    """Run what the arguments say and return the exit code."""
    asked = _parser().parse_args(arguments)
    outcomes: list[Outcome] = []
    for outcome in _outcomes(asked):
        outcomes.append(outcome)
        for line in _troubles(outcome, asked):
            print(line, flush=True)
    print("\n".join(tally(outcomes, jobs=asked.jobs)))
    return 0 if all(outcome.is_good for outcome in outcomes) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=_seeds, default=range(1, 201), metavar="A..B")
    parser.add_argument("--jobs", type=int, default=100, help="jobs of each run")
    parser.add_argument("--kills", type=int, default=3, help="most kills of a run")
    parser.add_argument("--at-once", type=int, default=4, help="runs at the same time")
    parser.add_argument("--keep", type=Path, help="where the files of the runs stay")
    return parser


def _seeds(text: str) -> range:
    first, _, last = text.partition("..")
    return range(int(first), int(last or first) + 1)


def _outcomes(asked: argparse.Namespace) -> Iterator[Outcome]:
    warm_up()
    work = partial(run, jobs=asked.jobs, most_kills=asked.kills, keep=asked.keep)
    if len(asked.seeds) == 1:
        yield work(asked.seeds[0])
        return
    # Forked all at once, before this process has a thread: they fork the drivers in turn.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(asked.at_once, mp_context=context) as pool:
        for done in as_completed([pool.submit(work, seed) for seed in asked.seeds]):
            yield done.result()


def _troubles(outcome: Outcome, asked: argparse.Namespace) -> Iterator[str]:
    """Yield what went wrong in a run, and how to see it again."""
    if outcome.is_good:
        return
    found = outcome.verdict
    for kind in ("lost", "doubled", "wrong"):
        told = getattr(found, kind)
        for words in told[:_TOLD]:
            yield f"seed {outcome.seed}: {kind}: {words}"
        if len(told) > _TOLD:
            yield f"seed {outcome.seed}: {kind}: and {len(told) - _TOLD} more"
    for words in filter(None, (outcome.hung, outcome.crashed)):
        yield f"seed {outcome.seed}: {words}"
    replay = f"--seeds {outcome.seed}..{outcome.seed} --jobs {asked.jobs} --kills {asked.kills}"
    yield f"seed {outcome.seed}: replay with: nox -s chaos -- {replay} --keep chaos-runs"


def tally(outcomes: Iterable[Outcome], *, jobs: int) -> Iterator[str]:
    """Yield the lines of the table."""
    runs = list(outcomes)
    faults: Counter[str] = Counter()
    for outcome in runs:
        faults.update(outcome.faults)
    rows = {
        "runs": len(runs),
        "requests": len(runs) * jobs,
        "jobs received by AWS Batch": sum(outcome.jobs for outcome in runs),
        "drivers killed (SIGKILL)": sum(outcome.kills for outcome in runs),
        "drivers stopped (SIGTERM)": sum(outcome.stops for outcome in runs),
        "drivers run again after an error": sum(outcome.reruns for outcome in runs),
        "processes paused": sum(outcome.pauses for outcome in runs),
        "clock changes": sum(outcome.clock_jumps for outcome in runs),
        **{f"faults: {label}": count for label, count in sorted(faults.items())},
        "lost": sum(len(outcome.verdict.lost) for outcome in runs),
        "doubled": sum(len(outcome.verdict.doubled) for outcome in runs),
        "hung": sum(bool(outcome.hung) for outcome in runs),
        "crashed": sum(bool(outcome.crashed) for outcome in runs),
        "other violations": sum(len(outcome.verdict.wrong) for outcome in runs),
    }
    width = max(map(len, rows))
    for name, count in rows.items():
        yield f"{name:<{width}}  {count:>7,}"
    yield f"slowest run: {max(outcome.seconds for outcome in runs):.1f} s"


if __name__ == "__main__":
    sys.exit(main())
