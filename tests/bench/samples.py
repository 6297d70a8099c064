"""Sample measurements."""

from dataclasses import replace
from typing import Any

from bench.measure import Measurement

PLAIN = Measurement(
    workload="short",
    contender="asyncbatch",
    jobs=1_000,
    error=None,
    wall_s=38.0,
    cpu_s=2.0,
    held_cpu_s=None,
    memory_mb=60.0,
    calls={"SubmitJob": 1_000, "DescribeJobs": 90, "ListJobs": 10},
    throttled=0,
    submit_s=20.5,
    delay_p50_s=0.7,
    delay_p95_s=1.4,
    lost=0,
    doubled=0,
    seen=None,
    virtual=False,
)


def measured(**fields: Any) -> Measurement:  # noqa: ANN401 (any field's type)
    """Return a measurement that differs from the plain one in some fields."""
    return replace(PLAIN, **fields)
