"""How two descriptions of a job differ: pure."""

from asyncbatch._values.descriptions import JobDescription


def differs(old: JobDescription, new: JobDescription) -> bool:
    """Return whether two descriptions differ in a member that changes while a job runs."""
    return (
        is_status_change(old, new)
        or old.is_summary != new.is_summary
        or len(old.attempts) != len(new.attempts)
        or old.containers != new.containers
        or old.started_at != new.started_at
    )


def is_status_change(old: JobDescription, new: JobDescription) -> bool:
    """Return whether observers get an event: another state, another reason, other counts."""
    return (
        old.status != new.status or old.status_reason != new.status_reason or old.array != new.array
    )


def is_progress(old: JobDescription | None, new: JobDescription) -> bool:
    """Return whether the job did something, rather than more became known about it."""
    if old is None or is_status_change(old, new) or old.started_at != new.started_at:
        return True
    # A list has no attempts, so attempts that follow a list may be old.
    return not old.is_summary and len(old.attempts) != len(new.attempts)
