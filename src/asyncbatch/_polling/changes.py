"""What a newer description tells that an older one did not."""

from asyncbatch._values.descriptions import JobDescription


def differs(old: JobDescription, new: JobDescription) -> bool:
    """Whether a description tells anything new; the cheap and usual answer is no."""
    return (
        is_news(old, new)
        or old.is_summary != new.is_summary
        or len(old.attempts) != len(new.attempts)
        or old.containers != new.containers
        or old.started_at != new.started_at
    )


def is_news(old: JobDescription, new: JobDescription) -> bool:
    """Whether an observer should hear of it: another state, another reason, other counts."""
    return (
        old.status != new.status or old.status_reason != new.status_reason or old.array != new.array
    )


def moves_on(old: JobDescription | None, new: JobDescription) -> bool:
    """Whether the job did something, and there was not merely more to learn of it."""
    if old is None or is_news(old, new) or old.started_at != new.started_at:
        return True
    return not old.is_summary and len(old.attempts) != len(new.attempts)
