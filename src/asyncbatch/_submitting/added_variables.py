"""Environment variables that are added to a request when it is sent: the context of a trace.

They are added after everything that identifies a request or compares it with a job: journal keys,
generated names, coalescing, look-ups. They never make a legal request illegal: they are left out
where there is no room, where the request has one of them, and where AWS refuses them.
"""

import logging

from asyncbatch._aws.retrying import Arguments
from asyncbatch._aws.wire import requests
from asyncbatch._submitting.marks import Submission
from asyncbatch._values.errors import APIError

logger = logging.getLogger("asyncbatch")


class AddedVariables:
    """Adds variables to the requests of one client."""

    def __init__(self) -> None:
        """Start with no refusal."""
        self._has_warned_of_size = False
        self._refused: set[str] = set()

    def added_to(self, arguments: Arguments, submission: Submission) -> Arguments:
        """Return arguments of SubmitJob with the variables of a submission, or as they are."""
        if not submission.variables or submission.job_definition in self._refused:
            return arguments
        extended = requests.with_variables(arguments, submission.variables)
        if extended is not None:
            return extended
        if not self._has_warned_of_size:
            self._has_warned_of_size = True
            logger.warning(
                "no room for %s in the request of job %s, which is submitted without; further such"
                " requests are not logged",
                " and ".join(submission.variables),
                submission.name,
            )
        return arguments

    @staticmethod
    def may_be_refused(refusal: APIError, arguments: Arguments, extended: Arguments) -> bool:
        """Return whether AWS may have refused a request for the overrides that were added.

        Jobs on Amazon EKS and multi-node jobs accept no overrides of a container. A request that
        has overrides of its own is refused for another reason, and so is one with a more specific
        error.
        """
        return (
            extended is not arguments
            and "containerOverrides" not in arguments
            and type(refusal) is APIError
        )

    def note_refused(self, submission: Submission, refusal: APIError) -> None:
        """Note that AWS accepted a request only without the variables."""
        if submission.job_definition not in self._refused:
            self._refused.add(submission.job_definition)
            logger.warning(
                "jobs of %s accept no environment variables and are submitted without %s: %s",
                submission.job_definition,
                " and ".join(submission.variables),
                refusal,
            )
