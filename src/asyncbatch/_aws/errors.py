"""Translation of botocore's exceptions into those of this package.

Whether a request may have arrived decides whether SubmitJob may be sent again. Only after a fault
while connecting it is certain that it did not. aiobotocore raises EndpointConnectionError both for
a refused connection and for one that was reset later, so the error of the transport inside it
decides.
"""

import re
import socket
import traceback
import types

import aiohttp
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from asyncbatch._aws.sdk_hooks import UnreadableBody
from asyncbatch._aws.wire.responses import UNREADABLE
from asyncbatch._values.errors import (
    AccessDenied,
    APIError,
    AsyncBatchError,
    ConfigurationError,
    ConnectionFailed,
    CredentialsExpired,
    InvalidRequest,
    JobDefinitionNotFound,
    JobQueueNotFound,
    NoCredentials,
    NoRegion,
    ResourceNotFound,
    ServiceFault,
    Throttled,
)
from asyncbatch._values.text import one_line

# Codes of botocore's own standard retry mode, and Batch's TooManyRequestsException.
# https://docs.aws.amazon.com/sdkref/latest/guide/feature-retry-behavior.html
_THROTTLED = frozenset(
    [
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestThrottled",
        "RequestThrottledException",
        "TooManyRequestsException",
        "RequestLimitExceeded",
        "LimitExceededException",
        "SlowDown",
        "BandwidthLimitExceeded",
        "ProvisionedThroughputExceededException",
        "429",
    ]
)
# https://docs.aws.amazon.com/batch/latest/APIReference/CommonErrors.html, and names that other
# services and older endpoints use for the same.
_LOG_IN = "Log in again (aws sso login) or renew the credentials."
_WRONG_KEY = (
    "The secret key does not belong to the access key. Check both where they are set:"
    " `aws configure list` shows the place."
)
_UNKNOWN_KEY = (
    "AWS does not know the access key or its session token: it is deleted, inactive, mistyped, or"
    " of another partition, or a session token of earlier credentials is left in the environment."
    " `aws configure list` shows where they are set."
)
_WRONG_CLOCK = "Set the clock of this machine: AWS allows a difference of five minutes."
_CREDENTIALS = {
    "ExpiredToken": _LOG_IN,
    "ExpiredTokenException": _LOG_IN,
    "RequestExpired": _WRONG_CLOCK,
    "RequestTimeTooSkewed": _WRONG_CLOCK,
    "UnrecognizedClientException": _UNKNOWN_KEY,
    "InvalidClientTokenId": _UNKNOWN_KEY,
    "InvalidToken": _UNKNOWN_KEY,
    "InvalidSignatureException": _WRONG_KEY,
    "SignatureDoesNotMatch": _WRONG_KEY,
    "MissingAuthenticationToken": _LOG_IN,
    "MissingAuthenticationTokenException": _LOG_IN,
}
"""What to do about each error code for credentials that AWS does not accept."""
_REDIRECT = 300
_CLIENT_SIDE = 400
_TOO_MANY_REQUESTS = 429
_FORBIDDEN = 403
_SERVER_SIDE = 500

# SubmitJob has one code, ClientException, for everything; only the message names the problem.
_BY_MESSAGE: tuple[tuple[re.Pattern[str], type[APIError]], ...] = (
    (
        re.compile(r"job\s?queue .*(not found|does not exist|disabled|not enabled)", re.IGNORECASE),
        JobQueueNotFound,
    ),
    (
        re.compile(r"job\s?definition .*(not found|does not exist|not in ACTIVE)", re.IGNORECASE),
        JobDefinitionNotFound,
    ),
)

# Faults that no retry can cure: a person has to configure something or to log in.
_NEEDS_LOGIN = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.ProfileNotFound,
    boto.ConfigNotFound,
    boto.ConfigParseError,
    boto.SSOError,
    boto.TokenRetrievalError,
    boto.NoAuthTokenError,
    # `aws login` came with botocore 1.41.
    getattr(boto, "LoginError", boto.SSOError),
)
_WHILE_CONNECTING = (boto.ConnectTimeoutError, boto.ProxyConnectionError, boto.SSLError)
_CONNECTOR_ERRORS = (aiohttp.ClientConnectorError, socket.gaierror, ConnectionRefusedError)
# Packages whose code reads responses.
_READERS = {"aiobotocore", "botocore", "json"}
# A line of the SDK's validation.
_WRONG_TYPE = re.compile(r"(for parameter \S*, value: )(.*?)(, type: <class)", re.DOTALL)


def translated(error: Exception, operation: str) -> AsyncBatchError | None:
    """Return the error of this package; None for an error that is not about AWS, but a bug."""
    if isinstance(error, boto.ClientError):
        return _response_error(error, operation)
    if isinstance(error, boto.NoRegionError):
        return NoRegion()
    if isinstance(error, _NEEDS_LOGIN):
        return NoCredentials(str(error))
    if isinstance(error, boto.ParamValidationError):
        return InvalidRequest(operation, "…", _WRONG_TYPE.sub(_without_secret, str(error)))
    if isinstance(error, boto.CredentialRetrievalError | boto.MetadataRetrievalError):
        return CredentialsExpired(operation, type(error).__name__, str(error))
    return _mock_error(error, operation) or _connection_error(error, operation)


def _mock_error(error: Exception, operation: str) -> ConfigurationError | None:
    if not _is_of_a_mock(error):
        return None
    return ConfigurationError(
        f"{operation}: a mock in this process, such as moto's mock_aws, responded in place of AWS,"
        " and its response cannot be awaited. Use a server instead: moto's server mode"
        " (moto.server.ThreadedMotoServer), or asyncbatch.local.LocalBatch. See"
        " docs/how-to/testing.md."
    )


def _is_of_a_mock(error: Exception) -> bool:
    """Return whether aiobotocore got a response that a handler of botocore's events has made.

    Such handlers respond instead of the HTTP session, and make responses for synchronous code.
    """
    traceback = error.__traceback__
    if not isinstance(error, TypeError) or traceback is None:
        return False
    while traceback.tb_next is not None:
        traceback = traceback.tb_next
    frame = traceback.tb_frame
    place = (frame.f_globals.get("__name__"), frame.f_code.co_name)
    return place == ("aiobotocore.endpoint", "convert_to_response_dict")


def unusable_configuration(error: Exception, *, is_about_credentials: bool) -> AsyncBatchError:
    """Return the error for one that the SDK raised while it read its configuration.

    Args:
        error: The SDK's error, of any type, or one of this package.
        is_about_credentials: Whether credentials could not be read.
    """
    if isinstance(error, AsyncBatchError):
        return error
    if isinstance(error, boto.NoRegionError):
        return NoRegion()
    kind = "" if isinstance(error, boto.BotoCoreError) else f"{type(error).__name__}: "
    detail = f"{kind}{error}"
    if isinstance(error, _NEEDS_LOGIN) or is_about_credentials:
        return NoCredentials(detail)
    return ConfigurationError(
        f"the AWS configuration cannot be used: {one_line(detail).rstrip('. ')}. Check the profile"
        " (~/.aws/config, ~/.aws/credentials) and the environment variables AWS_*."
    )


def _response_error(error: boto.ClientError, operation: str) -> APIError:
    """Translate an error in a response of AWS."""
    body = error.response.get("Error", {})
    meta = error.response.get("ResponseMetadata", {})
    code = str(body.get("Code", "Unknown"))
    message = str(body.get("Message") or "AWS gave no message")
    status = meta.get("HTTPStatusCode")
    if status is not None and _REDIRECT <= status < _CLIENT_SIDE:
        problem = f"HTTP status {status} is not from AWS (a proxy or a login page?)"
        return ConnectionFailed(operation, "UnexpectedResponse", problem, may_have_arrived=True)
    kind = _kind(code, message, status or 0)
    if kind is CredentialsExpired:
        # A clock that is wrong is reported as a signature that has expired, or is not yet valid.
        is_clock = "Signature expired" in message or "Signature not yet current" in message
        return CredentialsExpired(
            *(operation, code, message),
            next_step=_WRONG_CLOCK if is_clock else _CREDENTIALS[code],
            status=status,
            request_id=meta.get("RequestId"),
        )
    return kind(operation, code, message, status=status, request_id=meta.get("RequestId"))


def _kind(code: str, message: str, status: int) -> type[APIError]:
    if code in _THROTTLED or status == _TOO_MANY_REQUESTS:
        return Throttled
    if status >= _SERVER_SIDE:
        return ServiceFault
    if code in _CREDENTIALS:
        return CredentialsExpired
    if code.startswith("AccessDenied") or status == _FORBIDDEN:
        return AccessDenied
    if code == "ResourceNotFoundException":
        return ResourceNotFound
    return next((kind for pattern, kind in _BY_MESSAGE if pattern.search(message)), APIError)


def _connection_error(error: Exception, operation: str) -> AsyncBatchError | None:
    """Translate a fault of the network, or a response that was cut off."""
    name = type(error).__name__
    if isinstance(error, UnreadableBody) or _is_about_the_response(error):
        return ServiceFault(operation, UNREADABLE, str(error) or name)
    if isinstance(error, _WHILE_CONNECTING):
        return ConnectionFailed(operation, name, str(error), may_have_arrived=False)
    if isinstance(error, boto.EndpointConnectionError):
        inner = getattr(error, "kwargs", {}).get("error")
        arrived = not isinstance(inner, _CONNECTOR_ERRORS)
        return ConnectionFailed(
            operation, name, _with_cause(error, inner), may_have_arrived=arrived
        )
    if isinstance(
        error, boto.HTTPClientError | ResponseParserError | aiohttp.ClientError | OSError
    ):
        return ConnectionFailed(operation, name, str(error) or name, may_have_arrived=True)
    return None


def _is_about_the_response(error: Exception) -> bool:
    """Return whether the SDK failed on a response; it raises whatever Python does on odd ones."""
    if isinstance(error, AsyncBatchError | boto.BotoCoreError | ResponseParserError):
        return False
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    calls = {(_module(frame), frame.f_code.co_name) for frame in frames}
    is_response = ("aiobotocore.endpoint", "_do_get_response") in calls
    return is_response and _module(frames[-1]).partition(".")[0] in _READERS


def _module(frame: types.FrameType) -> str:
    return str(frame.f_globals.get("__name__"))


def _without_secret(wrong: re.Match[str]) -> str:
    """Return a line of the SDK's validation without the value of an environment variable."""
    return f"{wrong[1]}***{wrong[3]}" if "env" in f"{wrong[1]}{wrong[2]}".lower() else wrong[0]


def _with_cause(error: Exception, inner: object) -> str:
    return f"{error} ({inner})" if inner else str(error)
