"""Errors of a request, with AWS's codes and messages.

The engine raises them where a rule is checked; the service renders them as responses.
"""


class ServiceError(Exception):
    """A request failed; the caller receives this error.

    Attributes:
        code: AWS's error code, such as `ClientException`.
        message: The error message.
        status: The HTTP status.
    """

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def client_error(message: str) -> ServiceError:
    """Return AWS Batch's error for a request that cannot succeed unchanged."""
    return ServiceError("ClientException", message)


def executing_error(problem: str, request_id: str) -> ServiceError:
    """Return the error in which AWS Batch wraps most validation messages."""
    return client_error(f"Error executing request, Exception : {problem}, RequestId: {request_id}")


def not_supported(what: str) -> ServiceError:
    """Return the error for a feature of AWS that the local engine does not have."""
    return client_error(f"The local engine does not support {what}.")


def invalid_parameter(message: str) -> ServiceError:
    """Return CloudWatch Logs' error for an invalid parameter."""
    return ServiceError("InvalidParameterException", message)


def resource_not_found(what: str) -> ServiceError:
    """Return CloudWatch Logs' error for a log group or log stream that does not exist."""
    return ServiceError("ResourceNotFoundException", f"The specified {what} does not exist.")
