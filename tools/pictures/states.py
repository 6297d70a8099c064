"""The states of a job and the changes between them, as the local engine makes them.

The changes are recorded while jobs with all kinds of ends run in virtual time.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from asyncbatch import AsyncBatchClient, Dependency, DependencyType, Job, JobStatus
from asyncbatch.local import Launch, LocalBatch, Script, ScriptedExecutor, run_in_virtual_time
from asyncbatch.local._engine.job_store import JobStore
from tools.pictures.svg import Canvas

Change = tuple[JobStatus, JobStatus]

_BOX = (104, 40)
# Centre of each state. Left to right is the usual way of a job.
_CENTRES = {
    JobStatus.SUBMITTED: (72, 190),
    JobStatus.PENDING: (210, 80),
    JobStatus.RUNNABLE: (340, 190),
    JobStatus.STARTING: (480, 190),
    JobStatus.RUNNING: (620, 190),
    JobStatus.SUCCEEDED: (660, 80),
    JobStatus.FAILED: (660, 320),
}
# Arrows that are no straight line: path, and where the label is.
_CURVED = {
    (JobStatus.STARTING, JobStatus.RUNNABLE): "M470 210C470 250 360 250 360 212",
    (JobStatus.RUNNING, JobStatus.RUNNABLE): "M600 170C600 120 350 120 350 168",
    (JobStatus.PENDING, JobStatus.FAILED): "M210 100V331H606",
    (JobStatus.RUNNABLE, JobStatus.FAILED): "M330 210V318H606",
    (JobStatus.STARTING, JobStatus.FAILED): "M500 210V305H606",
}
_LABELS = (
    (480, 126, "next attempt"),
    (432, 76, "an array: all children have ended"),
    (400, 350, "cancelled, terminated, or a dependency failed"),
    (690, 252, "exit code,"),
    (690, 267, "timeout"),
)


def draw() -> str:
    """Return the picture."""
    canvas = Canvas(720, 305, "States of an AWS Batch job, and the changes between them", top=55)
    for change in sorted(changes(), key=_order):
        canvas.edge(_CURVED.get(change) or _straight(*change))
    for x, y, label in _LABELS:
        canvas.text(x, y, label, style="small soft")
    width, height = _BOX
    for state, (x, y) in _CENTRES.items():
        canvas.box(x - width / 2, y - height / 2, width, height, [state.value])
    return canvas.render()


def changes() -> set[Change]:
    """Return all changes of state that the local engine makes."""
    with _recorded() as made:
        run_in_virtual_time(_run_jobs)
    return made


@contextmanager
def _recorded() -> Iterator[set[Change]]:
    made: set[Change] = set()
    move = JobStore.move

    def record(store: JobStore, job: object, status: JobStatus) -> None:
        made.add((job.status, status))  # type: ignore[attr-defined]
        move(store, job, status)  # type: ignore[arg-type]

    with mock.patch.object(JobStore, "move", record):
        yield made


def _script(launch: Launch) -> Script:
    """Choose an attempt's outcome by the name of its job."""
    outcome = launch.name.partition("-")[0]
    if outcome == "host":
        return Script.host_lost(after=5)
    if outcome == "image":
        return Script.image_error()
    exit_code = 1 if outcome == "fails" else 0
    return Script(startup=60, duration=60, exit_code=exit_code)


async def _run_jobs() -> None:
    async with (
        LocalBatch(vcpus=8, executor=ScriptedExecutor(_script)) as local,
        AsyncBatchClient(session=local.session) as batch,
    ):
        container = {"image": "any", "vcpus": 1, "memory": 64, "command": ["true"]}
        job = {"jobDefinitionName": "job", "type": "container", "containerProperties": container}
        await batch.register_job_definition(job)

        async def submit(name: str, **fields: object) -> Job:
            return await batch.submit("job", name=name, **fields)  # type: ignore[arg-type]

        fails = await submit("fails", retry=2)
        waits = await submit("waits", depends_on=[fails])
        refused = await submit("refused", depends_on=[fails])
        running = await submit("running")
        jobs = [
            *(fails, waits, refused, running),
            await submit("image", retry=2),
            await submit("host", retry=2),
            await submit("array", array_size=2),
            await submit(
                "steps", array_size=2, depends_on=[Dependency(type=DependencyType.SEQUENTIAL)]
            ),
            await submit("fails-array", array_size=2),
        ]
        large = await submit("large", vcpus=8)
        await large.wait(until=JobStatus.RUNNABLE)
        await large.cancel()
        await running.wait(until=JobStatus.RUNNING)
        await running.terminate()
        starting = await submit("starting")
        await starting.wait(until=JobStatus.STARTING)
        await starting.terminate()
        for each in [*jobs, large, starting]:
            await each.result(check=False)


def _order(change: Change) -> tuple[int, int]:
    states = list(JobStatus)
    return states.index(change[0]), states.index(change[1])


def _straight(start: JobStatus, end: JobStatus) -> str:
    """Return the line from the border of one box to that of another."""
    (x1, y1), (x2, y2) = _CENTRES[start], _CENTRES[end]
    width, height = _BOX
    dx, dy = x2 - x1, y2 - y1
    part = min(width / 2 / abs(dx) if dx else 9, height / 2 / abs(dy) if dy else 9)
    return f"M{x1 + dx * part:.0f} {y1 + dy * part:.0f}L{x2 - dx * part:.0f} {y2 - dy * part:.0f}"
