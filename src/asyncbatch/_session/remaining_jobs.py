"""The message about jobs that continue when a program ends: how many, which, how to find them.

It is one message, so that a person who pressed Ctrl-C reads it, and it names each job once.
"""

from collections.abc import Callable, Iterable

from asyncbatch._session.records import JobRecord

_MAX_IDS = 10


class RemainingJobs:
    """Composes the message, and remembers which jobs were named in one already."""

    def __init__(
        self,
        region: str,
        *,
        console_url: Callable[[str], str | None],
        can_resume: bool,
        is_needed: bool = True,
    ) -> None:
        """Start with no job named.

        Args:
            region: AWS Region of the jobs.
            console_url: Returns the console page of a job by its id, if there is one.
            can_resume: Whether a journal remembers them.
            is_needed: Whether jobs outlive the program; else there is never a message.
        """
        self._region = region
        self._console_url = console_url
        self._is_needed = is_needed
        self._can_resume = can_resume
        self._named: set[str] = set()

    def message(self, jobs: Iterable[JobRecord]) -> str | None:
        """Return the message about those jobs that were not named before; None without any."""
        if not self._is_needed:
            return None
        new = dict.fromkeys(job.id for job in jobs if job.id not in self._named)
        # The children of an array that is named itself need no mention.
        left = [job_id for job_id in new if _parent(job_id) not in new]
        if not left:
            return None
        self._named.update(left)
        count = "1 job continues" if len(left) == 1 else f"{len(left)} jobs continue"
        return f"{count} in AWS Batch ({self._region}). {'; '.join(self._next_steps(left))}."

    def _next_steps(self, ids: list[str]) -> Iterable[str]:
        """Yield ways to follow the jobs again, and to see them."""
        some = ids[:_MAX_IDS]
        if self._can_resume:
            yield "Follow again: await batch.resume(), with the same journal"
        elif len(ids) > _MAX_IDS:
            yield f"Follow again: await batch.attach(ids), beginning with {some}"
            yield "the log has all ids at level INFO"
        else:
            yield f"Follow again: await batch.attach({some})"
        yield f"describe: aws batch describe-jobs --region {self._region} --jobs {' '.join(some)}"
        url = self._console_url(ids[0])
        if url is not None:
            yield f"console: {url if len(ids) == 1 else url.partition('/detail/')[0]}"


def _parent(job_id: str) -> str | None:
    parent, colon, _ = job_id.partition(":")
    return parent if colon else None
