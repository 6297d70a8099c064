"""`python -m tests.chaos`: many seeded runs, a table of totals, and how to replay failures.

`--seeds A..B` chooses the runs, `--jobs N` how many jobs each has, `--keep DIRECTORY` where the
files of each run stay. With `--recovery`, all runs have a recovery policy and jobs that fail, not
only every third one. The exit code is 0 if no job was lost or doubled, no run hung or crashed, and
no submission was left undecided that a look-up could have settled.
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

# Maximum number of problems of one kind that are printed for a run.
_MAX_PRINTED = 3


def main(arguments: list[str] | None = None) -> int:
    """Run the chosen seeds and return the exit code."""
    options = _parser().parse_args(arguments)
    outcomes: list[Outcome] = []
    for outcome in _outcomes(options):
        outcomes.append(outcome)
        for line in _problems(outcome, options):
            print(line, flush=True)
    print("\n".join(tally(outcomes, jobs=options.jobs)))
    return 0 if all(outcome.is_good for outcome in outcomes) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--seeds", type=_seeds, default=range(1, 201), metavar="A..B")
    parser.add_argument("--jobs", type=int, default=100, help="jobs of each run")
    parser.add_argument("--kills", type=int, default=3, help="maximum kills of a run")
    parser.add_argument("--recovery", action="store_true", help="use a policy in all runs")
    parser.add_argument("--at-once", type=int, default=4, help="runs at the same time")
    parser.add_argument("--keep", type=Path, help="where the files of the runs stay")
    return parser


def _seeds(text: str) -> range:
    first, _, last = text.partition("..")
    return range(int(first), int(last or first) + 1)


def _outcomes(options: argparse.Namespace) -> Iterator[Outcome]:
    warm_up()
    work = partial(
        run,
        jobs=options.jobs,
        most_kills=options.kills,
        recovers=options.recovery,
        keep=options.keep,
    )
    if len(options.seeds) == 1:
        yield work(options.seeds[0])
        return
    # All are forked before this process has a thread, because they fork the drivers themselves.
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(options.at_once, mp_context=context) as pool:
        for done in as_completed([pool.submit(work, seed) for seed in options.seeds]):
            yield done.result()


def _problems(outcome: Outcome, options: argparse.Namespace) -> Iterator[str]:
    """Yield the problems of a run, and how to replay it."""
    if outcome.is_good:
        return
    found = outcome.verdict
    for kind in ("lost", "doubled", "undecided", "wrong"):
        problems = getattr(found, kind)
        for problem in problems[:_MAX_PRINTED]:
            yield f"seed {outcome.seed}: {kind}: {problem}"
        if len(problems) > _MAX_PRINTED:
            yield f"seed {outcome.seed}: {kind}: and {len(problems) - _MAX_PRINTED} more"
    for problem in filter(None, (outcome.hung, outcome.crashed)):
        yield f"seed {outcome.seed}: {problem}"
    replay = f"--seeds {outcome.seed}..{outcome.seed} --jobs {options.jobs} --kills {options.kills}"
    replay += " --recovery" if options.recovery else ""
    yield f"seed {outcome.seed}: replay with: nox -s chaos -- {replay} --keep chaos-runs"


def tally(outcomes: Iterable[Outcome], *, jobs: int) -> Iterator[str]:
    """Yield the lines of the table of totals."""
    runs = list(outcomes)
    faults: Counter[str] = Counter()
    for outcome in runs:
        faults.update(outcome.faults)
    rows = {
        "runs": len(runs),
        "requests": len(runs) * jobs,
        "jobs received by AWS Batch": sum(outcome.jobs for outcome in runs),
        "submitted again after a failure": sum(outcome.resubmissions for outcome in runs),
        "drivers killed (SIGKILL)": sum(outcome.kills for outcome in runs),
        "... while the journal was being made": sum(outcome.journal_kills for outcome in runs),
        "drivers stopped (SIGTERM)": sum(outcome.stops for outcome in runs),
        "drivers run again after an error": sum(outcome.reruns for outcome in runs),
        "processes paused": sum(outcome.pauses for outcome in runs),
        "clock changes": sum(outcome.clock_jumps for outcome in runs),
        "submissions that were uncertain": sum(outcome.uncertain for outcome in runs),
        **{f"faults: {label}": count for label, count in sorted(faults.items())},
        "lost": sum(len(outcome.verdict.lost) for outcome in runs),
        "doubled": sum(len(outcome.verdict.doubled) for outcome in runs),
        "uncertain, but decidable": sum(len(outcome.verdict.undecided) for outcome in runs),
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
