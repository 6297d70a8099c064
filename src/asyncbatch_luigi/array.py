"""`BatchArrayTask`: one Luigi task that runs as one array job."""

from collections.abc import Mapping
from typing import Any

from asyncbatch import ArrayJob, InvalidRequest, Job, JobRequest, JobResult, coalesce
from asyncbatch_luigi._conversions import as_text
from asyncbatch_luigi._request import build_request
from asyncbatch_luigi.config import asyncbatch
from asyncbatch_luigi.task import BatchTask


class BatchArrayTask(BatchTask):
    """A task that runs one array job, and is done when all children have SUCCEEDED.

    Set either `job_array_size`, the number of children, each of which reads its index from the
    variable ``AWS_BATCH_JOB_ARRAY_INDEX``; or `children`, the variables of each child. The latter
    needs a `job_command`, which is preceded by a line of shell that selects a child's own values;
    see `asyncbatch.coalesce`. A single child is submitted as a plain job.

    It has all attributes of `BatchTask`, and:

    Attributes:
        children: Environment variables of each child by name, in addition to `job_environment`.
        wants_results: Which children's results to fetch after the end: ``failed``, ``all`` or
            ``none``. One call fetches 100 of them.
        child_results: Results of children by index, for code after ``super().run()`` and for
            `on_failure`; empty before.

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

    def _asyncbatch_request(self, settings: asyncbatch) -> JobRequest:
        if self.wants_results not in ("failed", "all", "none"):
            raise InvalidRequest(
                "wants_results", self.wants_results, "must be 'failed', 'all' or 'none'"
            )
        request = build_request(self, settings)
        children = [
            as_text(f"children[{index}]", child) for index, child in enumerate(self.children)
        ]
        if not children:
            if request.array_size is None:
                raise InvalidRequest("children", (), "set children, or job_array_size")
            return request
        if request.array_size is not None:
            raise InvalidRequest(
                "array_size", request.array_size, "must not be set together with children"
            )
        return _one_job(request, children)

    async def _asyncbatch_on_end(self, job: Job) -> None:
        self.child_results = {}
        if self.wants_results == "none":
            return
        if not isinstance(job, ArrayJob):
            self.child_results = {0: await job.result(check=False)}
            return
        wanted = list(job) if self.wants_results == "all" else await job.failed_children()
        results: dict[int, JobResult] = {}
        for child in wanted:  # the client describes the next ones in the same call
            results[int(child.id.rpartition(":")[2])] = await child.result(check=False)
        self.child_results = results


def _one_job(request: JobRequest, children: list[dict[str, str]]) -> JobRequest:
    """Return the one request for all children.

    Raises:
        InvalidRequest: They do not fit into one job.
    """
    requests = [
        request.replace(name=None, environment={**request.environment, **child})
        for child in children
    ]
    jobs = coalesce(requests)
    if len(jobs) > 1:
        reason = f"{len(children)} children would be {len(jobs)} jobs"
        raise InvalidRequest("children", children[:1], f"{reason}; {_RULE}")
    return jobs[0].request.replace(name=request.name)


_RULE = (
    "children of one array must differ only in the values of the same variables, with a job_command"
    " and without job_extra; at most 10,000 children and 6,000 characters of values"
)
