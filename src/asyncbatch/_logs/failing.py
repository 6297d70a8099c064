"""Errors of this package while it reads a log: they end that log only."""

import logging

from asyncbatch._values.errors import InternalError

logger = logging.getLogger("asyncbatch")


def internal_error(job_id: str, error: Exception) -> InternalError:
    """Log an exception that is a bug with its traceback, and return the error for the job's log."""
    logger.error("reading the log of job %s failed; please report this", job_id, exc_info=error)
    return InternalError(job_id, error)
