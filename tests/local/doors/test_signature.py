"""Signature Version 4 at the HTTP door: what is signed, by whom, for what, and when."""

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest

from asyncbatch.local import Door, LocalBatch, ScriptedExecutor
from asyncbatch.local._doors.signature import Verifier, parse_authorization
from asyncbatch.local._engine.errors import ServiceError
from tests.local.doors.signing import sign

PATH = "/v1/describejobs"
BODY = b'{"jobs": ["one"]}'
NOW = datetime(2024, 1, 15, 9, 30, tzinfo=UTC)
DOOR = Door(port=1234, access_key_id="LOCAL1", secret_access_key="secret")
WRONG_SIGNATURE = "The request signature we calculated does not match"


def verify(
    headers: dict[str, str], *, method: str = "POST", path: str = PATH, body: bytes = BODY
) -> str:
    """Verify a request that arrives at `NOW`; return the service, or the error."""
    verifier = Verifier(
        access_key_id=DOOR.access_key_id,
        secret_access_key=DOOR.secret_access_key,
        region="local",
        services=("batch", "logs"),
        now=lambda: NOW,
    )
    lower = {name.lower(): value for name, value in headers.items()}
    lower.setdefault("host", "127.0.0.1:1234")
    try:
        found = verifier.check_headers(lower)
        verifier.check_signature(found, method=method, target=path, headers=lower, body=body)
    except ServiceError as error:
        return f"{error}" if error.status == 403 else f"{error.status} {error}"
    return found.service


def signed(path: str = PATH, body: bytes = BODY, **options: Any) -> dict[str, str]:  # noqa: ANN401 (options of `sign`)
    """Return the headers of a request that is signed at `NOW`."""
    return sign(DOOR, path, body, **{"at": NOW, **options})


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1/describejobs",
        "/v1/tags/arn%3Aaws%3Abatch%3Alocal%3A0%3Ajob%2Fone",
        "/v1/tags/arn?tagKeys=b&tagKeys=a%20b%2Bc&x=%C3%A4~_-.&empty=&empty",
        "//double//slash/./dot/../dots/",
        "/caf%C3%A9/(a)*",
    ],
)
@pytest.mark.parametrize("method", ["POST", "GET", "DELETE"])
@pytest.mark.parametrize("body", [b"", BODY, b"\xff\x00"])
def test_requests_signed_by_botocore_are_accepted(path: str, method: str, body: bytes) -> None:
    headers = signed(path, body, method=method)
    assert verify(headers, method=method, path=path, body=body) == "batch"


@pytest.mark.parametrize("service", ["batch", "logs"])
def test_both_services_are_accepted(service: str) -> None:
    assert verify(signed(service=service, headers={"X-Amz-Target": "A.B"})) == service


def test_white_space_in_headers_is_not_significant() -> None:
    headers = signed(headers={"X-Amz-Target": "a  b"})
    assert verify({**headers, "X-Amz-Target": " a b "}) == "batch"


@pytest.mark.parametrize("minutes", [-5, -4, 4, 5])
def test_a_signature_is_valid_for_five_minutes_before_and_after(minutes: int) -> None:
    assert verify(signed(at=NOW + timedelta(minutes=minutes))) == "batch"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (
            {"access_key_id": "AKIAIOSFODNN7EXAMPLE"},
            "UnrecognizedClientException: The security token",
        ),
        ({"secret_access_key": "other"}, f"InvalidSignatureException: {WRONG_SIGNATURE}"),
        (
            {"region": "eu-west-1"},
            "InvalidSignatureException: Credential should be scoped to a valid",
        ),
        ({"service": "sts"}, "InvalidSignatureException: Credential should be scoped to correct"),
        (
            {"at": NOW - timedelta(minutes=5, seconds=1)},
            "InvalidSignatureException: Signature expired: 20240115T092459Z is now earlier",
        ),
        (
            {"at": NOW + timedelta(minutes=5, seconds=1)},
            "InvalidSignatureException: Signature not yet current: 20240115T093501Z is still",
        ),
    ],
)
def test_a_signature_of_another_key_scope_or_time_is_rejected(
    options: dict[str, Any], error: str
) -> None:
    assert verify(signed(**options)).startswith(error)


@pytest.mark.parametrize(
    "request_",
    [
        {"body": BODY + b" "},
        {"body": b""},
        {"method": "PUT"},
        {"path": "/v1/submitjob"},
        {"path": f"{PATH}?a=b"},
    ],
    ids=str,
)
def test_a_request_that_was_changed_after_signing_is_rejected(request_: dict[str, Any]) -> None:
    assert WRONG_SIGNATURE in verify(signed(), **request_)


def test_a_body_hash_in_a_header_does_not_replace_the_hash_of_the_body() -> None:
    """Neither the hash of another body, nor the statement that the body is not signed."""
    for claimed in ("UNSIGNED-PAYLOAD", "0" * 64):
        headers = signed(headers={"X-Amz-Content-SHA256": claimed})
        assert WRONG_SIGNATURE in verify(headers)


def test_a_changed_header_is_rejected_if_it_was_signed() -> None:
    headers = signed(headers={"X-Amz-Target": "Logs_20140328.DescribeLogGroups"})
    changed = {**headers, "X-Amz-Target": "Logs_20140328.DeleteLogGroup"}
    assert WRONG_SIGNATURE in verify(changed)


def test_an_added_header_that_decides_what_a_request_does_is_rejected() -> None:
    error = verify({**signed(), "X-Amz-Target": "Logs_20140328.DescribeLogGroups"})
    assert error.startswith("InvalidSignatureException: 'X-Amz-Target' must be a 'SignedHeader'")


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda _: "", "MissingAuthenticationTokenException: Missing Authentication Token"),
        (lambda _: "Bearer token", "IncompleteSignatureException: Unsupported AWS 'algorithm'"),
        (
            lambda _: "AWS4-HMAC-SHA256",
            "IncompleteSignatureException: Authorization header requires",
        ),
        (lambda a: a.partition(", Signature")[0], "IncompleteSignatureException: Authorization"),
        (lambda a: a.replace("Credential=", "Credential=,"), "IncompleteSignatureException: Auth"),
        (lambda a: a.replace("/aws4_request", ""), "IncompleteSignatureException: Credential must"),
        (
            lambda a: a.replace("20240115", "20240114"),
            "InvalidSignatureException: Date in Credential",
        ),
        (lambda a: a.replace("host;", ""), "InvalidSignatureException: 'Host' must be"),
        (lambda a: a.replace(";x-amz-date", ""), "InvalidSignatureException: 'X-Amz-Date' must"),
        (
            lambda a: a.replace("Signature=", "Signature=\udcff"),
            "InvalidSignatureException: The req",
        ),
    ],
)
def test_an_incomplete_or_changed_authorization_is_rejected(
    change: Callable[[str], str], error: str
) -> None:
    headers = signed()
    assert verify({**headers, "Authorization": change(headers["Authorization"])}).startswith(error)


@pytest.mark.parametrize("date", ["", "now", "20240115", "20240115T99", "20240115T093000Z0"])
def test_a_time_that_is_missing_or_malformed_is_rejected(date: str) -> None:
    assert verify({**signed(), "X-Amz-Date": date}).startswith(
        ("IncompleteSignatureException", "InvalidSignatureException: Date in Credential")
    )


def test_a_signature_names_its_scope() -> None:
    headers = {name.lower(): value for name, value in signed(service="logs").items()}
    assert parse_authorization(headers).scope == "20240115/local/logs/aws4_request"


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    """Open the HTTP door of an engine."""
    async with LocalBatch(executor=ScriptedExecutor()) as local, local.serve() as opened:
        yield opened
        assert not local.calls


@pytest.mark.parametrize("service", ["batch", "logs"])
@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"secret_access_key": "other"}, "InvalidSignatureException"),
        ({"access_key_id": "other"}, "UnrecognizedClientException"),
        ({"region": "us-east-1"}, "InvalidSignatureException"),
        ({"at": NOW}, "InvalidSignatureException"),
    ],
)
async def test_the_door_answers_in_the_protocol_of_the_service(
    door: Door, service: str, options: dict[str, Any], error: str
) -> None:
    target = {"X-Amz-Target": "Logs_20140328.DescribeLogGroups"} if service == "logs" else {}
    headers = sign(door, PATH, BODY, headers=target, service=service, **options)
    async with (
        aiohttp.ClientSession() as http,
        http.post(f"{door.url}{PATH}", headers=headers, data=BODY) as response,
    ):
        body = await response.json(content_type=None)
    assert (response.status, response.headers["x-amzn-errortype"]) == (403, error)
    assert body.get("__type") == (error if service == "logs" else None)
