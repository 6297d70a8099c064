"""`BatchTask`: a Luigi task that runs as an AWS Batch job."""

import difflib
import inspect
import warnings
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from typing import Any

import luigi

from asyncbatch import AsyncBatchClient, AsyncBatchError, InvalidRequest, Job, JobRequest, JobResult
from asyncbatch_luigi import _bridge
from asyncbatch_luigi._errors import with_last_lines
from asyncbatch_luigi._job_run import JobRun
from asyncbatch_luigi._parameter_cache import ParameterCache, Parameters, Values
from asyncbatch_luigi._request import build_request, plan_run
from asyncbatch_luigi._scheduler_reports import SchedulerReports
from asyncbatch_luigi._tracebacks import trim
from asyncbatch_luigi.config import POLL_TIME, asyncbatch, new_client, poll_policy, settings_of

# Fields whose attribute in a task has the same name. For all others it is ``job_`` and the name.
_SAME_NAMES = (
    "job_definition",
    "parameters",
    "poll_time",
    "on_interrupt",
    "children",
    "wants_results",
)

# Similarity from which on a name is taken for a misspelt attribute; ``job_date`` must stay below.
_SIMILARITY = 0.8

_parameters = ParameterCache()


class BatchTask(luigi.Task):
    """A task that runs an AWS Batch job, and is done when the job has SUCCEEDED.

    A replacement for ``luigi.contrib.batch.BatchTask``. Subclass it, override `parameters` if the
    job definition has ``Ref::`` placeholders, and define `output` or `complete`.

    The first four attributes are Luigi parameters. In a subclass, each attribute may be a plain
    value, a property, or a Luigi parameter; declare the parameter ``significant=False`` if it does
    not affect the result. If an attribute is None or empty, the job definition decides.

    Attributes:
        job_definition: ``name``, ``name:revision`` or ARN of a job definition.
        job_name: Job name; None generates one from the task's id.
        job_queue: Name or ARN of a job queue; None takes the configured one, or else the first one
            that AWS lists and that is ENABLED and VALID, with a warning if there are several; see
            ``when_no_queue`` in the configuration.
        poll_time: Maximum polling interval in seconds. In the first minutes of a job the interval
            is shorter; 0 polls as often as AWS allows.
        job_command: Command of the container, as a list of arguments.
        job_environment: Environment variables by name; values are converted to text.
        job_vcpus: vCPUs for the container.
        job_memory_mib: Memory limit in MiB.
        job_gpus: GPUs for the container.
        job_array_size: 2 to 10,000 children; see `BatchArrayTask`.
        job_depends_on: Ids of AWS Batch jobs that must succeed first, or `asyncbatch.Dependency`
            values.
        job_retry: An `asyncbatch.RetryStrategy`, a number of attempts, or ``spot:3`` for up to
            three attempts if Spot or a host interrupts the job.
        job_recovery: How the job is submitted again when it FAILED: an `asyncbatch.RecoveryPolicy`,
            or a short form such as ``spot:3,fallback=on-demand`` or ``memory:x2,max=64000``. To
            Luigi it stays one run of the task. None uses the configuration.
        job_attempt_timeout: Maximum duration of one attempt: a timedelta or seconds, 60 or more.
        job_share_identifier: Share of a queue with a fair-share policy.
        job_scheduling_priority: 0 to 9,999 within the share.
        job_tags: Tags, in addition to those with the task's family and id.
        job_propagate_tags: Whether AWS copies the tags to the ECS task.
        job_consumable_resources: Quantities by name or ARN of a consumable resource.
        job_instance_type: EC2 instance type of a multi-node job.
        job_node_overrides: ``nodeOverrides`` of a multi-node job, in AWS's spelling.
        job_ecs_properties_override: ``ecsPropertiesOverride`` of a job with several containers, in
            AWS's spelling.
        job_eks_properties_override: ``eksPropertiesOverride`` of a job on Amazon EKS, in AWS's
            spelling.
        job_extra: Further members of SubmitJob, in AWS's spelling.
        stream_logs: Whether to copy the job's log to Luigi's log as it arrives; None uses the
            configuration.
        on_interrupt: ``leave`` or ``terminate``: what happens to the job if the run is
            interrupted; None uses the configuration.
        follow_live_job: Whether to follow the live job of an earlier run of the same task, instead
            of submitting a second one; None uses the configuration.
        job_result: Result of the job, for code after ``super().run()``; None before.

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

    # Any, since subclasses replace them by a plain value, a property or another parameter.
    job_definition: Any = luigi.Parameter()
    job_name: Any = luigi.OptionalParameter(default=None)
    job_queue: Any = luigi.OptionalParameter(default=None)
    poll_time: Any = luigi.IntParameter(default=POLL_TIME)

    # Not Luigi parameters: Luigi spends time on each parameter of every task, and they would be
    # options of every command line.
    job_command: Any = None
    job_environment: Any = None
    job_vcpus: Any = None
    job_memory_mib: Any = None
    job_gpus: Any = None
    job_array_size: Any = None
    job_depends_on: Any = ()
    job_retry: Any = None
    job_recovery: Any = None
    job_attempt_timeout: Any = None
    job_share_identifier: Any = None
    job_scheduling_priority: Any = None
    job_tags: Any = None
    job_propagate_tags: Any = None
    job_consumable_resources: Any = None
    job_instance_type: Any = None
    job_node_overrides: Any = None
    job_ecs_properties_override: Any = None
    job_eks_properties_override: Any = None
    job_extra: Any = None

    stream_logs: Any = None
    on_interrupt: Any = None
    follow_live_job: Any = None

    job_result: JobResult | None = None

    _asyncbatch_repr: str | None = None

    def __init_subclass__(cls, **options: object) -> None:
        """Warn of attributes that seem to be misspelt, as they would be ignored silently."""
        super().__init_subclass__(**options)
        for name, meant in _misspelt(cls):
            warnings.warn(
                f"{cls.__module__}.{cls.__qualname__}.{name} is not an attribute of BatchTask;"
                f" did you mean {meant}?",
                stacklevel=4,  # past this method and two metaclasses: the class statement
            )

    def __init__(self, *args: object, **kwargs: object) -> None:
        """Set the values of the Luigi parameters.

        Raises:
            TypeError: `run` is a coroutine function, which Luigi would not await.
        """
        with _parameters.new_task():
            super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call] # as Luigi declares it
        _refuse_async_run(type(self))
        _bridge.note_task_created()

    @classmethod
    def get_params(cls) -> Parameters:
        """Return the Luigi parameters of this class, from a cache.

        Luigi calls this ten times for each task, and inspects all attributes of the class each
        time.
        """
        return _parameters.of(cls, BatchTask, super().get_params)

    @classmethod
    def get_param_values(
        cls, params: Parameters, args: Sequence[object], kwargs: Mapping[str, object]
    ) -> Values:
        """Return the values of the Luigi parameters for the arguments of a task.

        Luigi calls this twice for each new task, and searches its configuration for each default.
        """
        return _parameters.values(cls, params, args, kwargs, super().get_param_values)

    def __repr__(self) -> str:
        """Return family and parameters as Luigi does; each of its log lines about a task has it."""
        if self._asyncbatch_repr is None:
            self._asyncbatch_repr = str(super().__repr__())  # type: ignore[no-untyped-call] # as Luigi declares it
        return self._asyncbatch_repr

    @property
    def parameters(self) -> Mapping[str, object]:
        """Values for the job definition's ``Ref::`` placeholders; they are converted to text."""
        return {}

    def run(self) -> None:
        """Submit the job, or follow the live job of an earlier run, and wait for its end.

        Ctrl-C and SIGTERM end the wait. By default the job continues in AWS, and the next run
        follows it; see `on_interrupt`.

        Raises:
            BatchJobException: The job FAILED.
            InvalidRequest: A value is not valid, or there is no default job queue.
            JobQueueNotFound: The job queue does not exist.
            JobDefinitionNotFound: The job definition does not exist.
            AsyncBatchError: AWS returned an error, could not be reached, or no longer knows the
                job.
        """
        try:
            _bridge.run_with_client(
                self._asyncbatch_start, lambda: new_client(poll_policy(self.poll_time))
            )
        except (AsyncBatchError, KeyboardInterrupt) as error:
            trim(error)
            raise

    def on_failure(self, exception: BaseException) -> Any:  # noqa: ANN401 - as Luigi's
        """Return what Luigi's page and e-mails show: the traceback, and the last log lines."""
        luigi_explanation = super().on_failure(exception)  # type: ignore[no-untyped-call] # Luigi's
        return with_last_lines(luigi_explanation, exception)

    # Private methods have names that no subclass of the user overrides by accident.

    def _asyncbatch_start(self, batch: AsyncBatchClient) -> Coroutine[Any, Any, None]:
        """Return the coroutine that does what `run` does, for the loop on which a client is open.

        The task's attributes are read before this returns, in the caller's thread: they may be
        properties that block. Only the returned coroutine uses the client.

        Raises:
            InvalidRequest: A value is not valid.
        """
        settings = settings_of(batch)
        try:
            plan = plan_run(self, self._asyncbatch_request(settings), settings)
        except InvalidRequest as error:
            raise _with_attribute_name(error, self.job_extra) from None
        reports = SchedulerReports(
            tracking_url=self.set_tracking_url,
            status_message=self.set_status_message,
            progress=self.set_progress_percentage,
        )
        return self._asyncbatch_run(JobRun(batch, plan, reports, on_end=self._asyncbatch_on_end))

    async def _asyncbatch_run(self, job: JobRun) -> None:
        self.job_result = None
        try:
            await job.run()
        except InvalidRequest as error:
            raise _with_attribute_name(error, self.job_extra) from None
        finally:
            self.job_result = job.result

    def _asyncbatch_request(self, settings: asyncbatch) -> JobRequest:
        return build_request(self, settings)

    async def _asyncbatch_on_end(self, job: Job) -> None:
        """Read more about the job after its end, while the client is open; for subclasses."""


def _with_attribute_name(error: InvalidRequest, job_extra: object) -> InvalidRequest:
    """Return the same error with the name of the task's attribute in place of the field's."""
    if error.field == "SubmitJob" and job_extra:
        # All other fields were validated before, so the SDK must have refused one of these.
        return InvalidRequest("job_extra", job_extra, error.rule)
    name = error.field.partition("[")[0]
    field = error.field if name in _SAME_NAMES else f"job_{error.field}"
    return error.renamed(field)


def _refuse_async_run(task: type[BatchTask]) -> None:
    """Raise if Luigi would take the run of a task for done without awaiting it."""
    if inspect.iscoroutinefunction(task.run) or inspect.isasyncgenfunction(task.run):
        raise TypeError(
            f"{task.__module__}.{task.__qualname__}.run is `async def`: Luigi calls run() and does"
            " not await it. Write `def run(self)`, and in it asyncio.run(...) for your coroutines"
            " and super().run() for the job."
        )


def _misspelt(task: type[BatchTask]) -> Iterator[tuple[str, str]]:
    """Yield attributes of a class that seem to be misspelt, with the attribute that was meant.

    Methods and Luigi parameters are not considered, nor names that only start with ``job_``: they
    may well be attributes of the user's own.
    """
    known = [name for name in vars(BatchTask) if name.startswith("job_")]
    for name, value in vars(task).items():
        is_own = hasattr(BatchTask, name) or callable(value) or isinstance(value, luigi.Parameter)
        if name.startswith("job_") and not is_own:
            for meant in difflib.get_close_matches(name, known, n=1, cutoff=_SIMILARITY):
                yield name, meant
