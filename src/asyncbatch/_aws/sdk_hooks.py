"""Hooks in the SDK's clients: plain JSON parsing, no retries, no redirects, a limit of time.

Parsing: for a DescribeJobs of 100 jobs, botocore's parser takes five sixths of the time, because it
walks the model of every member. The responses of the operations in `_PLAIN_JSON` are JSON without
timestamps or blobs, so `json.loads` gives the same values; a property test proves it. Members that
botocore does not know are kept, where its own parser drops them. The hook is ``before-parse``,
which botocore documents for customised parsing. Where a future botocore does not call it, its own
parser does the work. That parser reads error responses, and fails on a body that is no object or
has members of another type; so the hook leaves it only the texts that an error consists of.

Retries: these clients send every request once; the one retry loop is in `retrying`. With one
attempt allowed, the SDK still runs its retry handler on every response and adds two headers with
the attempt number, which takes 7 % of the CPU time of a SubmitJob. Handlers that a future botocore
registers under other names stay, and are harmless.

Redirects: aiohttp follows them with all headers, and for 307 and 308 with the body. The session
token and the environment of jobs would go to any host that a response names. AWS redirects no call
of AWS Batch or CloudWatch Logs, and botocore without aiohttp follows none.

Time: the SDK limits the time of each read only, so a response that trickles in would never end, and
a client that waits for it could not close.
"""

import json
from typing import Any

_PLAIN_JSON = {
    "batch": (
        "SubmitJob",
        "DescribeJobs",
        "ListJobs",
        "TerminateJob",
        "TerminateJobs",
        "CancelJob",
        "CancelJobs",
        "DescribeJobQueues",
        "DescribeJobDefinitions",
        "RegisterJobDefinition",
    ),
    "cloudwatch-logs": ("GetLogEvents", "FilterLogEvents"),
}
_FIRST_ERROR_STATUS = 301  # as in botocore's parsers
_ERROR_MEMBERS = ("__type", "code", "Code", "message", "Message")
_RESPONSE_SECONDS = 90.0  # from the start of a request to the end of its response


class UnreadableBody(ValueError):
    """The body of a successful response cannot be read."""


def install(client: Any) -> None:
    """Install the hooks in a client; other clients of the same session are not changed."""
    service = client.meta.service_model.service_id.hyphenize()
    for operation in _PLAIN_JSON.get(service, ()):
        client.meta.events.register(f"before-parse.{service}.{operation}", parse_plain_json)
    _remove_retries(client, service)
    _guard_requests(client)


def _remove_retries(client: Any, service: str) -> None:
    from botocore import handlers

    events = client.meta.events
    events.unregister(f"needs-retry.{service}", unique_id=f"retry-config-{service}")
    if (add_headers := getattr(handlers, "add_retry_headers", None)) is not None:
        events.unregister("request-created", add_headers)


class _GuardedSession:
    """An aiohttp session that returns a redirect as a response, and gives up on a slow one."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def request(self, method: str, **options: Any) -> Any:
        import aiohttp

        # None, or no timeout at all, stands for the session's.
        limits = options.pop("timeout", None) or self._session.timeout
        options["timeout"] = aiohttp.ClientTimeout(
            total=_RESPONSE_SECONDS,
            connect=limits.connect,
            sock_connect=limits.sock_connect,
            sock_read=limits.sock_read,
        )
        return self._session.request(method, **options, allow_redirects=False)


def _guard_requests(client: Any) -> None:
    """Make the client's HTTP session follow no redirect and end each call; it has no setting."""
    from aiobotocore.httpsession import AIOHTTPSession

    http_session = client._endpoint.http_session  # noqa: SLF001 - no public access
    if not isinstance(http_session, AIOHTTPSession):
        return  # httpx follows none, and the in-process door has no other host
    make_session = http_session._get_session  # noqa: SLF001

    async def get_session(proxy_url: str | None) -> _GuardedSession:
        return _GuardedSession(await make_session(proxy_url))

    http_session._get_session = get_session  # noqa: SLF001


def parse_plain_json(
    response_dict: dict[str, Any] | None = None,
    customized_response_dict: dict[str, Any] | None = None,
    **_: object,
) -> None:
    """Parse the body of a successful response, and leave an empty one to botocore's parser.

    A body that is no JSON is left to botocore's parser, which raises a clear error. Of the body of
    an error, the code and the message are left to it.

    Raises:
        UnreadableBody: The body is no object, or nested too deeply: botocore's parser would fail.
    """
    if response_dict is None or customized_response_dict is None:
        return
    is_error = response_dict.get("status_code", _FIRST_ERROR_STATUS) >= _FIRST_ERROR_STATUS
    body = response_dict.get("body")
    try:
        response = json.loads(body)  # type: ignore[arg-type] # other types raise a TypeError
    except RecursionError:
        if not is_error:
            raise UnreadableBody("the response is nested too deeply") from None
        response = None
    except (TypeError, ValueError):
        if not isinstance(body, bytes) or (response := _parsed_leniently(body)) is None:
            return
    if is_error:
        response_dict["body"] = json.dumps(_error_members(response)).encode()
        return
    if not isinstance(response, dict):
        raise UnreadableBody(f"the response is no JSON object: {response!r:.100}")
    customized_response_dict.update(response)
    response_dict["body"] = b"{}"


def _error_members(response: object) -> dict[str, str]:
    """Return the code and the message of an error response, as far as they are texts."""
    if not isinstance(response, dict):
        return {} if response is None else {"message": f"{response!r:.200}"}
    members = {name: response.get(name) for name in _ERROR_MEMBERS}
    return {name: value for name, value in members.items() if isinstance(value, str)}


def _parsed_leniently(body: bytes) -> Any:
    """Parse JSON in which single values cannot be read; None if it is no JSON.

    Bytes that are no UTF-8 become U+FFFD, numbers that are too long for an int become infinity.
    Such a value costs its own job, not the other jobs in the response.
    """
    try:
        return json.loads(body.decode(errors="replace"), parse_int=_int_or_infinity)
    except (RecursionError, ValueError):
        return None


def _int_or_infinity(digits: str) -> float:
    try:
        return int(digits)
    except ValueError:  # Python has a limit of some thousand digits
        return float(digits)
