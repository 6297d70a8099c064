"""Requests to the HTTP door, signed with botocore as boto3 and the AWS CLI sign them."""

from collections.abc import Mapping
from datetime import UTC, datetime

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from asyncbatch.local import Door


def sign(
    door: Door,
    path: str,
    body: bytes = b"",
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
    service: str = "batch",
    region: str = "local",
    access_key_id: str | None = None,
    secret_access_key: str | None = None,
    at: datetime | None = None,
) -> dict[str, str]:
    """Return the headers of a signed request; by default, those that the door accepts."""
    request = AWSRequest(
        method=method, url=f"{door.url}{path}", data=body, headers=dict(headers or {})
    )
    credentials = Credentials(
        access_key_id or door.access_key_id, secret_access_key or door.secret_access_key
    )
    signer = SigV4Auth(credentials, service, region)
    # The steps of `add_auth`, which has no argument for the time.
    request.context["timestamp"] = (at or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    signer._modify_request_before_signing(request)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))
    return dict(request.headers.items())
