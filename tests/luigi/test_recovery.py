"""`job_recovery`: a task whose job is submitted again stays one run of the task."""

import logging

import pytest

from asyncbatch import InvalidRequest, JobRequest, RecoveryPolicy
from asyncbatch_luigi import BatchTask
from asyncbatch_luigi._request import build_request, plan_run
from asyncbatch_luigi.config import asyncbatch
from tests.luigi.support import Aws, make
from tests.luigi.workers import Marked, Workers


class Reclaimed(Marked):
    job_definition = "reclaimed"
    job_recovery = RecoveryPolicy.for_spot(delay=0)


class Configured(BatchTask):
    job_definition = "etl"


def request_of(task: BatchTask, job_recovery: str | None = None) -> JobRequest:
    return build_request(task, make(asyncbatch, job_recovery=job_recovery))


def test_task_whose_job_is_reclaimed_twice_succeeds(
    workers: Workers, aws: Aws, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "luigi-interface")
    result = workers.run(Reclaimed())
    assert result.scheduling_succeeded
    assert result.status.name == "SUCCESS"
    assert aws.statuses() == ["FAILED", "FAILED", "SUCCEEDED"]
    assert "is submission 3: SUCCEEDED" in caplog.text


def test_short_forms_and_the_configuration_give_a_policy() -> None:
    class Own(Configured):
        job_recovery = "memory:x2,max=64000"

    short = "spot:3,fallback=on-demand"
    assert request_of(make(Configured)).recovery is None
    assert request_of(make(Configured), short).recovery == RecoveryPolicy.from_text(short)
    assert request_of(make(Own), short).recovery == RecoveryPolicy.more_memory(max_memory_mib=64000)


def test_a_wrong_short_form_names_the_attribute(aws: Aws) -> None:
    class Wrong(Configured):
        job_recovery = "spot"

    with pytest.raises(InvalidRequest, match="job_recovery='spot'"):
        make(Wrong).run()


def test_a_rerun_searches_the_queues_to_which_a_policy_may_submit() -> None:
    class Spot(Configured):
        job_queue = "spot"
        job_recovery = "spot:3,fallback=on-demand"

    task, settings = make(Spot), make(asyncbatch)
    plan = plan_run(task, build_request(task, settings), settings)
    assert plan.fallback_queues == ("on-demand",)
