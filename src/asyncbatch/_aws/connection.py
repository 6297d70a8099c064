"""Sessions and SDK clients, from a Region, profile, session or endpoint.

aiobotocore takes 0.4 s to import and 0.1 s to read its models, so both happen in a thread when a
client opens. Retries of the SDK are off: it would send a SubmitJob again whose response was lost,
and would spend its retry quota on throttling. The one retry loop is in `retrying`.
"""

import contextlib
import functools
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from urllib.parse import urlsplit

import anyio

from asyncbatch._aws import sdk_hooks
from asyncbatch._aws.wire.sharing import SharedValues
from asyncbatch._values.errors import AsyncBatchError, InvalidRequest, NoRegion

_CONNECT_TIMEOUT = 5  # seconds
_READ_TIMEOUT = 30  # seconds
# Connections. Enough for the quota of 50 SubmitJob calls per second at a latency of one second; the
# SDK's default of 10 is not.
_POOL_SIZE = 50

# Files that the SDK reads to make a client, by the names in every supported version.
_MODEL_FILES = ("service-2", "endpoint-rule-set-1")
_SHARED_FILES = ("endpoints", "partitions", "sdk-default-configuration", "_retry")

_AWS_REGION = re.compile(r"(?P<partition>cn|us-gov|[a-z]{2})-[a-z-]+-\d")
_REGION_NAME = re.compile(r"[A-Za-z0-9-]{1,63}")
_ANYTHING = re.compile(r"(?s).+")
_URL = re.compile(r"https?://[^\s/]+\S*")


def _check_text(field: str, value: object, pattern: re.Pattern[str], rule: str) -> None:
    if value is not None and not (isinstance(value, str) and pattern.fullmatch(value)):
        raise InvalidRequest(field, value, rule)


def _has_host_and_port(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0  # a port above 65535 raises
    except ValueError:
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Region, identity and endpoint to connect with; None uses the SDK's own configuration.

    Attributes:
        region_name: AWS Region.
        profile_name: Profile of the shared configuration files; not together with `session`.
        session: An aioboto3 or aiobotocore session.
        endpoint_url: Endpoint of AWS Batch and CloudWatch Logs, such as a local engine's.

    Raises:
        InvalidRequest: A value is of the wrong kind, or both a session and a profile are given.
    """

    region_name: str | None = None
    profile_name: str | None = None
    session: Any = None
    endpoint_url: str | None = None

    def __post_init__(self) -> None:
        """Check the values and their combination."""
        _check_text("region_name", self.region_name, _REGION_NAME, "must be a name like eu-west-1")
        _check_text("profile_name", self.profile_name, _ANYTHING, "must be the name of a profile")
        rule = "must be a URL such as http://127.0.0.1:4566"
        _check_text("endpoint_url", self.endpoint_url, _URL, rule)
        if self.endpoint_url is not None and not _has_host_and_port(self.endpoint_url):
            raise InvalidRequest("endpoint_url", self.endpoint_url, rule)
        if self.session is None:
            return
        if self.profile_name is not None:
            rule = "the session has its own profile. Pass either profile_name or session."
            raise InvalidRequest("profile_name", self.profile_name, rule)
        if not hasattr(self.session, "create_client") and not hasattr(self.session, "client"):
            rule = "must be an aioboto3 or aiobotocore session"
            if hasattr(type(self.session), "session"):  # a LocalBatch, for example
                rule += "; pass its attribute `session`"
            raise InvalidRequest("session", self.session, rule)
        if type(self.session).__module__.startswith(("boto3", "botocore")):
            rule = "boto3 sessions block. Pass an aioboto3 or aiobotocore session."
            raise InvalidRequest("session", self.session, rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialsSource:
    """Where the SDK found its credentials; never the secret itself.

    Attributes:
        method: The SDK's name of the provider, such as ``env``, ``shared-credentials-file``,
            ``sso``, ``assume-role`` or ``iam-role``.
        access_key_id: Access key, with its middle masked.
        expires_at: When they expire; None for those that do not, or where the SDK does not say.
    """

    method: str
    access_key_id: str
    expires_at: datetime | None = None


class Connection:
    """Open SDK clients for one account and Region; made by `connect`.

    Attributes:
        region: The Region.
        jobs_outlive_program: Whether jobs continue when the program ends. False for a local engine
            inside of this program.
        shared_values: What decoded jobs of this connection have in common.
    """

    def __init__(self, session: Any, region: str, target: Target, stack: AsyncExitStack) -> None:
        """Keep what `connect` has prepared; it opens the first client."""
        self.region = region
        self.jobs_outlive_program: bool = getattr(session, "jobs_outlive_program", True)
        self.shared_values = SharedValues()
        self._session = session
        self._target = target
        self._stack = stack
        self._clients: dict[tuple[str, str], Any] = {}
        self._opening = anyio.Lock()

    @classmethod
    @contextlib.asynccontextmanager
    async def connect(cls, target: Target) -> AsyncIterator[Self]:
        """Open a connection that closes with the context.

        Raises:
            NoRegion: No Region is configured anywhere.
            NoCredentials: The profile does not exist, or its credentials cannot be read.
            ConfigurationError: Another value of the SDK's configuration is not valid.
        """
        import asyncio  # here, as it takes 35 ms and `import asyncbatch` does not need it

        try:
            session, region = await asyncio.to_thread(_prepared, target)
        except Exception as error:  # noqa: BLE001 - translated; it is the `__context__`
            raise await _not_usable(error, target.session) from None
        async with AsyncExitStack() as stack:
            connection = cls(session, region, target, stack)
            await connection.client("batch")
            yield connection

    def console_url(self, job_id: str) -> str | None:
        """Return the URL of a job in the AWS console; None for an endpoint that is not AWS's."""
        match = _AWS_REGION.fullmatch(self.region)
        if match is None or self._target.endpoint_url is not None:
            return None
        domains = {"cn": "console.amazonaws.cn", "us-gov": "console.amazonaws-us-gov.com"}
        domain = domains.get(match["partition"], "console.aws.amazon.com")
        return (
            f"https://{self.region}.{domain}/batch/home?region={self.region}#jobs/detail/{job_id}"
        )

    async def client(self, service: str, region: str | None = None) -> Any:
        """Return the client of a service in a Region, by default the own one; made once."""
        key = (service, region or self.region)
        if key not in self._clients:
            async with self._opening:
                if key not in self._clients:
                    self._clients[key] = await self._open(*key)
        return self._clients[key]

    async def _open(self, service: str, region: str) -> Any:
        import asyncio

        await asyncio.to_thread(_read_models, self._session, service)
        try:
            client = await self._stack.enter_async_context(self._make(service, region))
        except Exception as error:  # noqa: BLE001 - as above
            raise await _not_usable(error, self._session) from None
        sdk_hooks.install(client)
        return client

    async def call(
        self,
        service: str,
        operation: str,
        arguments: Mapping[str, Any],
        region: str | None = None,
        *,
        validate: bool = True,
    ) -> dict[str, Any]:
        """Call an API operation once and return its response.

        Args:
            service: ``"batch"`` or ``"logs"``.
            operation: The operation in AWS's spelling, such as ``"SubmitJob"``.
            arguments: Its arguments in AWS's spelling.
            region: Another Region than the connection's own.
            validate: Whether the SDK checks the arguments against its model first.

        Raises:
            APIError: AWS refused the call, failed, or did not respond.
            NoCredentials: There are no usable credentials.
            InvalidRequest: The arguments do not fit the SDK's model; nothing was sent.
        """
        client = await self.client(service, region)
        try:
            if validate:
                _check(client, operation, arguments)
            response: dict[str, Any] = await getattr(client, _method(operation))(**arguments)
        except Exception as error:
            from asyncbatch._aws.errors import translated

            own = translated(error, operation)
            if own is None:
                raise
            # It says all that the SDK's error does, whose traceback would only be longer, and may
            # contain control sequences. For debugging, that is its `__context__`.
            raise own from None
        return response

    async def endpoint_url(self, service: str) -> str:
        """Return the URL that the calls of a service are sent to."""
        return str((await self.client(service)).meta.endpoint_url)

    async def credentials_source(self) -> CredentialsSource | None:
        """Return where the SDK found its credentials; None if there are none, or it does not say.

        Raises:
            NoCredentials: They cannot be read.
        """
        if not hasattr(self._session, "get_credentials"):
            return None
        try:
            found = await self._session.get_credentials()
            if found is None:
                return None
            access_key = str((await found.get_frozen_credentials()).access_key)
        except Exception as error:
            raise await _not_usable(error, self._session) from error
        return CredentialsSource(
            method=str(getattr(found, "method", "")) or "unknown",
            access_key_id=f"{access_key[:4]}…{access_key[-4:]}",
            expires_at=getattr(found, "_expiry_time", None),
        )

    async def offers(self, service: str, operation: str) -> bool:
        """Return whether the installed SDK has an operation; older ones lack TerminateJobs."""
        return hasattr(await self.client(service), _method(operation))

    def _make(self, service: str, region: str) -> Any:
        from aiobotocore.config import AioConfig

        make = getattr(self._session, "create_client", None) or self._session.client
        return make(
            service,
            region_name=region,
            endpoint_url=self._target.endpoint_url,
            config=AioConfig(
                retries={"total_max_attempts": 1, "mode": "standard"},
                connect_timeout=_CONNECT_TIMEOUT,
                read_timeout=_READ_TIMEOUT,
                max_pool_connections=_POOL_SIZE,
                user_agent=_user_agent(),
                # It takes a tenth of the CPU time of a SubmitJob. `call` validates arguments that
                # contain a caller's dicts.
                parameter_validation=False,
            ),
        )


def _check(client: Any, operation: str, arguments: Mapping[str, Any]) -> None:
    """Validate arguments against the SDK's model, as the SDK itself does by default.

    Raises:
        ParamValidationError: They do not fit the model.
    """
    from botocore.validate import validate_parameters

    shape = client.meta.service_model.operation_model(operation).input_shape
    validate_parameters(dict(arguments), shape)


@functools.cache
def _method(operation: str) -> str:
    from botocore import xform_name

    return str(xform_name(operation))


def preload() -> None:
    """Import the modules and read the models that a connection needs when it is opened."""
    import importlib
    from concurrent.futures import thread  # noqa: F401 - imported so that later imports are fast

    import aiohttp  # noqa: F401 - as above
    from aiobotocore.session import AioSession
    from botocore import credentials, handlers, signers  # noqa: F401 - as above

    from asyncbatch._aws import errors  # noqa: F401 - as above

    with contextlib.suppress(ImportError):  # a private module, which other versions may lack
        importlib.import_module("anyio._backends._asyncio")
    _user_agent()
    session = AioSession()
    _share_models(session)
    _read_models(session, "batch")


def _prepared(target: Target) -> tuple[Any, str]:
    """Return session and Region; runs in a thread, since it reads files."""
    from aiobotocore.session import AioSession

    _user_agent()
    session = target.session
    if session is None:
        session = AioSession(profile=target.profile_name)
        _share_models(session)
    _read_models(session, "batch")
    return session, _region(session, target)


async def _not_usable(error: Exception, session: Any) -> AsyncBatchError:
    """Return the error for one of the SDK while it reads its configuration.

    A credential process may raise anything. Credentials are read again to find out whether they
    are the cause; the SDK keeps those that it could read.
    """
    from asyncbatch._aws.errors import unusable_configuration

    is_about_credentials = False
    if session is not None and hasattr(session, "get_credentials"):
        try:
            await session.get_credentials()
        except Exception:  # noqa: BLE001 - its type says nothing; `error` has the words
            is_about_credentials = True
    return unusable_configuration(error, is_about_credentials=is_about_credentials)


# The SDK's loaders, which cache the models that they read; by the path of additional models.
_loaders: dict[object, Any] = {}


def _share_models(session: Any) -> None:
    """Make sessions of this package use one loader, so that models are read once per process."""
    data_path = session.get_config_variable("data_path")
    loader = _loaders.setdefault(data_path, session.get_component("data_loader"))
    session.register_component("data_loader", loader)


def _read_models(session: Any, service: str) -> None:
    """Read the models, which the SDK would otherwise read on the event loop for 0.1 s."""
    if not hasattr(session, "get_component"):
        return  # aioboto3's session has no public access to its loader
    loader = session.get_component("data_loader")
    for file in _MODEL_FILES:
        loader.load_service_model(service, file)
    for shared in _SHARED_FILES:
        loader.load_data(shared)


@functools.cache
def _user_agent() -> str:
    """Return the User-Agent, made once.

    botocore would make its own twice in every call, which takes a tenth of the CPU time of a
    SubmitJob. It adds its own name and version to this one.
    """
    from importlib.metadata import version  # here, as it takes 20 ms and only a client needs it

    import aiobotocore

    own = f"asyncbatch/{version('asyncbatch')} aiobotocore/{aiobotocore.__version__}"
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{own} lang/python#{python} os/{sys.platform}"


def _region(session: Any, target: Target) -> str:
    """Return the Region: as passed, as the SDK finds it, or of AWS_REGION, which it ignores."""
    if target.region_name:
        return target.region_name
    if hasattr(session, "get_config_variable"):
        found = session.get_config_variable("region")
    else:
        found = session.region_name
    region = found or os.environ.get("AWS_REGION")
    if not region:
        raise NoRegion
    return str(region)
