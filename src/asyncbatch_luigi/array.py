"""`BatchArrayTask`: one Luigi task that runs as one array job."""

from collections.abc import Mapping
from typing import Any

from asyncbatch import ArrayJob, InvalidRequest, Job, JobRequest, JobResult, coalesce
from asyncbatch_luigi._conversions import as_text
from asyncbatch_luigi._request import build_request
from asyncbatch_luigi.config import asyncbatch
from asyncbatch_luigi.task import BatchTask


class BatchArrayTask(BatchTask):
    """A task that runs as one array job, and is done when all children have SUCCEEDED.

    Say either how many children there are, in `job_array_size`, and each finds its index in the
    variable ``AWS_BATCH_JOB_ARRAY_INDEX``; or what each child's variables are, in `children`. The
    latter needs a `job_command`, in front of which a line of shell picks a child's own values; see
    `asyncbatch.coalesce`. A single child is a plain job.

    It has all attributes of `BatchTask`, and:

    Attributes:
        children: Environment variables of each child, by name, beside `job_environment`.
        wants_results: Whose results are fetched at the end: ``failed`` children's, ``all``, or
            ``none``. A hundred children take a call.
        child_results: Results of children by their index, for what comes after ``super().run()``
            and for `on_failure`; empty until then.

    Example:
        ```python
        class Load(BatchArrayTask):
            job_definition = "etl"
            job_command = ["sh", "-c", "echo loading $DAY"]
            days = luigi.ListParameter()

            @property
            def children(self):
                return [{"DAY": day} for day in self.days]
        ```
    """

    children: Any = ()
    wants_results: Any = "failed"
    child_results: Mapping[int, JobResult] = {}

    def _request(self, settings: asyncbatch) -> JobRequest:
        if self.wants_results not in ("failed", "all", "none"):
            raise InvalidRequest("wants_results", self.wants_results, "failed, all or none")
        request = build_request(self, settings)
        children = [
            as_text(f"children[{index}]", child) for index, child in enumerate(self.children)
        ]
        if not children:
            if request.array_size is None:
                raise InvalidRequest("children", (), "give children, or job_array_size")
            return request
        if request.array_size is not None:
            raise InvalidRequest("array_size", request.array_size, "None where children are given")
        return _one_job(request, children)

    async def _at_end(self, job: Job) -> None:
        self.child_results = {}
        if self.wants_results == "none":
            return
        if not isinstance(job, ArrayJob):
            self.child_results = {0: await job.result(check=False)}
            return
        wanted = list(job) if self.wants_results == "all" else await job.failed_children()
        results: dict[int, JobResult] = {}
        for child in wanted:  # one call describes those that come next as well
            results[int(child.id.rpartition(":")[2])] = await child.result(check=False)
        self.child_results = results


def _one_job(request: JobRequest, children: list[dict[str, str]]) -> JobRequest:
    """Return the one job that stands for all children.

    Raises:
        InvalidRequest: They do not fit into one job.
    """
    asked = [
        request.replace(name=None, environment={**request.environment, **child})
        for child in children
    ]
    jobs = coalesce(asked)
    if len(jobs) > 1:
        why = f"{len(children)} children are {len(jobs)} jobs"
        raise InvalidRequest("children", _shown(children), f"{why}; {_RULE}")
    return jobs[0].request.replace(name=request.name)


_RULE = (
    "one array holds those that differ in values of the same variables, with a job_command, and "
    "without job_extra; at most 10,000, or 6,000 characters of values"
)


def _shown(children: list[dict[str, str]]) -> list[dict[str, str]]:
    return children[:1]
