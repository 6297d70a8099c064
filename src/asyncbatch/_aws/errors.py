"""botocore's exceptions in our words: who is to blame, and may the request have arrived?

Whether a request may have arrived decides whether SubmitJob may be sent again. Only a fault while
connecting is safe. aiobotocore says EndpointConnectionError both for a refused connection and for
one that was reset under way, so the transport's own error inside it decides.
"""

import re
import socket

import aiohttp
from botocore import exceptions as boto
from botocore.parsers import ResponseParserError

from asyncbatch._values.errors import (
    AccessDenied,
    APIError,
    AsyncBatchError,
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
_EXPIRED = frozenset(
    [
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "RequestTimeTooSkewed",
        "InvalidToken",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
    ]
)
_TOO_MANY_REQUESTS = 429
_FORBIDDEN = 403
_SERVER_SIDE = 500

# SubmitJob has one code, ClientException, for everything; only its words tell what is wrong.
_WORDS: tuple[tuple[re.Pattern[str], type[APIError]], ...] = (
    (
        re.compile(r"job\s?queue .*(not found|does not exist|disabled|not enabled)", re.IGNORECASE),
        JobQueueNotFound,
    ),
    (
        re.compile(r"job\s?definition .*(not found|does not exist|not in ACTIVE)", re.IGNORECASE),
        JobDefinitionNotFound,
    ),
)

_NEEDS_A_PERSON = (
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


def translated(error: Exception, operation: str) -> AsyncBatchError | None:
    """Return the error in our words; None where it is not about AWS, but a bug."""
    if isinstance(error, boto.ClientError):
        return _answered(error, operation)
    if isinstance(error, boto.NoRegionError):
        return NoRegion()
    if isinstance(error, _NEEDS_A_PERSON):
        return NoCredentials(str(error))
    if isinstance(error, boto.ParamValidationError):
        return InvalidRequest(operation, "…", str(error))
    if isinstance(error, boto.CredentialRetrievalError | boto.MetadataRetrievalError):
        return CredentialsExpired(operation, type(error).__name__, str(error))
    return _unanswered(error, operation)


def _answered(error: boto.ClientError, operation: str) -> APIError:
    """Translate an error that AWS answered with."""
    body = error.response.get("Error", {})
    meta = error.response.get("ResponseMetadata", {})
    code = str(body.get("Code", "Unknown"))
    message = str(body.get("Message") or "AWS gave no message")
    status = meta.get("HTTPStatusCode")
    kind = _kind(code, message, status or 0)
    return kind(operation, code, message, status=status, request_id=meta.get("RequestId"))


def _kind(code: str, message: str, status: int) -> type[APIError]:
    if code in _THROTTLED or status == _TOO_MANY_REQUESTS:
        return Throttled
    if status >= _SERVER_SIDE:
        return ServiceFault
    if code in _EXPIRED:
        return CredentialsExpired
    if code.startswith("AccessDenied") or status == _FORBIDDEN:
        return AccessDenied
    if code == "ResourceNotFoundException":
        return ResourceNotFound
    return next((kind for pattern, kind in _WORDS if pattern.search(message)), APIError)


def _unanswered(error: Exception, operation: str) -> AsyncBatchError | None:
    """Translate a fault of the network, or an answer that was cut off."""
    name = type(error).__name__
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


def _with_cause(error: Exception, inner: object) -> str:
    return f"{error} ({inner})" if inner else str(error)
