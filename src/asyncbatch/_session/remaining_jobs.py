"""What is said of jobs that run on when a program ends: how many, which, and how to find them.

One message, so that whoever pressed Ctrl-C reads it: each job is told of once.
"""

from collections.abc import Iterable

from asyncbatch._jobs.job import Job

_NAMED = 10


class Farewell:
    """Words the message, and knows of which jobs it was said already."""

    def __init__(self, region: str, *, can_resume: bool, is_needed: bool = True) -> None:
        """Say nothing yet.

        Args:
            region: AWS Region of the jobs.
            can_resume: Whether a journal remembers them.
            is_needed: Whether jobs outlive the program, so that there is anything to say.
        """
        self._region = region
        self._is_needed = is_needed
        self._can_resume = can_resume
        self._told: set[str] = set()

    def words(self, jobs: Iterable[Job]) -> str | None:
        """Return the message about those jobs that were not told of yet; None without any."""
        if not self._is_needed:
            return None
        untold = {job.id: job for job in jobs if job.id not in self._told}
        # The children of an array that is told of go without saying.
        left = [job for one, job in untold.items() if _parent(one) not in untold]
        if not left:
            return None
        self._told.update(job.id for job in left)
        count = "1 job runs" if len(left) == 1 else f"{len(left)} jobs run"
        return f"{count} on in AWS Batch, {self._region}. {'; '.join(self._ways(left))}."

    def _ways(self, jobs: list[Job]) -> Iterable[str]:
        """Yield ways to the jobs."""
        some = [job.id for job in jobs[:_NAMED]]
        if self._can_resume:
            yield "Pick them up again: await batch.resume(), with the same journal"
        elif len(jobs) > _NAMED:
            yield f"Pick them up again: await batch.attach(ids), beginning with {some}"
            yield "the log has all ids at level INFO"
        else:
            yield f"Pick them up again: await batch.attach({some})"
        yield f"look: aws batch describe-jobs --region {self._region} --jobs {' '.join(some)}"
        link = jobs[0].console_url
        if link is not None:
            yield f"console: {link if len(jobs) == 1 else link.partition('/detail/')[0]}"


def _parent(job_id: str) -> str | None:
    parent, colon, _ = job_id.partition(":")
    return parent if colon else None
