"""From a job's description to its log streams, or to the reason why there are none. Pure.

Each attempt writes its own stream; multi-container jobs write one per container. AWS names the
stream once the job is RUNNING. Group and Region are in the container's log configuration.

AWS lists an attempt after its end; other endpoints list the one that runs as well. An attempt has
ended if the response says anything about its end: a time, an exit code or a reason.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from asyncbatch._values.descriptions import Attempt, Container, JobDescription
from asyncbatch._values.errors import LogsUnavailable

DEFAULT_GROUP = "/aws/batch/job"
_CLOUDWATCH = "awslogs"
# Milliseconds. No job logs before it was created, but the container's clock may be slow.
_CLOCK_TOLERANCE = 3_600_000

# The log options that name the destination, by log driver.
_DESTINATIONS = {
    "awsfirelens": ("Name", "Host", "region", "delivery_stream"),
    "fluentd": ("fluentd-address",),
    "gelf": ("gelf-address",),
    "splunk": ("splunk-url", "splunk-index"),
    "syslog": ("syslog-address",),
}
_ON_THE_INSTANCE = {"json-file": "`docker logs`", "journald": "`journalctl`"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One log stream of a job.

    Attributes:
        job_id: The job.
        attempt: Number of the attempt that writes it; the first is 1.
        group: Name of the log group.
        name: Name of the log stream.
        region: AWS Region of the group; None for the client's own.
        container: Name of the container, in jobs with several.
        start: Milliseconds since the epoch: older events are not wanted.
    """

    job_id: str
    attempt: int
    group: str
    name: str
    region: str | None = None
    container: str | None = None
    start: int = 0


def latest_attempt(description: JobDescription) -> int:
    """Return the number of the attempt that runs, will run next, or ran last."""
    if description.status.is_terminal:
        return max(1, len(description.attempts))
    return _ended_attempts(description) + 1


def is_over(description: JobDescription, number: int) -> bool:
    """Return whether an attempt has ended."""
    return description.status.is_terminal or number <= _ended_attempts(description)


def streams_of(
    description: JobDescription, number: int, since: datetime | None = None
) -> list[Stream]:
    """Return the streams of an attempt as far as AWS has named them.

    Args:
        description: The job.
        number: Number of the attempt.
        since: Time of the first events that are wanted; None wants all.

    Raises:
        LogsUnavailable: The logs are not in CloudWatch Logs.
    """
    if description.pod is not None:
        raise _in_the_cluster(description)
    _require_cloudwatch(description)
    streams = []
    for position, container in enumerate(_containers(description, number)):
        configured = _configured(container, position, description.containers)
        if container.log_stream_name and (configured.log_driver or _CLOUDWATCH) == _CLOUDWATCH:
            stream = Stream(
                job_id=description.job_id,
                attempt=number,
                group=configured.log_options.get("awslogs-group", DEFAULT_GROUP),
                name=container.log_stream_name,
                region=configured.log_options.get("awslogs-region"),
                container=container.name,
                start=_start(description, since),
            )
            streams.append(stream)
    return streams


def group_missing(stream: Stream) -> LogsUnavailable:
    """Return the error for a log group that does not exist."""
    where = f" in {stream.region}" if stream.region else ""
    return LogsUnavailable(
        stream.job_id,
        f"log group {stream.group!r} does not exist{where}",
        "Check the account, the Region, and whether the group was deleted.",
    )


def _start(description: JobDescription, since: datetime | None) -> int:
    """Return the time (ms) of the earliest event that can exist and is wanted."""
    created = description.created_at
    first = 0 if created is None else int(created.timestamp() * 1000) - _CLOCK_TOLERANCE
    if since is None:
        return max(0, first)
    return max(0, first, math.ceil(since.timestamp() * 1000))


def _in_the_cluster(description: JobDescription) -> LogsUnavailable:
    pod = description.pod
    name = (pod.name if pod else None) or "(none placed yet)"
    namespace = (pod.namespace if pod else None) or "default"
    return LogsUnavailable(
        description.job_id,
        "EKS jobs log inside their cluster, and AWS Batch names no log stream for them "
        f"(pod {name}, namespace {namespace})",
        f"Run `kubectl logs -n {namespace} {name}`, or search the log group "
        "/aws/containerinsights/CLUSTER/application for the pod's name if Container Insights or "
        "Fluent Bit is set up.",
    )


def _require_cloudwatch(description: JobDescription) -> None:
    """Raise unless a container logs to CloudWatch Logs, which is the default."""
    containers = description.containers
    if not containers or any((c.log_driver or _CLOUDWATCH) == _CLOUDWATCH for c in containers):
        return
    drivers = ", ".join(sorted({str(c.log_driver) for c in containers}))
    destinations = "; ".join(dict.fromkeys(_destination(c) for c in containers))
    raise LogsUnavailable(
        description.job_id,
        f"its log driver is {drivers}, not awslogs",
        f"Read them from {destinations}.",
    )


def _destination(container: Container) -> str:
    """Return where a log driver sends the lines."""
    driver = str(container.log_driver)
    if driver in _ON_THE_INSTANCE:
        instance = container.container_instance_arn or "the container instance"
        return f"{instance}, with {_ON_THE_INSTANCE[driver]}"
    named = [name for name in _DESTINATIONS.get(driver, ()) if name in container.log_options]
    options = ", ".join(f"{name}={container.log_options[name]}" for name in named)
    return f"the destination of {driver} ({options})" if options else f"the destination of {driver}"


def _ended_attempts(description: JobDescription) -> int:
    """Return the number of attempts that have ended, of a job that has not."""
    listed = description.attempts
    return len(listed) - bool(listed and _runs(listed[-1]))


def _runs(attempt: Attempt) -> bool:
    """Return whether nothing is known about the end of an attempt."""
    facts = (attempt.stopped_at, attempt.status_reason, attempt.exit_code, attempt.reason)
    return all(fact is None for fact in facts)


def _configured(container: Container, position: int, defined: Sequence[Container]) -> Container:
    """Return the container that has the log configuration of an attempt's container.

    Attempts list their containers without it, and not always in the order of the definition.
    """
    if container.log_options or container.log_driver:
        return container
    by_name = [each for each in defined if each.name == container.name]
    if len(by_name) == 1:
        return by_name[0]
    # An endpoint that leaves out names, or gives two containers the same one.
    return defined[position] if position < len(defined) else container


def _containers(description: JobDescription, number: int) -> tuple[Container, ...]:
    """Return the containers of an attempt.

    The latest attempt may be listed only after its end; until then, the job's own containers are
    its.
    """
    if number <= len(description.attempts):
        attempt = description.attempts[number - 1]
        if attempt.log_stream_names or number < latest_attempt(description):
            return attempt.containers
    # After a retry, the job still names the stream of the previous attempt until the next one runs.
    written = {name for attempt in description.attempts for name in attempt.log_stream_names}
    return tuple(c for c in description.containers if c.log_stream_name not in written)
