"""Results, failures and log events, as frozen values."""

import enum
from dataclasses import dataclass
from datetime import datetime, timedelta

from asyncbatch._values.descriptions import JobDescription
from asyncbatch._values.part_ids import child_index, node_index
from asyncbatch._values.showing import Card, Shown, duration_text, repr_of, short_name
from asyncbatch._values.status import JobStatus
from asyncbatch._values.text import one_line


class FailureKind(enum.StrEnum):
    """Kind of a job's failure, or of the reason why it waits."""

    # The rules that choose a kind are in `failures`.

    #: The program ended with an exit code; its log says why.
    EXIT_CODE = "exit code"
    #: The container exceeded its memory limit.
    OUT_OF_MEMORY = "out of memory"
    #: SIGKILL or SIGTERM (exit codes 137 and 143) without a reason.
    KILLED = "killed"
    #: The attempt exceeded its timeout, or the pod its deadline.
    TIMEOUT = "timeout"
    #: Fargate Spot reclaimed the capacity.
    SPOT_INTERRUPTION = "spot interruption"
    #: The instance or node was terminated, drained, or evicted the job.
    HOST_LOST = "host lost"
    #: The command does not exist in the image, or the image is for another CPU.
    NOT_RUNNABLE = "command not runnable"
    #: The image could not be pulled.
    IMAGE_PULL = "image pull"
    #: The container could not be created: mounts, devices, limits.
    CONTAINER_START = "container start"
    #: Docker or the container agent failed or was too slow.
    CONTAINER_RUNTIME = "container runtime"
    #: Secrets, log driver, volume or network interface could not be set up.
    RESOURCE_INITIALIZATION = "resource initialization"
    #: ECS or the node could not start the task.
    TASK_START = "task start"
    #: A job that it depends on failed.
    DEPENDENCY = "dependency"
    #: Children of the array failed; the message lists them.
    ARRAY_CHILD = "array child"
    #: A person or program terminated it.
    TERMINATED = "terminated"
    #: A person or program cancelled it.
    CANCELLED = "cancelled"
    #: It waited longer than its `RecoveryPolicy` allows, and was cancelled.
    NOT_STARTED = "not started"
    #: The queue's limit for the time in a state ended it.
    QUEUE_POLICY = "queue policy"
    #: The job definition, a role or the size of the request was refused.
    DEFINITION = "job definition"
    #: There is no capacity, or a quota is used up.
    CAPACITY = "capacity"
    #: A waiting job will not run until a compute environment is corrected.
    MISCONFIGURATION = "misconfiguration"
    #: A waiting job is blocked for a reason that AWS does not know.
    BLOCKED = "blocked"
    #: AWS gave no reason, or one that this version does not know.
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Failure(Shown):
    """Why a job failed, or why it waits, classified.

    Attributes:
        kind: Kind of the failure.
        transient: Whether the same request can succeed when it is submitted again unchanged.
        message: One sentence: exit code, AWS's reasons, and what they mean.
        attempt: Number of the attempt that it is about; None where no attempt ran.
    """

    kind: FailureKind
    transient: bool
    message: str
    attempt: int | None = None

    def __post_init__(self) -> None:
        """Make the message safe to show: AWS, a container or a person wrote parts of it."""
        object.__setattr__(self, "message", one_line(self.message))

    def __repr__(self) -> str:
        """Show the kind, whether it is transient, and the message, in one short line."""
        return repr_of(f"Failure {self.kind}, {self._outlook()}: {self.message}")

    def __str__(self) -> str:
        """Return the message, after the kind where the message does not begin with it."""
        has_kind = self.message.lower().startswith(self.kind)
        return self.message if has_kind else f"{self.kind}: {self.message}"

    def _card(self) -> Card:
        facts = [("message", self.message), ("attempt", self.attempt)]
        return Card(title=f"{self.kind}, {self._outlook()}", facts=facts)

    def _outlook(self) -> str:
        return "transient" if self.transient else "permanent"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class JobResult(Shown):
    """The end of a job.

    Attributes:
        description: The last description of the job; its status is terminal.
        failure: Why it failed; None when it succeeded.
    """

    description: JobDescription
    failure: Failure | None = None

    @property
    def job_id(self) -> str:
        """Job id."""
        return self.description.job_id

    @property
    def name(self) -> str:
        """Job name."""
        return self.description.name

    @property
    def status(self) -> JobStatus:
        """SUCCEEDED or FAILED."""
        return self.description.status

    @property
    def succeeded(self) -> bool:
        """Whether the job ended SUCCEEDED."""
        return self.description.status is JobStatus.SUCCEEDED

    @property
    def exit_code(self) -> int | None:
        """Exit code of the last attempt; None where no container ended."""
        return self.description.exit_code

    @property
    def duration(self) -> timedelta | None:
        """Time from the last attempt's start to the end; None if it never ran."""
        return self.description.duration

    def __repr__(self) -> str:
        """Show name, id, how it ended and why, in one short line."""
        text = f"JobResult {short_name(self.name) or '?'} {self.job_id} {self.status}"
        if self.duration is not None:
            text += f" in {duration_text(self.duration)}"
        return repr_of(f"{text}: {self.failure.message}" if self.failure else text)

    def _card(self) -> Card:
        job, failure = self.description, self.failure
        array = job.array
        return Card(
            title=f"{self.name or '?'} {self.job_id}",
            status=self.status,
            facts=[
                ("failure", failure),
                ("exit code", self.exit_code),
                ("children", array.size if array else None),
                ("attempts", len(job.attempts) if len(job.attempts) > 1 else None),
                ("run time", duration_text(self.duration)),
                ("queue", (job.queue or "").rpartition("/")[2]),
                ("definition", (job.job_definition or "").rpartition("/")[2]),
            ],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """One line of a job's log.

    Attributes:
        timestamp: When the container wrote it.
        message: The line, without its line end.
        job_id: Id of the job, child or node that wrote it.
        attempt: Number of the attempt that wrote it; 1 for the first.
        stream: CloudWatch log stream.
        ingestion_time: When CloudWatch Logs received it; None where that is unknown.
        container: Name of the container, in jobs with several; None in others.
        submission: Number of the submission whose log it is, in logs of a job that a
            `RecoveryPolicy` submitted again; else 1.
        original_index: Index in the array that was submitted first, of a child that ran again in a
            smaller one; None for all others.
    """

    timestamp: datetime
    message: str
    job_id: str
    attempt: int
    stream: str
    ingestion_time: datetime | None = None
    container: str | None = None
    submission: int = 1
    original_index: int | None = None

    @property
    def array_index(self) -> int | None:
        """Index of the child job that wrote it; None outside of array jobs."""
        if self.original_index is not None:
            return self.original_index
        return child_index(self.job_id)

    @property
    def node_index(self) -> int | None:
        """Index of the node that wrote it; None outside of multi-node jobs."""
        return node_index(self.job_id)

    @property
    def label(self) -> str:
        """Part of the job that wrote it, such as ``[7]`` or ``#0/sidecar``; else empty.

        A second submission is labelled too, such as ``submission 2``.
        """
        index, node = self.array_index, self.node_index
        place = ("" if index is None else f"[{index}]") + ("" if node is None else f"#{node}")
        if self.container is not None:
            place = f"{place}/{self.container}" if place else self.container
        if self.submission == 1:
            return place
        return f"submission {self.submission} {place}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSubmission:
    """One submission of a job that a `RecoveryPolicy` may submit several times.

    Attributes:
        job_id: Job id that AWS gave it.
        queue: Name or ARN of its job queue.
        job_definition: Name or ARN of its job definition.
        vcpus: vCPUs of its container; None where that is not known yet, or it has several.
        memory_mib: Memory limit of its container in MiB; None as for `vcpus`.
        is_fargate: Whether it runs on Fargate.
        failure: Why it failed; None where it did not.
        rule: Index of the rule that decided to submit it; None for the first submission.
        log_tail: Last lines of its log, where a journal keeps them: of a client with a journal,
            for submissions that were followed by another.
    """

    job_id: str
    queue: str | None = None
    job_definition: str | None = None
    vcpus: float | None = None
    memory_mib: int | None = None
    is_fargate: bool = False
    failure: Failure | None = None
    rule: int | None = None
    log_tail: tuple[LogEvent, ...] = ()
