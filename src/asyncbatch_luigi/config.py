"""The ``[asyncbatch]`` section of Luigi's configuration, and clients made from it.

The section is read when a client is made, once for each client.
"""

import configparser
import math
import weakref
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import luigi

from asyncbatch import (
    AsyncBatchClient,
    InvalidRequest,
    JobDefaults,
    LogPolicy,
    PollPolicy,
    RateLimits,
)
from asyncbatch_luigi._conversions import as_text
from asyncbatch_luigi._job_totals import JobTotals, set_totals

T = TypeVar("T")

# Default of `poll_time` in seconds, as in ``luigi.contrib.batch``.
POLL_TIME = 10
# Shortest polling interval in seconds, for ``poll_time = 0``: the rate limits allow no more anyway.
_MIN_POLL_SECONDS = 0.2
_LIMITS = ("submit_per_second", "describe_per_second", "list_per_second", "terminate_per_second")
# Options of the section, and the fields of `LogPolicy` that they set.
_LOG_OPTIONS = {
    "log_interval": "interval",
    "log_drain": "drain",
    "failure_log_lines": "failure_lines",
}


# Options of the section, and the fields of `JobDefaults` that they set. `job_queue` is not among
# them: it is part of the identity of a task's job.
_DEFAULT_OPTIONS = {
    "job_propagate_tags": "propagate_tags",
    "job_retry": "retry",
    "job_share_identifier": "share_identifier",
    "job_tags": "tags",
}


class asyncbatch(luigi.Config):  # noqa: N801 - Luigi names the section after the class
    """Settings of the client that tasks use, and defaults for tasks.

    All options are optional. A task's own attributes take precedence. For options that are not set,
    the AWS configuration and the defaults of `asyncbatch.AsyncBatchClient` apply.

    Attributes:
        region: AWS Region.
        profile: Profile of the shared AWS configuration.
        endpoint_url: Endpoint of AWS Batch and CloudWatch Logs, such as a local AWS Batch's.
        job_queue: Name or ARN of the job queue for tasks without one.
        when_no_queue: Which job queue to use if neither the task nor `job_queue` names one:
            ``first``, the first that AWS lists and that is ENABLED and VALID, as in
            ``luigi.contrib.batch``; or ``only``, an error if there are several.
        job_tags: Tags of all jobs, as a JSON object; a task's own tag with the same key wins.
        job_propagate_tags: Whether AWS copies the tags to the ECS task, for tasks that do not say.
        job_retry: Attempts of jobs of tasks that do not say: a number, or a short form such as
            ``spot:3``.
        job_share_identifier: Share of jobs of tasks that name none.
        job_recovery: How failed jobs of tasks without a `job_recovery` of their own are submitted
            again, in short form, such as ``spot:3,fallback=on-demand``.
        poll_time: Maximum polling interval in seconds for a client that many tasks share. A client
            of one task uses the task's own `poll_time`.
        submit_per_second: Maximum submissions per second and client; see `asyncbatch.RateLimits`.
        describe_per_second: Maximum DescribeJobs calls per second and client.
        list_per_second: Maximum calls per second and client that list something, such as live jobs.
        terminate_per_second: Maximum calls per second and client that terminate jobs.
        failure_log_lines: Number of last log lines in the error of a failed job.
        log_interval: Polling interval in seconds of a log that is streamed.
        log_drain: Time in seconds to wait for late log lines after the end of a job.
        stream_logs: Whether to copy the job's log to Luigi's log as it arrives.
        on_interrupt: What happens to a job if its run is interrupted: ``leave`` or ``terminate``.
        follow_live_job: Whether a run follows the live job of an earlier run of the same task.
        tag_jobs: Whether to tag jobs with the family and id of their task.
        journal: File that stores all submissions, so that a rerun after ``kill -9`` finds the jobs;
            see `asyncbatch.Journal`. It can be used by one process at a time.
        telemetry: Whether jobs and calls are recorded with OpenTelemetry: ``off``, ``on``, or
            ``propagate``, which also passes the context of a job's span to its container; see
            `asyncbatch.telemetry.instrument`.
    """

    # Luigi names the section after the class and its namespace, and would take the namespace that
    # `luigi.namespace` has set before this module is imported.
    task_namespace = ""

    region = luigi.OptionalParameter(default=None)
    profile = luigi.OptionalParameter(default=None)
    endpoint_url = luigi.OptionalParameter(default=None)
    job_queue = luigi.OptionalParameter(default=None)
    when_no_queue: Any = luigi.Parameter(default="first")
    job_tags: Any = luigi.OptionalDictParameter(default=None)
    job_propagate_tags: Any = luigi.OptionalBoolParameter(default=None)
    job_retry = luigi.OptionalParameter(default=None)
    job_share_identifier = luigi.OptionalParameter(default=None)
    job_recovery = luigi.OptionalParameter(default=None)
    poll_time = luigi.OptionalFloatParameter(default=None)
    submit_per_second = luigi.OptionalFloatParameter(default=None)
    describe_per_second = luigi.OptionalFloatParameter(default=None)
    list_per_second = luigi.OptionalFloatParameter(default=None)
    terminate_per_second = luigi.OptionalFloatParameter(default=None)
    failure_log_lines = luigi.OptionalIntParameter(default=None)
    log_interval = luigi.OptionalFloatParameter(default=None)
    log_drain = luigi.OptionalFloatParameter(default=None)
    stream_logs = luigi.BoolParameter(default=False)
    on_interrupt: Any = luigi.Parameter(default="leave")
    follow_live_job = luigi.BoolParameter(default=True)
    tag_jobs = luigi.BoolParameter(default=True)
    journal = luigi.OptionalParameter(default=None)
    telemetry: Any = luigi.Parameter(default="off")


_settings: "weakref.WeakKeyDictionary[AsyncBatchClient, asyncbatch]" = weakref.WeakKeyDictionary()


def new_client(poll: PollPolicy | None = None) -> AsyncBatchClient:
    """Make a client from Luigi's configuration; it is not open yet.

    Args:
        poll: How often jobs are polled; None uses the configured `poll_time`, if any.

    Raises:
        InvalidRequest: A value in the configuration is not valid.
    """
    settings = _read()
    if poll is None and settings.poll_time is not None:
        poll = poll_policy(settings.poll_time)
    totals = JobTotals()
    client = AsyncBatchClient(
        region_name=settings.region,
        profile_name=settings.profile,
        endpoint_url=settings.endpoint_url,
        poll=poll,
        logs=_log_policy(settings),
        journal=settings.journal,
        limits=RateLimits(**_given(settings, *_LIMITS)),
        defaults=_job_defaults(settings),
        observers=[totals],
    )
    _instrument(client, settings.telemetry)
    _settings[client] = settings
    set_totals(client, totals)
    return client


def _instrument(client: AsyncBatchClient, telemetry: object) -> None:
    """Record what a client does, with the global providers of OpenTelemetry.

    Raises:
        InvalidRequest: `telemetry` is not valid.
    """
    if telemetry not in ("off", "on", "propagate"):
        raise InvalidRequest("telemetry", telemetry, "must be 'off', 'on' or 'propagate'")
    if telemetry != "off":
        from asyncbatch.telemetry import instrument  # noqa: PLC0415 - only where it is used

        instrument(client, propagate=telemetry == "propagate")


def settings_of(client: AsyncBatchClient) -> asyncbatch:
    """Return the configuration that was read when a client was made.

    Raises:
        InvalidRequest: A value in the configuration is not valid.
    """
    settings = _settings.get(client)
    if settings is None:  # the client was not made by `new_client`
        settings = _read()
        _settings[client] = settings
    return settings


def _read() -> asyncbatch:
    """Read the section.

    Raises:
        InvalidRequest: A value is not valid. Luigi's own error would not name the option.
    """
    section = asyncbatch.__name__
    configuration: Any = luigi.configuration.get_config()  # type: ignore[no-untyped-call] # Luigi's
    for name, parameter in asyncbatch.get_params():  # type: ignore[no-untyped-call] # as above
        try:
            text = configuration.get(section, name, None)
        except configparser.InterpolationError:
            text = configuration.get(section, name, None, raw=True)
            where = f"in section [{section}] of Luigi's configuration"
            raise InvalidRequest(name, text, f"write %% for a percent sign {where}") from None
        if text is not None:
            try:
                parameter.parse(text)
            except ValueError:
                where = f"in section [{section}] of Luigi's configuration"
                rule = f"must be {_kind_of(parameter)} {where}"
                raise InvalidRequest(name, text, rule) from None
    settings: asyncbatch = asyncbatch()
    return settings


def _kind_of(parameter: object) -> str:
    if isinstance(parameter, luigi.DictParameter):
        return 'a JSON object, such as {"team": "data"},'
    if isinstance(parameter, luigi.BoolParameter):
        return "true or false"
    return "a whole number" if isinstance(parameter, luigi.IntParameter) else "a number"


def poll_policy(poll_time: object) -> PollPolicy:
    """Return the `PollPolicy` for a maximum polling interval in seconds.

    Raises:
        InvalidRequest: `poll_time` is no number of 0 or more.
    """
    rule = "must be 0 or more seconds"
    if not isinstance(poll_time, int | float) or isinstance(poll_time, bool):
        raise InvalidRequest("poll_time", poll_time, rule)
    if not 0 <= poll_time < math.inf:
        raise InvalidRequest("poll_time", poll_time, rule)
    max_interval = max(poll_time, _MIN_POLL_SECONDS)
    min_interval = min(PollPolicy().min_interval, max_interval)
    return PollPolicy(min_interval=min_interval, max_interval=max_interval)


def _log_policy(settings: asyncbatch) -> LogPolicy:
    """Return the configured `LogPolicy`.

    Raises:
        InvalidRequest: A value is out of range.
    """
    return _made(LogPolicy, _LOG_OPTIONS, _given(settings, *_LOG_OPTIONS))


def _job_defaults(settings: asyncbatch) -> JobDefaults:
    """Return the configured `JobDefaults`.

    Raises:
        InvalidRequest: A value breaks a rule.
    """
    given = _given(settings, *_DEFAULT_OPTIONS)
    if "job_tags" in given:
        given["job_tags"] = as_text("job_tags", given["job_tags"])
    return _made(JobDefaults, _DEFAULT_OPTIONS, given)


def _made(kind: Callable[..., T], fields: Mapping[str, str], given: Mapping[str, Any]) -> T:
    """Return a value made from options.

    Args:
        kind: Its class.
        fields: Names of its fields, by option.
        given: Values, by option.

    Raises:
        InvalidRequest: A value breaks a rule; the error names the option, not the field.
    """
    try:
        return kind(**{fields[option]: value for option, value in given.items()})
    except InvalidRequest as error:
        name, bracket, key = error.field.partition("[")
        option = next(option for option, field in fields.items() if field == name)
        raise error.renamed(option + bracket + key) from None


def _given(settings: asyncbatch, *names: str) -> dict[str, Any]:
    values = {name: getattr(settings, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}
