"""Values that a client sets in requests which do not set them."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from asyncbatch._values.requests import JobRequest
from asyncbatch._values.retries import RetryStrategy
from asyncbatch._values.unknown_fields import names_unknown_fields


@names_unknown_fields
@dataclass(frozen=True, slots=True, kw_only=True)
class JobDefaults:
    """Values for requests that leave a field unset; pass them as ``defaults=`` to a client.

    A request's own value wins, then this one, then that of the job definition. Tags are merged: of
    two tags with the same key, the request's own wins. The identity of a request, by which a
    journal recognises it, is that of the request as the caller wrote it: changing the defaults
    submits nothing again.

    Attributes:
        queue: Name or ARN of the job queue.
        tags: Tags of every job.
        propagate_tags: Whether AWS copies the tags to the ECS task.
        retry: A `RetryStrategy`, a number of attempts, or a short form such as ``"spot:3"``.
        share_identifier: Share identifier, where the job queues have a fair-share policy.

    Raises:
        InvalidRequest: A value breaks a rule of `JobRequest`.
        UnknownField: There is no default for this field.
    """

    queue: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    propagate_tags: bool | None = None
    retry: RetryStrategy | int | str | None = None
    share_identifier: str | None = None

    def __post_init__(self) -> None:
        """Normalise and check the values as a request does."""
        checked = JobRequest(
            "any",
            queue=self.queue,
            tags=self.tags,
            propagate_tags=self.propagate_tags,
            retry=self.retry,
            share_identifier=self.share_identifier,
        )
        object.__setattr__(self, "tags", checked.tags)
        object.__setattr__(self, "retry", checked.retry)

    def applied_to(self, request: JobRequest) -> JobRequest:
        """Return a request with these values where it has none of its own.

        Raises:
            InvalidRequest: The tags of both are more than AWS allows.
        """
        if self == _NONE:  # most clients
            return request
        names = ("queue", "propagate_tags", "retry", "share_identifier")
        unset = {name: getattr(self, name) for name in names if getattr(request, name) is None}
        return request.replace(**unset, tags={**self.tags, **request.tags})


_NONE = JobDefaults()
