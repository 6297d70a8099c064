"""`asyncbatch show`: everything about jobs."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote

import typer

from asyncbatch import Attempt, Container, JobDescription, JobStatus
from asyncbatch._cli import choosing, journals, output
from asyncbatch._cli.choosing import Filter, RequiredJobNames, Which
from asyncbatch._cli.connecting import Connection
from asyncbatch._cli.job_facts import (
    array_counts,
    details,
    failure_facts,
    job_facts,
    reason_text,
    run_time,
    short_name,
)
from asyncbatch._cli.output import AsJson
from asyncbatch._cli.running import command
from asyncbatch._values.failures import failure_of, wait_reason_of
from asyncbatch._values.part_ids import child_index
from asyncbatch._values.text import one_line

if TYPE_CHECKING:
    from asyncbatch._results.report.run import SubmissionRecord

_DEFAULT_GROUP = "/aws/batch/job"
_MASK = "***"
_NAMED_DEPENDENCIES = 5
_NAMED_CHILDREN = 20

Fact = tuple[str, object]


@command
async def show(
    jobs: RequiredJobNames,
    connection: Connection,
    *,
    show_environment: Annotated[
        bool,
        typer.Option(
            "--env", help="Show the values of environment variables, which may be secrets."
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show everything about jobs: attempts, containers, links, reasons.

    A name means its jobs that have not ended; if there are none, its newest job. Of the jobs of a
    journal, it also shows what was submitted before for the same request.
    """
    async with connection.open(shows_waits=True) as batch:
        found = await choosing.find_jobs(batch, jobs, connection, Filter(), Which.CURRENT)
        earlier = await journals.earlier_submissions(jobs)
        described = await batch.describe(found)
        failed = {
            job.job_id: await choosing.children_of(batch, job.job_id, [JobStatus.FAILED])
            for job in described.values()
            if JobStatus.FAILED in array_counts(job)
        }
        urls = {job.id: job.console_url for job in found}
        region = batch.region_name
    shown = [described[job.id] for job in found if job.id in described]
    if as_json:
        objects = [_json(job, urls[job.job_id], with_values=show_environment) for job in shown]
        for each in objects:
            children = failed.get(str(each["job_id"]), ())
            each["failed_children"] = [child_index(child.job_id) for child in children]
            each["earlier_submissions"] = [
                _submission_facts(one) for one in earlier.get(str(each["job_id"]), ())
            ]
        output.print_json({"jobs": objects})
        return
    for job in shown:
        _print(
            job,
            urls[job.job_id],
            region,
            [
                ("Children", _indexes(failed.get(job.job_id, ()))),
                *map(_submission, earlier.get(job.job_id, ())),
            ],
            with_values=show_environment,
        )


def _print(
    job: JobDescription,
    url: str | None,
    region: str,
    further: Sequence[Fact],
    *,
    with_values: bool,
) -> None:
    name = output.styled(one_line(job.name), "heading")
    output.print_line(f"{name}  {output.styled(job.status, job.status)}")
    output.print_facts([*_facts(job), *further, ("Console", url)])
    for attempt in job.attempts:
        output.print_line()
        output.print_line(output.styled(f"Attempt {attempt.number}", "heading"))
        output.print_facts(_attempt_facts(attempt, job, url, region))
    for container in job.containers:
        output.print_line()
        label = f"Container {container.name}" if container.name else "Container"
        output.print_line(output.styled(one_line(label), "heading"))
        container_facts = _container_facts(container, with_values=with_values)
        output.print_facts(container_facts, whole=("Command", "Environment"))
        if not job.attempts or not job.status.is_terminal:
            output.print_facts(_log_facts(container, url, region))
    output.print_line()


def _facts(job: JobDescription) -> Iterator[Fact]:
    yield "Job id", job.job_id
    yield "Queue", short_name(job.queue)
    yield "Definition", short_name(job.job_definition)
    failure, waits = failure_of(job), wait_reason_of(job)
    if job.status.is_terminal and failure:
        yield "Failed", reason_text(failure)
        again = "can succeed" if failure.transient else "fails again"
        yield "Transient", f"{'yes' if failure.transient else 'no'}: the same request {again}"
    elif waits:
        yield "Waits", reason_text(waits)
    else:
        yield "Reason", job.status_reason
    if job.is_array_parent:
        yield "Array", f"{job.array.size:,} children: {details(job)}" if job.array else None
    if job.node is not None and job.node.count is not None:
        yield "Nodes", f"{job.node.count}, main {job.node.main_index}"
    yield "Submitted", output.local_time(job.created_at)
    yield "Started", output.local_time(job.started_at)
    yield "Ended", output.local_time(job.stopped_at)
    yield (
        "Waited",
        output.duration(job.started_at - job.created_at)
        if (job.started_at and job.created_at)
        else None,
    )
    yield "Ran", run_time(job)
    yield "Time limit", output.duration(job.attempt_timeout)
    if not job.is_array_parent:
        yield "Attempts", f"{len(job.attempts)} of {job.attempts_allowed or 1}"
    yield "Depends on", _named(job.depends_on)
    yield "Share", job.share_identifier
    yield "Parameters", _pairs(job.parameters)
    yield "Tags", _pairs(job.tags)


def _indexes(failed: Sequence[JobDescription]) -> str:
    """Return which children of an array failed; empty for none."""
    shown = [str(child_index(child.job_id)) for child in failed[:_NAMED_CHILDREN]]
    more = len(failed) - len(shown)
    return f"FAILED: {', '.join(shown)}{f' and {more:,} more' if more else ''}" if shown else ""


def _submission(earlier: "SubmissionRecord") -> Fact:
    """Return an earlier submission of the same request, such as one before its recovery."""
    failure = earlier.failure
    why = f": {reason_text(failure)}" if failure else ""
    return "Before", f"{earlier.job_id or 'no job'} {earlier.status}{why}"


def _submission_facts(earlier: "SubmissionRecord") -> dict[str, object]:
    return {
        "job_id": earlier.job_id or None,
        "name": earlier.name,
        "status": earlier.status,
        "queue": earlier.queue or None,
        "failure": failure_facts(earlier.failure),
    }


def _named(ids: Sequence[str]) -> str:
    more = len(ids) - _NAMED_DEPENDENCIES
    return ", ".join(ids[:_NAMED_DEPENDENCIES]) + (f" and {more:,} more" if more > 0 else "")


def _pairs(values: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={value}" for name, value in values.items())


def _attempt_facts(
    attempt: Attempt, job: JobDescription, url: str | None, region: str
) -> Iterator[Fact]:
    yield "Exit code", attempt.exit_code
    yield "Reason", attempt.reason
    yield "Status", attempt.status_reason
    yield "Started", output.local_time(attempt.started_at)
    yield "Ended", output.local_time(attempt.stopped_at)
    if attempt.started_at and attempt.stopped_at:
        yield "Ran", output.duration(attempt.stopped_at - attempt.started_at)
    options = {container.name: container.log_options for container in job.containers}
    for container in attempt.containers:
        own = container.log_options or options.get(container.name, {})
        yield from _stream_facts(container.log_stream_name, own, url, region)
        yield "Instance", container.container_instance_arn


def _container_facts(container: Container, *, with_values: bool) -> Iterator[Fact]:
    yield "Image", container.image
    yield "Command", _words(container.command)
    yield "vCPUs", None if container.vcpus is None else f"{container.vcpus:g}"
    yield "Memory", None if container.memory_mib is None else f"{container.memory_mib:,} MiB"
    yield "GPUs", container.gpus
    yield "Environment", _pairs(_environment(container, with_values=with_values))
    yield "Task", container.task_arn


def _log_facts(container: Container, url: str | None, region: str) -> Iterator[Fact]:
    yield from _stream_facts(container.log_stream_name, container.log_options, url, region)


def _stream_facts(
    stream: str | None, options: Mapping[str, str], url: str | None, region: str
) -> Iterator[Fact]:
    yield "Log stream", stream
    if stream and url:
        yield "Log", _log_url(url, stream, options, region)


def _log_url(url: str, stream: str, options: Mapping[str, str], region: str) -> str:
    """Return the page of a log stream in the console that has the page of the job."""
    group = options.get("awslogs-group", _DEFAULT_GROUP)
    console = url.partition("/batch/")[0]
    where = options.get("awslogs-region", region)
    return (
        f"{console}/cloudwatch/home?region={where}#logsV2:log-groups/log-group/{_twice(group)}"
        f"/log-events/{_twice(stream)}"
    )


def _twice(name: str) -> str:
    """Return a name as the console's addresses have it: quoted twice, with $ for the second %."""
    return quote(quote(name, safe=""), safe="").replace("%", "$")


def _words(command: Sequence[str]) -> str:
    import shlex

    return shlex.join(command)


def _environment(container: Container, *, with_values: bool) -> Mapping[str, str]:
    if with_values:
        return container.environment
    return dict.fromkeys(container.environment, _MASK)


def _json(job: JobDescription, url: str | None, *, with_values: bool) -> dict[str, object]:
    return {
        **job_facts(job),
        "arn": job.arn,
        "attempts_allowed": job.attempts_allowed,
        "attempt_timeout": job.attempt_timeout,
        "attempts": [
            {
                "number": attempt.number,
                "exit_code": attempt.exit_code,
                "reason": attempt.reason,
                "status_reason": attempt.status_reason,
                "started_at": attempt.started_at,
                "stopped_at": attempt.stopped_at,
                "log_streams": attempt.log_stream_names,
            }
            for attempt in job.attempts
        ],
        "containers": [
            {
                "name": container.name,
                "image": container.image,
                "command": container.command,
                "environment": _environment(container, with_values=with_values),
                "vcpus": container.vcpus,
                "memory_mib": container.memory_mib,
                "gpus": container.gpus,
                "exit_code": container.exit_code,
                "reason": container.reason,
                "log_group": container.log_options.get("awslogs-group", _DEFAULT_GROUP),
                "log_stream": container.log_stream_name,
                "task_arn": container.task_arn,
            }
            for container in job.containers
        ],
        "depends_on": job.depends_on,
        "parameters": job.parameters,
        "tags": job.tags,
        "console_url": url,
    }
