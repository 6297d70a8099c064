"""Without the SDK's retries: a client of ours sends every request once.

With one attempt allowed, the SDK still asks its retry handler about every answer, and tells AWS in
two headers which attempt of how many this is. Both say nothing here, and take a fifteenth of what a
SubmitJob costs. Handlers that a future botocore registers under other names stay, and do no harm.
"""

from typing import Any


def remove(client: Any) -> None:
    """Take the handlers for retries out of a client; other clients of the session keep theirs."""
    from botocore import handlers

    events = client.meta.events
    service = client.meta.service_model.service_id.hyphenize()
    events.unregister(f"needs-retry.{service}", unique_id=f"retry-config-{service}")
    if (tell_attempt := getattr(handlers, "add_retry_headers", None)) is not None:
        events.unregister("request-created", tell_attempt)
