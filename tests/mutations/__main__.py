"""`python -m tests.mutations`: rounds until enough responses were mutated, and a table of totals.

`--answers N` chooses how many, `--seed S` where the seeds of the rounds begin, `--rounds N` plays
that many rounds instead. The exit code is 0 if nothing was crashed, harmed, doubled or hung.
"""

import argparse
import itertools
import sys
from collections.abc import Iterator

from tests.mutations.rounds import OPERATIONS, Outcome, play


def main(arguments: list[str] | None = None) -> int:
    """Play rounds and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutations", description=__doc__)
    parser.add_argument("--answers", type=int, default=20_000, help="mutated responses")
    parser.add_argument("--seed", type=int, default=1, help="seed of the first round")
    parser.add_argument("--rounds", type=int, help="rounds to play instead")
    options = parser.parse_args(arguments)
    outcomes: list[Outcome] = []
    for seed in itertools.count(options.seed):
        outcome = play(seed)
        outcomes.append(outcome)
        for problem in outcome.problems:
            print(f"round {seed}: {problem[:1_000]}", flush=True)
        mutated = sum(each.mutated.total() for each in outcomes)
        if len(outcomes) == options.rounds or (not options.rounds and mutated >= options.answers):
            break
    print("\n".join(tally(outcomes)))
    return 1 if any(outcome.problems for outcome in outcomes) else 0


def tally(outcomes: list[Outcome]) -> Iterator[str]:
    """Yield the lines of the table of totals."""
    yield f"{'':24}{'responses':>12}{'mutated':>12}"
    for operation in OPERATIONS:
        answers = sum(outcome.answers[operation] for outcome in outcomes)
        mutated = sum(outcome.mutated[operation] for outcome in outcomes)
        yield f"{operation:24}{answers:>12,}{mutated:>12,}"
    answers = sum(outcome.answers.total() for outcome in outcomes)
    mutated = sum(outcome.mutated.total() for outcome in outcomes)
    yield f"{'together':24}{answers:>12,}{mutated:>12,}"
    yield f"{'rounds':24}{len(outcomes):>12,}"
    for label, kind in {
        "clients crashed": "crashed",
        "neighbours harmed": "harmed",
        "submissions doubled": "doubled",
        "other exceptions": "foreign",
        "hung": "hung",
    }.items():
        yield f"{label:24}{sum(len(getattr(outcome, kind)) for outcome in outcomes):>12,}"


if __name__ == "__main__":
    sys.exit(main())
