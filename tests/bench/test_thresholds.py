"""Performance targets are evaluated for what was measured."""

from asyncbatch import PollPolicy
from bench.measure import Measurement
from bench.thresholds import thresholds
from tests.bench.samples import measured


def test_no_measurements_have_no_thresholds() -> None:
    assert list(thresholds([])) == []


def test_other_sizes_have_no_thresholds() -> None:
    assert list(thresholds([measured(jobs=100)])) == []


def test_values_at_their_limits_are_reached() -> None:
    ours = measured(cpu_s=6.0, submit_s=21.0, delay_p50_s=1.0, memory_mb=70.0)
    floor = measured(contender="floor", cpu_s=10.0)
    checks = list(thresholds([ours, floor]))
    assert len(checks) == 8
    assert all(check.reached for check in checks)


def test_values_above_their_limits_are_missed() -> None:
    ours = measured(error="exit code 1", lost=1, doubled=1, cpu_s=6.1, submit_s=21.1)
    slow = measured(
        error="exit code 1",
        lost=1,
        doubled=1,
        cpu_s=6.1,
        submit_s=21.1,
        calls={"DescribeJobs": 151},
        delay_p50_s=1.1,
        memory_mb=71.0,
    )
    floor = measured(contender="floor", cpu_s=10.0)
    assert not any(check.reached for check in thresholds([slow, floor]))
    assert any(check.reached for check in thresholds([ours, floor]))


def test_share_of_a_missing_floor_is_not_reached() -> None:
    missing = [check for check in thresholds([measured()]) if check.value is None]
    assert [(check.unit, check.reached) for check in missing] == [("%", False)]


def test_array_takes_one_status_call_per_poll() -> None:
    fields = {"workload": "array", "jobs": 10_000, "wall_s": 20.0}
    polls = int(20 / PollPolicy().min_interval)
    once = measured(**fields, calls={"SubmitJob": 1, "DescribeJobs": polls})
    twice = measured(**fields, calls={"SubmitJob": 1, "DescribeJobs": polls, "ListJobs": polls})
    assert [check.reached for check in thresholds([once])] == [True, True]
    assert [check.reached for check in thresholds([twice])] == [True, False]


def test_each_workload_has_its_thresholds() -> None:
    others = [
        measured(workload="medium", jobs=10_000, wall_s=500.0),
        measured(workload="live100k", jobs=100_000),
        measured(workload="idle", jobs=10_000, held_cpu_s=20.0),
        measured(workload="journal"),
        measured(workload="journal", contender="asyncbatch, journal"),
        measured(
            workload="resume100k",
            contender="asyncbatch, journal",
            jobs=100_000,
            first_status_s=3.0,
            own_mb=400.0,
        ),
    ]
    assert [check.workload for check in thresholds(others)] == [
        *["10,000 jobs of 1-5 min"] * 5,
        "100,000 live jobs",
        "1,000 jobs with a journal",
        *["100,000 jobs resumed from a journal"] * 2,
        "10,000 jobs RUNNABLE for an hour",
    ]


def test_luigi_tasks_are_compared_with_contrib_batch() -> None:
    def tasks(contender: str, **fields: float) -> Measurement:
        return measured(workload="luigi", contender=contender, **fields)

    theirs = tasks("luigi.contrib.batch", cpu_s=200.0)
    good = tasks("asyncbatch_luigi", cpu_s=20.0, wall_s=45.5, memory_mb=150.0)
    bad = tasks("asyncbatch_luigi", cpu_s=20.1, wall_s=45.6, memory_mb=151.0, lost=1, doubled=1)
    assert [check.reached for check in thresholds([good, theirs])] == [True] * 5
    assert [check.reached for check in thresholds([bad, theirs])] == [False] * 5
    assert [check.reached for check in thresholds([good])] == [True] * 4 + [False]


def test_one_luigi_task_is_not_slower_than_contrib_batch() -> None:
    theirs = measured(workload="luigi-one", contender="luigi.contrib.batch", jobs=1, wall_s=20.0)
    for wall, reached in ((20.0, True), (20.1, False)):
        ours = measured(workload="luigi-one", contender="asyncbatch_luigi", jobs=1, wall_s=wall)
        assert [check.reached for check in thresholds([ours, theirs])] == [reached]


def test_many_luigi_tasks_have_limits_of_time_and_memory() -> None:
    for workload, jobs, wall, memory in (
        ("luigi-open", 2_000, 15.0, 130.0),
        ("luigi-sleep", 10_000, 10.0, 250.0),
    ):
        ours = measured(
            workload=workload,
            contender="asyncbatch_luigi",
            jobs=jobs,
            wall_s=wall,
            memory_mb=memory,
        )
        assert [check.reached for check in thresholds([ours])] == [True] * 3
