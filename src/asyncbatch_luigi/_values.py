"""From the values that tasks have to those that requests take."""

import random
import string
from collections.abc import Mapping

from asyncbatch import InvalidRequest


def as_text(field: str, values: Mapping[str, object]) -> dict[str, str]:
    """Return what values say in text.

    Raises:
        InvalidRequest: A value is missing, which is a mistake and not the text None.
    """
    for value in values.values():
        if value is None:
            raise InvalidRequest(field, value, "a value; leave out what the definition decides")
    return {name: str(value) for name, value in values.items()}


def random_id() -> str:
    """Return a job name as ``luigi.contrib.batch`` makes them; the client's own are unique."""
    letters = random.Random().sample(string.ascii_lowercase, 8)
    return "batch-job-" + "".join(letters)
