"""The ``[asyncbatch]`` section of Luigi's configuration, and the clients that are made as it says.

It is read when a client is made, and once for each client.
"""

import weakref
from typing import Any

import luigi

from asyncbatch import AsyncBatchClient, InvalidRequest, LogPolicy, PollPolicy, RateLimits

# Seconds, as in Luigi's own module.
POLL_TIME = 10
# Seconds; as often as `RateLimits.describe_per_second` allows.
_SOONEST_POLL = 0.2
_LIMITS = ("submit_per_second", "describe_per_second", "list_per_second", "terminate_per_second")
# Options of the section, and the fields of `LogPolicy` that they set.
_LOG_OPTIONS = {
    "log_interval": "interval",
    "log_drain": "drain",
    "failure_log_lines": "failure_lines",
}


class asyncbatch(luigi.Config):  # noqa: N801 - Luigi names the section after the class
    """How tasks talk to AWS, and what they do unless they say otherwise.

    Every line is optional. What a task says of itself comes first; what nobody says is left to the
    AWS configuration and to the client's own defaults.

    Attributes:
        region: AWS Region.
        profile: Profile of the shared AWS configuration.
        endpoint_url: Endpoint of AWS Batch and CloudWatch Logs, such as a local engine's.
        job_queue: Name or ARN of the job queue of tasks that name none.
        poll_time: Most seconds between two looks at a job, for clients that many tasks share; a
            client of one task goes by the task's own `poll_time`.
        submit_per_second: Most submissions a second and client; see `asyncbatch.RateLimits`.
        describe_per_second: Most status calls a second and client.
        list_per_second: Most calls a second and client that list something, such as the live jobs
            that a rerun looks for.
        terminate_per_second: Most calls a second and client that end jobs.
        failure_log_lines: How many last log lines the error of a failed job carries.
        log_interval: Seconds between two looks at a log that is streamed.
        log_drain: Seconds that late log lines are waited for after a job's end.
        stream_logs: Whether the lines of a job's log are written to Luigi's log as they come.
        on_interrupt: What becomes of a job when its run is interrupted: ``leave`` or ``terminate``.
        follow_live_job: Whether a run follows the live job of an earlier run of the same task.
        tag_jobs: Whether jobs have tags with family and id of their task.
        journal: File in which a client keeps what it submits, so that a rerun after ``kill -9``
            finds all of it; see `asyncbatch.Journal`. One process at a time can use it.
    """

    region = luigi.OptionalParameter(default=None)
    profile = luigi.OptionalParameter(default=None)
    endpoint_url = luigi.OptionalParameter(default=None)
    job_queue = luigi.OptionalParameter(default=None)
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


_settings: "weakref.WeakKeyDictionary[AsyncBatchClient, asyncbatch]" = weakref.WeakKeyDictionary()


def new_client(poll: PollPolicy | None = None) -> AsyncBatchClient:
    """Make a client as Luigi's configuration says; it is not open yet.

    Args:
        poll: How eagerly jobs are asked about; None takes the configured `poll_time`, if any.

    Raises:
        InvalidRequest: A value in the configuration cannot be read, or is out of range.
    """
    settings = _read()
    if poll is None and settings.poll_time is not None:
        poll = poll_policy(settings.poll_time)
    client = AsyncBatchClient(
        region_name=settings.region,
        profile_name=settings.profile,
        endpoint_url=settings.endpoint_url,
        poll=poll,
        logs=_log_policy(settings),
        journal=settings.journal,
        limits=RateLimits(**_given(settings, *_LIMITS)),
    )
    _settings[client] = settings
    return client


def settings_of(client: AsyncBatchClient) -> asyncbatch:
    """Return the configuration that was read when a client was made.

    Raises:
        InvalidRequest: A value in it cannot be read.
    """
    settings = _settings.get(client)
    if settings is None:
        settings = _read()
        _settings[client] = settings
    return settings


def _read() -> asyncbatch:
    """Read the section; where that fails, say it in our words, since Luigi names no value."""
    section = asyncbatch.__name__
    configuration: Any = luigi.configuration.get_config()  # type: ignore[no-untyped-call] # Luigi's
    for name, parameter in asyncbatch.get_params():  # type: ignore[no-untyped-call] # as above
        text = configuration.get(section, name, None)
        if text is not None:
            try:
                parameter.parse(text)
            except ValueError:
                rule = f"{_rule_of(parameter)}, in the section [{section}] of Luigi's configuration"
                raise InvalidRequest(name, text, rule) from None
    settings: asyncbatch = asyncbatch()
    return settings


def _rule_of(parameter: object) -> str:
    if isinstance(parameter, luigi.BoolParameter):
        return "true or false"
    return "a whole number" if isinstance(parameter, luigi.IntParameter) else "a number"


def poll_policy(poll_time: float) -> PollPolicy:
    """Return how eagerly a job is asked about whose task wants to know every `poll_time` seconds.

    Raises:
        InvalidRequest: `poll_time` is negative.
    """
    if poll_time < 0:
        raise InvalidRequest("poll_time", poll_time, "0 or more seconds")
    longest = max(poll_time, _SOONEST_POLL)
    usual = PollPolicy()
    return PollPolicy(min_interval=min(usual.min_interval, longest), max_interval=longest)


def _log_policy(settings: asyncbatch) -> LogPolicy:
    """Return the configured `LogPolicy`.

    Raises:
        InvalidRequest: A value is out of range; the error names the option, not the field.
    """
    given = _given(settings, *_LOG_OPTIONS)
    try:
        return LogPolicy(**{_LOG_OPTIONS[option]: value for option, value in given.items()})
    except InvalidRequest as error:
        option = next(name for name, field in _LOG_OPTIONS.items() if field == error.field)
        raise InvalidRequest(option, error.value, error.rule) from None


def _given(settings: asyncbatch, *names: str) -> dict[str, Any]:
    values = {name: getattr(settings, name) for name in names}
    return {name: value for name, value in values.items() if value is not None}
