"""The errors that the local services answer with, in AWS's words."""


class ServiceError(Exception):
    """A request that is answered with an error.

    Attributes:
        code: AWS's error code, such as `ClientException`.
        message: The message that the caller reads.
        status: The HTTP status.
    """

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


def client_error(message: str) -> ServiceError:
    """Return AWS Batch's error for a request that can never succeed."""
    return ServiceError("ClientException", message)


def executing_error(problem: str, request_id: str) -> ServiceError:
    """Return the error in which AWS Batch wraps most of what its validation finds."""
    return client_error(f"Error executing request, Exception : {problem}, RequestId: {request_id}")


def not_here(what: str) -> ServiceError:
    """Return the error for what AWS does and the local engine does not."""
    return client_error(f"The local engine does not support {what}.")


def invalid_parameter(message: str) -> ServiceError:
    """Return CloudWatch Logs' error for a parameter it cannot accept."""
    return ServiceError("InvalidParameterException", message)


def resource_not_found(what: str) -> ServiceError:
    """Return CloudWatch Logs' error for a log group or log stream that is not there."""
    return ServiceError("ResourceNotFoundException", f"The specified {what} does not exist.")
