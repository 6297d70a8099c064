"""Intervals and delays stay within their bounds for any settings."""

import math
import random

from hypothesis import given
from hypothesis import strategies as st

from asyncbatch import PollPolicy
from asyncbatch._values.policies import Backoff

ROUNDING = 1e-9
seconds = st.floats(0.001, 1e6)
ages = st.floats(0, 1e9)
seeds = st.integers(0, 2**32).map(random.Random)


@st.composite
def policies(draw: st.DrawFn) -> PollPolicy:
    least, most = sorted((draw(seconds), draw(seconds)))
    return PollPolicy(
        min_interval=least,
        max_interval=most,
        growth=draw(st.floats(0, 100)),
        jitter=draw(st.floats(0, 1)),
    )


@given(policies(), ages, seeds)
def test_polling_interval_is_within_its_bounds(
    policy: PollPolicy, age: float, rng: random.Random
) -> None:
    interval = policy.interval(age, rng)
    spread = policy.jitter / 2
    assert interval >= policy.min_interval * (1 - spread) * (1 - ROUNDING)
    assert interval <= policy.max_interval * (1 + spread) * (1 + ROUNDING)
    assert 0 < interval < math.inf


@given(policies(), ages, ages, st.integers(0, 2**32))
def test_polling_interval_never_shrinks_with_age(
    policy: PollPolicy, one: float, other: float, seed: int
) -> None:
    younger, older = sorted((one, other))
    soon = policy.interval(younger, random.Random(seed))
    late = policy.interval(older, random.Random(seed))
    assert soon <= late


@given(st.integers(1, 10**9), seeds)
def test_backoff_is_within_its_bounds(tries: int, rng: random.Random) -> None:
    backoff = Backoff()
    longest = backoff.most if tries > 60 else min(backoff.first * 2.0 ** (tries - 1), backoff.most)
    assert longest / 2 <= backoff.delay(tries, rng) <= longest
