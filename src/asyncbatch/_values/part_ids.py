"""Ids of the parts of a job: children ``parent:index`` of an array, nodes ``parent#index``.

Pure. Ids of a response may be any text; one that is no such id has no index.
"""

import re

_INDEX = re.compile("[0-9]{1,9}")
_PART = re.compile(f"[:#]{_INDEX.pattern}")


def child_index(job_id: str) -> int | None:
    """Return the index of an array's child, or of the child that a node belongs to; else None."""
    return _index(job_id.partition(":")[2].partition("#")[0])


def node_index(job_id: str) -> int | None:
    """Return the index of a node of a multi-node job; None for other jobs."""
    return _index(job_id.partition("#")[2])


def is_part(job_id: str, parent: str) -> bool:
    """Return whether an id is that of a child or a node of a job."""
    return job_id.startswith(parent) and _PART.fullmatch(job_id, len(parent)) is not None


def _index(text: str) -> int | None:
    return int(text) if _INDEX.fullmatch(text) else None
