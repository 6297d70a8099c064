"""Strategies for what a caller may ask for, sensible or not."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st

from asyncbatch import Dependency, DependencyType, EvaluateOnExit, RetryAction, RetryStrategy

LETTERS = "abcXYZ019-_"
words = st.text(st.characters(codec="utf-8"), max_size=8)
names = st.text(LETTERS, min_size=1, max_size=8).map(lambda name: f"a{name}")
job_ids = names.map(lambda name: f"job-{name}")
patterns = st.none() | names

retry_rules = st.builds(
    EvaluateOnExit,
    action=st.sampled_from(RetryAction),
    on_status_reason=names,
    on_reason=patterns,
    on_exit_code=patterns,
)
retry_strategies = st.builds(
    RetryStrategy,
    attempts=st.integers(1, 10),
    evaluate_on_exit=st.lists(retry_rules, max_size=5).map(tuple),
)
dependencies = st.builds(Dependency, job_ids, st.sampled_from(DependencyType))

# Each value is one that AWS takes, alone and with the others.
sensible: dict[str, st.SearchStrategy[Any]] = {
    "queue": names,
    "name": names,
    "parameters": st.dictionaries(names, words | st.integers()),
    "command": st.lists(words.filter(bool), max_size=4),
    "environment": st.dictionaries(names, words | st.floats(allow_nan=False)),
    "vcpus": st.integers(1, 4 * 448).map(lambda quarters: quarters / 4),
    "memory_mib": st.integers(4, 10**7),
    "gpus": st.integers(1, 16),
    "array_size": st.integers(2, 10_000),
    "depends_on": st.lists(job_ids, max_size=20),
    "retry": st.integers(1, 10) | retry_strategies,
    "attempt_timeout": st.integers(60, 10**7).map(lambda n: timedelta(seconds=n)),
    "tags": st.dictionaries(names, words, max_size=5),
    "propagate_tags": st.booleans(),
    "share_identifier": st.text("abc019", min_size=1, max_size=8),
    "scheduling_priority": st.integers(0, 9999),
    "key": names,
}
sensible_fields = st.fixed_dictionaries({}, optional=sensible)

# Values of the right type, but with no regard to any limit.
wild: dict[str, st.SearchStrategy[Any]] = {
    **sensible,
    "queue": words,
    "name": words | st.text(LETTERS, max_size=140),
    "parameters": st.dictionaries(words, words | st.just("x" * 10_000)),
    "command": st.lists(words | st.just("x" * 20_000), max_size=4),
    "environment": st.dictionaries(words | st.just("AWS_BATCH_X"), words),
    "vcpus": st.floats(),
    "memory_mib": st.integers(),
    "gpus": st.integers(),
    "array_size": st.integers(),
    "depends_on": st.lists(words | dependencies, max_size=22),
    "retry": st.integers() | retry_strategies,
    "attempt_timeout": st.timedeltas(),
    "tags": st.dictionaries(words, words | st.just("x" * 257)),
    "share_identifier": words,
    "scheduling_priority": st.integers(),
    "key": words,
}
wild_fields = st.fixed_dictionaries({}, optional=wild)
