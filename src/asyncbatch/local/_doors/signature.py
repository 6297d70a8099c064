"""Verification of AWS Signature Version 4, which the HTTP door requires of each request.

A request is accepted only from a program that has the door's secret access key, for this Region and
one of its services, unchanged, and within five minutes. Error codes and messages are AWS's.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote_to_bytes

from botocore.utils import normalize_url_path

from asyncbatch.local._engine.errors import ServiceError

_ALGORITHM = "AWS4-HMAC-SHA256"
_TERMINATOR = "aws4_request"
_TIMESTAMP = "%Y%m%dT%H%M%SZ"
_VALIDITY = timedelta(minutes=5)
_PARTS = ("Credential", "SignedHeaders", "Signature")
_SCOPE = re.compile(
    r"(?P<key>.+)/(?P<date>\d{8})/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request"
)

Now = Callable[[], datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorization:
    """What a request's headers say about its signature.

    Attributes:
        access_key_id: Access key of the signer.
        region: Region of the credential scope.
        service: Service of the credential scope.
        signed_headers: Names of the signed headers, in lower case.
        signature: The signature, in hexadecimal digits.
        timestamp: Time of the signature, as in `20240115T093000Z`.
    """

    access_key_id: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    signature: str
    timestamp: str

    @property
    def scope(self) -> str:
        """The credential scope."""
        return "/".join((self.timestamp[:8], self.region, self.service, _TERMINATOR))


def scope_service(headers: Mapping[str, str]) -> str | None:
    """Return the service that a request is signed for; None without a complete signature."""
    try:
        return parse_authorization(headers).service
    except ServiceError:
        return None


def parse_authorization(headers: Mapping[str, str]) -> Authorization:
    """Read the signature of a request; header names are in lower case.

    Raises:
        ServiceError: There is none, or it is incomplete.
    """
    header = headers.get("authorization", "")
    if not header:
        raise _denied("MissingAuthenticationTokenException", "Missing Authentication Token")
    algorithm, _, rest = header.partition(" ")
    if algorithm != _ALGORITHM:
        raise _incomplete(f"Unsupported AWS 'algorithm': '{algorithm}'.")
    split = (part.strip().partition("=") for part in rest.split(","))
    parts = {name: value for name, _, value in split}
    missing = [
        f"Authorization header requires '{name}' parameter."
        for name in _PARTS
        if not parts.get(name)
    ]
    timestamp = headers.get("x-amz-date", "")
    if not timestamp:
        missing.append("Authorization header requires existence of a 'X-Amz-Date' header.")
    if missing:
        raise _incomplete(" ".join(missing))
    scope = _SCOPE.fullmatch(parts["Credential"])
    if scope is None:
        raise _incomplete(
            "Credential must have at least 5 slash-delimited elements and end with"
            f" '{_TERMINATOR}', e.g. keyid/date/region/service/{_TERMINATOR}."
        )
    if scope["date"] != timestamp[:8]:
        raise _invalid(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from"
            f" HTTP: '{scope['date']}' != '{timestamp[:8]}'."
        )
    return Authorization(
        access_key_id=scope["key"],
        region=scope["region"],
        service=scope["service"],
        signed_headers=tuple(parts["SignedHeaders"].lower().split(";")),
        signature=parts["Signature"],
        timestamp=timestamp,
    )


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Verifier:
    """Verifies that requests are signed with one access key.

    Args:
        access_key_id: The access key.
        secret_access_key: The secret key for it.
        region: The only valid Region.
        services: The valid services.
        now: Returns the current time. It is the machine's time by default, because signers use it.
    """

    def __init__(
        self,
        *,
        access_key_id: str,
        secret_access_key: str,
        region: str,
        services: Collection[str],
        now: Now = _utc_now,
    ) -> None:
        self._access_key_id = access_key_id
        self._secret = secret_access_key
        self._region = region
        self._services = services
        self._now = now

    def check_headers(self, headers: Mapping[str, str]) -> Authorization:
        """Check all but the signature itself, which needs the body.

        Raises:
            ServiceError: Another access key, scope or time, or a header that has to be signed.
        """
        found = parse_authorization(headers)
        if not _equal(found.access_key_id, self._access_key_id):
            raise _denied(
                "UnrecognizedClientException",
                "The security token included in the request is invalid.",
            )
        if found.region != self._region:
            raise _invalid(f"Credential should be scoped to a valid region: '{self._region}'.")
        if found.service not in self._services:
            names = " or ".join(f"'{name}'" for name in sorted(self._services))
            raise _invalid(f"Credential should be scoped to correct service: {names}.")
        self._check_time(found.timestamp)
        # A header that is not signed could be added or changed by others. Those that decide what a
        # request does have to be signed.
        for name in headers:
            if name == "host" or name.startswith("x-amz-"):
                _require_signed(name, found.signed_headers)
        return found

    def check_signature(
        self,
        authorization: Authorization,
        *,
        method: str,
        target: str,
        headers: Mapping[str, str],
        body: bytes,
    ) -> None:
        """Check that method, target, signed headers and body are those that were signed.

        Args:
            authorization: Result of `check_headers`.
            method: HTTP method.
            target: Path with its query, as it was received.
            headers: Headers, names in lower case.
            body: Body.

        Raises:
            ServiceError: They are not, or the secret key is another.
        """
        path, _, query = target.partition("?")
        signed = authorization.signed_headers
        canonical = "\n".join(
            (
                method,
                # A path is encoded twice, once before it was sent. Amazon S3 alone differs.
                quote(normalize_url_path(path), safe="/~"),
                _canonical_query(query),
                *(f"{name}:{' '.join(headers.get(name, '').split())}" for name in signed),
                "",
                ";".join(signed),
                hashlib.sha256(body).hexdigest(),
            )
        )
        text = "\n".join(
            (_ALGORITHM, authorization.timestamp, authorization.scope, _digest(canonical))
        )
        key = f"AWS4{self._secret}".encode()
        for part in authorization.scope.split("/"):
            key = _hmac(key, part)
        if not _equal(authorization.signature, _hmac(key, text).hex()):
            raise _invalid(
                "The request signature we calculated does not match the signature you provided."
                " Check your AWS Secret Access Key and signing method."
                " Consult the service documentation for details."
            )

    def _check_time(self, timestamp: str) -> None:
        try:
            signed_at = datetime.strptime(timestamp, _TIMESTAMP).replace(tzinfo=UTC)
        except ValueError:
            raise _incomplete(
                "Date must be in ISO-8601 'basic format'."
                f" Got '{timestamp}'. See http://en.wikipedia.org/wiki/ISO_8601"
            ) from None
        now = self._now()
        earliest, latest = now - _VALIDITY, now + _VALIDITY
        if signed_at < earliest:
            raise _invalid(
                f"Signature expired: {timestamp} is now earlier than {earliest:{_TIMESTAMP}}"
                f" ({now:{_TIMESTAMP}} - 5 min.)"
            )
        if signed_at > latest:
            raise _invalid(
                f"Signature not yet current: {timestamp} is still later than"
                f" {latest:{_TIMESTAMP}} ({now:{_TIMESTAMP}} + 5 min.)"
            )


def _require_signed(name: str, signed: Iterable[str]) -> None:
    if name not in signed:
        raise _invalid(f"'{name.title()}' must be a 'SignedHeader' in the AWS Authorization.")


def _canonical_query(query: str) -> str:
    pairs = (pair.partition("=") for pair in query.split("&") if pair)
    encoded = sorted((_encode(name), _encode(value)) for name, _, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def _encode(text: str) -> str:
    return quote(unquote_to_bytes(text), safe="~")


def _bytes(text: str) -> bytes:
    # Header bytes that are not UTF-8 arrive as surrogates.
    return text.encode(errors="surrogateescape")


def _digest(text: str) -> str:
    return hashlib.sha256(_bytes(text)).hexdigest()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, _bytes(text), hashlib.sha256).digest()


def _equal(one: str, other: str) -> bool:
    return hmac.compare_digest(_bytes(one), _bytes(other))


def _denied(code: str, message: str) -> ServiceError:
    return ServiceError(code, message, status=403)


def _incomplete(message: str) -> ServiceError:
    return _denied("IncompleteSignatureException", message)


def _invalid(message: str) -> ServiceError:
    return _denied("InvalidSignatureException", message)
