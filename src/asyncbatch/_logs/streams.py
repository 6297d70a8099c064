"""Where a job's log is: from its description to its streams, or why there are none to read. Pure.

Each attempt writes a stream of its own; multi-container jobs write one per container. AWS says the
stream's name when the job is RUNNING; group and Region are in the container's log configuration.
"""

import math
from dataclasses import dataclass
from datetime import datetime

from asyncbatch._values.descriptions import Container, JobDescription
from asyncbatch._values.errors import LogsUnavailable

DEFAULT_GROUP = "/aws/batch/job"
_CLOUDWATCH = "awslogs"
# No job logs before it was submitted; by how much clocks differ is not known, so much is allowed.
_CLOCKS_DIFFER = 3_600_000

# Where a log driver says that it sends the lines.
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
        attempt: Number of the attempt that writes it.
        group: Log group.
        name: Name of the stream.
        region: AWS Region; None for the client's own.
        container: Name of the container, where there are several.
        start: Milliseconds since the epoch: nothing from before is wanted.
    """

    job_id: str
    attempt: int
    group: str
    name: str
    region: str | None = None
    container: str | None = None
    start: int = 0


def latest_attempt(description: JobDescription) -> int:
    """Return the number of the attempt that ran last, or that is next to run."""
    finished = len(description.attempts)
    return max(1, finished) if description.status.is_terminal else finished + 1


def is_over(description: JobDescription, number: int) -> bool:
    """Whether an attempt writes nothing more."""
    return description.status.is_terminal or number <= len(description.attempts)


def streams_of(
    description: JobDescription, number: int, since: datetime | None = None
) -> list[Stream]:
    """Return the streams of an attempt that are known by now.

    Args:
        description: The job.
        number: Number of the attempt.
        since: Moment from which on events are wanted; None wants all.

    Raises:
        LogsUnavailable: The logs are not in CloudWatch Logs.
    """
    if description.pod is not None:
        raise _in_the_cluster(description)
    _require_cloudwatch(description)
    streams = []
    for place, container in enumerate(_containers(description, number)):
        # An attempt's container names no log configuration: the job's own of that place does.
        known = () if container.log_options else description.containers
        configured = known[place] if place < len(known) else container
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
        f"there is no log group {stream.group!r}{where}",
        "Was it deleted, or is this another account or Region? Its retention may have ended, too.",
    )


def _start(description: JobDescription, since: datetime | None) -> int:
    """Return the time (ms) before which there is nothing, or nothing that is wanted."""
    created = description.created_at
    first = 0 if created is None else int(created.timestamp() * 1000) - _CLOCKS_DIFFER
    if since is None:
        return max(0, first)
    return max(0, first, math.ceil(since.timestamp() * 1000))


def _in_the_cluster(description: JobDescription) -> LogsUnavailable:
    pod = description.pod
    name = (pod.name if pod else None) or "(none placed yet)"
    namespace = (pod.namespace if pod else None) or "default"
    return LogsUnavailable(
        description.job_id,
        f"EKS jobs log in their cluster, and AWS Batch names no log stream; it is pod {name} "
        f"in namespace {namespace}",
        f"Look with `kubectl logs -n {namespace} {name}`, or by the pod's name in the log group "
        "/aws/containerinsights/CLUSTER/application if Container Insights or Fluent Bit is set up.",
    )


def _require_cloudwatch(description: JobDescription) -> None:
    """Raise unless a container logs to CloudWatch, as those without a configuration do."""
    containers = description.containers
    if not containers or any((c.log_driver or _CLOUDWATCH) == _CLOUDWATCH for c in containers):
        return
    drivers = ", ".join(sorted({str(c.log_driver) for c in containers}))
    places = "; ".join(dict.fromkeys(_where(c) for c in containers))
    raise LogsUnavailable(
        description.job_id, f"its log driver is {drivers}, not awslogs", f"Look at {places}."
    )


def _where(container: Container) -> str:
    """Return where a log driver sends the lines, in a few words."""
    driver = str(container.log_driver)
    if driver in _ON_THE_INSTANCE:
        instance = container.container_instance_arn or "the container instance"
        return f"{instance}, with {_ON_THE_INSTANCE[driver]}"
    named = [name for name in _DESTINATIONS.get(driver, ()) if name in container.log_options]
    told = ", ".join(f"{name}={container.log_options[name]}" for name in named)
    return f"what {driver} sends to ({told})" if told else f"what {driver} sends to"


def _containers(description: JobDescription, number: int) -> tuple[Container, ...]:
    """Return the containers of an attempt; of the latest one, the job itself may know more."""
    if number <= len(description.attempts):
        attempt = description.attempts[number - 1]
        if attempt.log_stream_names or number < latest_attempt(description):
            return attempt.containers
    # After a retry, the job names the stream of the attempt before until the next one runs.
    written = {name for attempt in description.attempts for name in attempt.log_stream_names}
    return tuple(c for c in description.containers if c.log_stream_name not in written)
