"""What the project wants to reach is told for what was measured, and for nothing else."""

from asyncbatch import PollPolicy
from bench.thresholds import thresholds
from tests.bench.samples import measured


def test_nothing_measured_tells_nothing() -> None:
    assert list(thresholds([])) == []


def test_other_sizes_tell_nothing() -> None:
    assert list(thresholds([measured(jobs=100)])) == []


def test_numbers_at_their_limits_reach_them() -> None:
    ours = measured(cpu_s=6.0, submit_s=21.0, news_p50_s=1.0, memory_mb=70.0)
    floor = measured(contender="floor", cpu_s=10.0)
    checks = list(thresholds([ours, floor]))
    assert len(checks) == 8
    assert all(check.reached for check in checks)


def test_numbers_above_their_limits_miss_them() -> None:
    ours = measured(error="exit code 1", lost=1, doubled=1, cpu_s=6.1, submit_s=21.1)
    slow = measured(
        error="exit code 1",
        lost=1,
        doubled=1,
        cpu_s=6.1,
        submit_s=21.1,
        calls={"DescribeJobs": 151},
        news_p50_s=1.1,
        memory_mb=71.0,
    )
    floor = measured(contender="floor", cpu_s=10.0)
    assert not any(check.reached for check in thresholds([slow, floor]))
    assert any(check.reached for check in thresholds([ours, floor]))


def test_without_the_floor_its_share_is_unknown_and_not_reached() -> None:
    missing = [check for check in thresholds([measured()]) if check.value is None]
    assert [(check.unit, check.reached) for check in missing] == [("%", False)]


def test_an_array_may_be_asked_about_once_a_poll() -> None:
    fields = {"workload": "array", "jobs": 10_000, "wall_s": 20.0}
    polls = int(20 / PollPolicy().min_interval)
    once = measured(**fields, calls={"SubmitJob": 1, "DescribeJobs": polls})
    twice = measured(**fields, calls={"SubmitJob": 1, "DescribeJobs": polls, "ListJobs": polls})
    assert [check.reached for check in thresholds([once])] == [True, True]
    assert [check.reached for check in thresholds([twice])] == [True, False]


def test_every_workload_of_the_project_has_its_thresholds() -> None:
    others = [
        measured(workload="medium", jobs=10_000, wall_s=500.0),
        measured(workload="live100k", jobs=100_000),
        measured(workload="idle", jobs=10_000, held_cpu_s=20.0),
    ]
    assert [check.workload for check in thresholds(others)] == [
        *["10,000 jobs of 1-5 min"] * 5,
        "100,000 live jobs",
        "10,000 jobs RUNNABLE for an hour",
    ]
