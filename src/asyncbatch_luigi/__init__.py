"""Luigi tasks that run as AWS Batch jobs. This module lists the public names."""

try:
    import luigi as _luigi  # noqa: F401 - first, so that the error says what to install
except ModuleNotFoundError as _error:
    if _error.name != "luigi":
        raise
    raise ImportError(
        "asyncbatch_luigi needs Luigi: pip install 'luigi>=3.6,<4'", name="luigi"
    ) from _error

from asyncbatch_luigi._conversions import random_id as _random_id  # noqa: F401 - as Luigi's module
from asyncbatch_luigi._errors import BatchJobException as BatchJobException
from asyncbatch_luigi.array import BatchArrayTask as BatchArrayTask
from asyncbatch_luigi.client import BatchClient as BatchClient
from asyncbatch_luigi.config import POLL_TIME as POLL_TIME
from asyncbatch_luigi.task import BatchTask as BatchTask
from asyncbatch_luigi.worker import OneProcess as OneProcess
from asyncbatch_luigi.worker import build as build

# Tracebacks show where an exception can be imported from.
BatchJobException.__module__ = __name__

__all__ = [
    "POLL_TIME",
    "BatchArrayTask",
    "BatchClient",
    "BatchJobException",
    "BatchTask",
    "OneProcess",
    "build",
]
