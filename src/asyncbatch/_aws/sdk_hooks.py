"""What our SDK clients do differently: plain JSON parsing of frequent operations, and no retries.

Parsing: for a DescribeJobs of 100 jobs, botocore's parser takes five sixths of the time, because it
walks the model of every member. The operations in `_PLAIN_JSON` answer in JSON without timestamps
or blobs, so `json.loads` gives the same values; a property test proves it. Members that botocore
does not know are kept, where its own parser drops them. The hook is ``before-parse``, which
botocore documents for customised parsing. Where a future botocore does not call it, its own parser
does the work.

Retries: a client of ours sends every request once; the one retry loop is in `retrying`. With one
attempt allowed, the SDK still runs its retry handler on every response and adds two headers with
the attempt number, which takes a fifteenth of the CPU time of a SubmitJob. Handlers that a future
botocore registers under other names stay, and are harmless.
"""

import json
from typing import Any

_PLAIN_JSON = {
    "batch": ("SubmitJob", "DescribeJobs", "ListJobs"),
    "cloudwatch-logs": ("GetLogEvents", "FilterLogEvents"),
}
_ERROR = 300


def install(client: Any) -> None:
    """Install both hooks in a client; other clients of the session stay as they are."""
    service = client.meta.service_model.service_id.hyphenize()
    for operation in _PLAIN_JSON.get(service, ()):
        client.meta.events.register(f"before-parse.{service}.{operation}", parse_plain_json)
    _remove_retries(client, service)


def _remove_retries(client: Any, service: str) -> None:
    from botocore import handlers

    events = client.meta.events
    events.unregister(f"needs-retry.{service}", unique_id=f"retry-config-{service}")
    if (add_headers := getattr(handlers, "add_retry_headers", None)) is not None:
        events.unregister("request-created", add_headers)


def parse_plain_json(
    response_dict: dict[str, Any] | None = None,
    customized_response_dict: dict[str, Any] | None = None,
    **_: object,
) -> None:
    """Read a successful answer's body, and leave the parser an empty one.

    A body that is no JSON object is left to the parser, whose error says what is wrong with it.
    """
    if response_dict is None or customized_response_dict is None:
        return
    if response_dict.get("status_code", _ERROR) >= _ERROR:
        return
    try:
        answer = json.loads(response_dict["body"])
    except (KeyError, TypeError, ValueError):
        return
    if isinstance(answer, dict):
        customized_response_dict.update(answer)
        response_dict["body"] = b"{}"
