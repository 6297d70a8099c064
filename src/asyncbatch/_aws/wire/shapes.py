"""The types that decoding relies on, member by member, and responses without what breaks them.

AWS, a proxy or another endpoint may return null, a number for a text, or a member of another year.
One odd member must cost that member only: it is taken out before decoding, kept in ``extra``, and
logged. Members that decoding does not read have no shape here: they are kept as they are.

Checking takes a few microseconds for a job; only a structure that does not fit is copied.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

# datetime ends with the year 9999.
_MAX_MILLISECONDS = 253_402_300_799_000
_MAX_SECONDS = 10_000_000_000
_MAX_NUMBER = 1e300
# Children of an array, or nodes, that a client can list; AWS's limit is 10,000.
_MAX_COUNT = 1_000_000


class Shape(Protocol):
    """A type of values."""

    def fits(self, value: Any, /) -> bool:
        """Return whether a value is of this type, with all of its members."""
        ...

    def cleaned(self, value: Any, path: str, odd: list[str], /) -> Any:
        """Return the value without odd members, and add their paths; None if nothing is left."""
        ...


class Scalar:
    """A value that is taken or left as a whole."""

    def __init__(self, fits: Callable[[Any], bool]) -> None:
        """Accept what `fits` accepts."""
        self.fits = fits

    def cleaned(self, _value: Any, path: str, odd: list[str], /) -> Any:
        """Return None: it does not fit."""
        odd.append(path)


class Structure:
    """An object with members of known types; None, or no member, is always allowed."""

    def __init__(self, **members: Shape) -> None:
        """Check these members; others may be anything."""
        self._members = tuple(members.items())

    def fits(self, value: Any) -> bool:
        """Return whether it is an object whose members fit."""
        if not isinstance(value, dict):
            return False
        for name, shape in self._members:
            member = value.get(name)
            if member is not None and not shape.fits(member):
                return False
        return True

    def cleaned(self, value: Any, path: str, odd: list[str], /) -> Any:
        """Return the object without odd members; None if it is no object."""
        if not isinstance(value, dict):
            odd.append(path)
            return None
        result = dict(value)
        for name, shape in self._members:
            member = value.get(name)
            if member is None or shape.fits(member):
                continue
            clean = shape.cleaned(member, f"{path}.{name}" if path else name, odd)
            if clean is None:
                del result[name]
            else:
                result[name] = clean
        return result


class ListOf:
    """A list of values of one type.

    An odd item is replaced by an empty object rather than left out: attempts are numbered by their
    position.
    """

    def __init__(self, item: Shape) -> None:
        """Check each item."""
        self._item = item

    def fits(self, value: Any) -> bool:
        """Return whether it is a list whose items fit."""
        return isinstance(value, list) and all(map(self._item.fits, value))

    def cleaned(self, value: Any, path: str, odd: list[str], /) -> Any:
        """Return the list without odd members of its items; None if it is no list."""
        if not isinstance(value, list):
            odd.append(path)
            return None
        result = []
        for item in value:
            clean = item
            if not self._item.fits(item):
                clean = self._item.cleaned(item, f"{path}[]", odd)
            if clean is not None:
                result.append(clean)
            elif isinstance(self._item, Structure):
                result.append({})
        return result


class MapOf:
    """An object that maps texts to values of one type."""

    def __init__(self, value: Shape) -> None:
        """Check each value."""
        self._value = value

    def fits(self, value: Any) -> bool:
        """Return whether it is an object whose values fit."""
        return isinstance(value, dict) and all(map(self._value.fits, value.values()))

    def cleaned(self, value: Any, path: str, odd: list[str], /) -> Any:
        """Return the object without odd values; None if it is no object."""
        if not isinstance(value, dict):
            odd.append(path)
            return None
        odd += [f"{path}.{key}" for key, each in value.items() if not self._value.fits(each)]
        return {key: each for key, each in value.items() if self._value.fits(each)}


def _is_number(value: object) -> bool:
    # Larger integers, which JSON may have, do not fit into a float.
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return -_MAX_NUMBER < value < _MAX_NUMBER


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


TEXT = Scalar(lambda value: isinstance(value, str))
NUMBER = Scalar(_is_number)
WHOLE = Scalar(_is_whole)
COUNT = Scalar(lambda value: _is_whole(value) and 0 <= value <= _MAX_COUNT)
TIME = Scalar(lambda value: _is_number(value) and 0 <= value <= _MAX_MILLISECONDS)
"""Milliseconds since the epoch."""

SECONDS = Scalar(lambda value: _is_number(value) and 0 <= value <= _MAX_SECONDS)
AMOUNT = Scalar(lambda value: isinstance(value, str) or _is_number(value))
"""A number, or a number as text: resourceRequirements have their values as text."""

_NAME_AND_VALUE = Structure(name=TEXT, value=TEXT)
_CONTAINER = Structure(
    name=TEXT,
    image=TEXT,
    command=ListOf(TEXT),
    environment=ListOf(_NAME_AND_VALUE),
    env=ListOf(_NAME_AND_VALUE),
    vcpus=AMOUNT,
    memory=AMOUNT,
    resourceRequirements=ListOf(Structure(type=TEXT, value=AMOUNT)),
    logConfiguration=Structure(logDriver=TEXT, options=MapOf(TEXT)),
    exitCode=WHOLE,
    reason=TEXT,
    logStreamName=TEXT,
    taskArn=TEXT,
    containerInstanceArn=TEXT,
)
_TASKS = ListOf(Structure(taskArn=TEXT, containerInstanceArn=TEXT, containers=ListOf(_CONTAINER)))
_ECS = Structure(taskProperties=_TASKS)
_EKS = Structure(
    podProperties=Structure(
        podName=TEXT,
        nodeName=TEXT,
        metadata=Structure(namespace=TEXT),
        containers=ListOf(_CONTAINER),
        initContainers=ListOf(_CONTAINER),
    )
)
_ATTEMPTS = ListOf(
    Structure(
        container=_CONTAINER,
        containers=ListOf(_CONTAINER),
        initContainers=ListOf(_CONTAINER),
        taskProperties=_TASKS,
        startedAt=TIME,
        stoppedAt=TIME,
        statusReason=TEXT,
    )
)
_ARRAY = Structure(
    size=COUNT, index=WHOLE, statusSummary=MapOf(WHOLE), statusSummaryLastUpdatedAt=TIME
)
_NODES = Structure(
    numNodes=COUNT,
    mainNode=WHOLE,
    nodeIndex=WHOLE,
    nodeRangeProperties=ListOf(
        Structure(targetNodes=TEXT, container=_CONTAINER, ecsProperties=_ECS, eksProperties=_EKS)
    ),
)
_COMMON: Mapping[str, Shape] = {
    "jobId": TEXT,
    "status": TEXT,
    "jobName": TEXT,
    "jobArn": TEXT,
    "jobQueue": TEXT,
    "jobDefinition": TEXT,
    "statusReason": TEXT,
    "createdAt": TIME,
    "startedAt": TIME,
    "stoppedAt": TIME,
    "shareIdentifier": TEXT,
    "container": _CONTAINER,
    "arrayProperties": _ARRAY,
    "nodeProperties": _NODES,
}

JOB_SUMMARY = Structure(**_COMMON)
"""https://docs.aws.amazon.com/batch/latest/APIReference/API_JobSummary.html"""

JOB_DETAIL = Structure(
    **_COMMON,
    attempts=_ATTEMPTS,
    eksAttempts=_ATTEMPTS,
    nodeDetails=Structure(nodeIndex=WHOLE),
    ecsProperties=_ECS,
    eksProperties=_EKS,
    dependsOn=ListOf(Structure(jobId=TEXT, type=TEXT)),
    parameters=MapOf(TEXT),
    tags=MapOf(TEXT),
    schedulingPriority=WHOLE,
    timeout=Structure(attemptDurationSeconds=SECONDS),
    retryStrategy=Structure(attempts=WHOLE),
)
"""https://docs.aws.amazon.com/batch/latest/APIReference/API_JobDetail.html"""

JOB_QUEUE = Structure(
    jobQueueName=TEXT,
    jobQueueArn=TEXT,
    state=TEXT,
    status=TEXT,
    statusReason=TEXT,
    priority=WHOLE,
    computeEnvironmentOrder=ListOf(Structure(order=WHOLE, computeEnvironment=TEXT)),
)
JOB_DEFINITION = Structure(
    jobDefinitionName=TEXT, jobDefinitionArn=TEXT, revision=WHOLE, tags=MapOf(TEXT)
)
REGISTERED_DEFINITION = Structure(
    jobDefinitionName=TEXT,
    jobDefinitionArn=TEXT,
    revision=WHOLE,
    type=TEXT,
    platformCapabilities=ListOf(TEXT),
    containerProperties=_CONTAINER,
    ecsProperties=_ECS,
    eksProperties=_EKS,
    timeout=Structure(attemptDurationSeconds=SECONDS),
    retryStrategy=Structure(attempts=WHOLE),
)
COMPUTE_ENVIRONMENT = Structure(
    computeEnvironmentName=TEXT,
    computeEnvironmentArn=TEXT,
    state=TEXT,
    status=TEXT,
    statusReason=TEXT,
    type=TEXT,
    computeResources=Structure(
        type=TEXT, minvCpus=WHOLE, maxvCpus=WHOLE, desiredvCpus=WHOLE, instanceTypes=ListOf(TEXT)
    ),
)
_CAPACITY_USAGE = ListOf(Structure(capacityUnit=TEXT, quantity=NUMBER))
QUEUE_SNAPSHOT = Structure(
    frontOfQueue=Structure(
        jobs=ListOf(Structure(jobArn=TEXT, earliestTimeAtPosition=TIME)), lastUpdatedAt=TIME
    ),
    queueUtilization=Structure(
        totalCapacityUsage=_CAPACITY_USAGE,
        fairshareUtilization=Structure(
            topCapacityUtilization=ListOf(
                Structure(shareIdentifier=TEXT, capacityUsage=_CAPACITY_USAGE)
            )
        ),
    ),
)
REFUSAL = Structure(job=TEXT, code=TEXT, message=TEXT)
"""An error of one job in a bulk operation."""
