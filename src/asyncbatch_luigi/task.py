"""`BatchTask`: a Luigi task that runs as an AWS Batch job."""

import difflib
import warnings
import weakref
from collections.abc import Coroutine, Iterator, Mapping
from typing import Any

import luigi

from asyncbatch import AsyncBatchClient, InvalidRequest, Job, JobRequest, JobResult
from asyncbatch_luigi import _bridge
from asyncbatch_luigi._job_run import JobRun
from asyncbatch_luigi._request import build_request, plan_run
from asyncbatch_luigi._scheduler_reports import SchedulerReports
from asyncbatch_luigi.config import POLL_TIME, asyncbatch, new_client, poll_policy, settings_of

# The fields of a request that a task's author knows by other names than ``job_`` and the field's.
_SAME_WORDS = (
    "job_definition",
    "parameters",
    "poll_time",
    "on_interrupt",
    "children",
    "wants_results",
)

# How near a name must come to an attribute's to be taken for it; ``job_date`` is none of ours.
_SIMILARITY = 0.8

_params: "weakref.WeakKeyDictionary[type, tuple[tuple[int, ...], list[tuple[str, Any]]]]" = (
    weakref.WeakKeyDictionary()
)


class BatchTask(luigi.Task):
    """A task that submits an AWS Batch job and is done when the job has SUCCEEDED.

    It takes the place of ``luigi.contrib.batch.BatchTask``. Subclass it, override `parameters` if
    the job definition has ``Ref::`` placeholders, and give it an `output` or a `complete`.

    The first four attributes are Luigi parameters. Each attribute may be a plain value, a property,
    or a Luigi parameter in a subclass; give the latter ``significant=False`` if it says how and not
    what is done. None, or nothing, leaves it to the job definition.

    Attributes:
        job_definition: ``name``, ``name:revision`` or ARN of a job definition.
        job_name: Job name; None generates one from the task's id.
        job_queue: Name or ARN of a job queue; None takes the configured one, or else the only one
            that is ENABLED and VALID.
        poll_time: Most seconds between two looks at the job. In its first minutes it is looked at
            more often, and 0 looks as often as AWS allows.
        job_command: Command of the container, one argument each.
        job_environment: Environment variables, by name; values become text.
        job_vcpus: vCPUs for the container.
        job_memory_mib: Memory limit in MiB.
        job_gpus: GPUs for the container.
        job_array_size: 2 to 10,000 children; see `BatchArrayTask`.
        job_depends_on: Ids of AWS Batch jobs that must succeed first, or `asyncbatch.Dependency`
            values.
        job_retry: An `asyncbatch.RetryStrategy`, a number of attempts, or ``spot:3`` for three
            attempts after what Spot and hosts break.
        job_attempt_timeout: Time that one attempt may take: a timedelta or seconds, 60 or more.
        job_share_identifier: Share of a queue with a fair-share policy.
        job_scheduling_priority: 0 to 9,999 within the share.
        job_tags: Tags, beside those with the task's family and id.
        job_propagate_tags: Whether AWS copies the tags to the ECS task.
        job_extra: Further members of SubmitJob in AWS's own spelling.
        stream_logs: Whether the job's log is written to Luigi's log as it comes; None leaves it to
            the configuration.
        on_interrupt: ``leave`` or ``terminate``: what becomes of the job when the run is
            interrupted; None leaves it to the configuration.
        follow_live_job: Whether a run follows the live job of an earlier run of this very task,
            instead of submitting a second; None leaves it to the configuration.
        job_result: How the job ended, for what comes after ``super().run()``; None until then.

    Example:
        ```python
        class Etl(BatchTask):
            job_definition = "etl"
            job_memory_mib = 4096
            job_retry = "spot:3"
            date = luigi.DateParameter()

            @property
            def parameters(self):
                return {"date": self.date}
        ```
    """

    # Any, since subclasses put a plain value, a property or another parameter in their place.
    job_definition: Any = luigi.Parameter()
    job_name: Any = luigi.OptionalParameter(default=None)
    job_queue: Any = luigi.OptionalParameter(default=None)
    poll_time: Any = luigi.IntParameter(default=POLL_TIME)

    # No parameters: each would cost every task time, and they would be options of every command.
    job_command: Any = None
    job_environment: Any = None
    job_vcpus: Any = None
    job_memory_mib: Any = None
    job_gpus: Any = None
    job_array_size: Any = None
    job_depends_on: Any = ()
    job_retry: Any = None
    job_attempt_timeout: Any = None
    job_share_identifier: Any = None
    job_scheduling_priority: Any = None
    job_tags: Any = None
    job_propagate_tags: Any = None
    job_extra: Any = None

    stream_logs: Any = None
    on_interrupt: Any = None
    follow_live_job: Any = None

    job_result: JobResult | None = None

    def __init_subclass__(cls, **options: object) -> None:
        """Warn of attributes that seem to be misspelt, since nothing else would ever read them."""
        super().__init_subclass__(**options)
        for name, meant in _misspelt(cls):
            warnings.warn(
                f"{cls.__module__}.{cls.__qualname__}.{name} is no attribute of a BatchTask;"
                f" did you mean {meant}?",
                stacklevel=4,  # past this method and two metaclasses: where the class is written
            )

    def __init__(self, *args: object, **kwargs: object) -> None:
        """Take the parameters' values, as every Luigi task does."""
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call] # as Luigi declares it
        _bridge.expect_tasks()

    @classmethod
    def get_params(cls) -> list[tuple[str, Any]]:
        """Return the Luigi parameters of this class, looked for once.

        Luigi asks ten times for each task, and goes through all attributes of the class each time.
        """
        # An attribute that is put into a class later, as `luigi.util.inherits` does, is found.
        sizes = tuple([len(vars(each)) for each in cls.__mro__])
        known_sizes, params = _params.get(cls, (None, []))
        if sizes != known_sizes:
            params = super().get_params()  # type: ignore[no-untyped-call] # Luigi's
            _params[cls] = (sizes, params)
        return list(params)

    @property
    def parameters(self) -> Mapping[str, object]:
        """Values for the job definition's ``Ref::`` placeholders; what is no text becomes text."""
        return {}

    def run(self) -> None:
        """Submit the job and wait for its end; or follow it, if it runs already.

        Ctrl-C and SIGTERM end the waiting. The job goes on then, unless `on_interrupt` says
        otherwise, and the next run follows it.

        Raises:
            BatchJobException: The job FAILED.
            InvalidRequest: A value breaks a rule, or no single job queue can be the default.
            JobQueueNotFound: There is no such job queue.
            JobDefinitionNotFound: There is no such job definition.
            AsyncBatchError: AWS refused, could not be reached, or does not know the job any more.
        """
        _bridge.run_with_client(self._run_on, lambda: new_client(poll_policy(self.poll_time)))

    def _run_on(self, batch: AsyncBatchClient) -> Coroutine[Any, Any, None]:
        """Do what `run` does, but on a loop and a client that somebody else has.

        What the task says about its job is read at once, in the thread of the caller; the coroutine
        then runs where the client is open.

        Raises:
            InvalidRequest: A value breaks a rule.
        """
        settings = settings_of(batch)
        try:
            plan = plan_run(self, self._request(settings), settings)
        except InvalidRequest as error:
            raise self._reworded(error) from None
        reports = SchedulerReports(
            tracking_url=self.set_tracking_url,
            status_message=self.set_status_message,
            progress=self.set_progress_percentage,
        )
        return self._carry_out(JobRun(batch, plan, reports, at_end=self._at_end))

    async def _carry_out(self, job: JobRun) -> None:
        self.job_result = None
        try:
            await job.run()
        except InvalidRequest as error:
            raise self._reworded(error) from None
        finally:
            self.job_result = job.result

    def _request(self, settings: asyncbatch) -> JobRequest:
        return build_request(self, settings)

    async def _at_end(self, job: Job) -> None:
        """Do what is left to do while the client is open."""

    def _reworded(self, error: InvalidRequest) -> InvalidRequest:
        """Return the same error with the field called as it is in a task."""
        if error.field == "SubmitJob" and self.job_extra:
            # The SDK refused it, which looks only at what nobody has looked at before.
            return InvalidRequest("job_extra", self.job_extra, error.rule)
        name = error.field.partition("[")[0]
        field = error.field if name in _SAME_WORDS else f"job_{error.field}"
        return InvalidRequest(field, error.value, error.rule)


def _misspelt(task: type[BatchTask]) -> Iterator[tuple[str, str]]:
    """Yield what a class says under a name that hardly differs from an attribute's, and the latter.

    Methods and Luigi parameters are left out, and so is whatever merely begins with ``job_``: they
    may be anybody's.
    """
    known = [name for name in vars(BatchTask) if name.startswith("job_")]
    for name, value in vars(task).items():
        is_own = hasattr(BatchTask, name) or callable(value) or isinstance(value, luigi.Parameter)
        if name.startswith("job_") and not is_own:
            for meant in difflib.get_close_matches(name, known, n=1, cutoff=_SIMILARITY):
                yield name, meant
