"""Sessions and clients: from a Region, profile, session or endpoint to API calls.

aiobotocore takes 0.4 s to import and 0.1 s to read its models, so both happen in a thread when a
client opens. Retries of the SDK are off: it would send a SubmitJob again whose answer was lost, and
would spend its retry quota on throttling. The one retry loop is in `retrying`.
"""

import contextlib
import functools
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, Self

import anyio

from asyncbatch._aws import sdk_hooks
from asyncbatch._aws.wire.sharing import SharedValues
from asyncbatch._values.errors import InvalidRequest, NoRegion

_CONNECT_TIMEOUT = 5
_READ_TIMEOUT = 30
# Enough for the submission quota of 50/s at a latency of one second; the SDK's 10 are not.
_POOL_SIZE = 50

# What the SDK reads to make a client, under the names that every supported version has.
_MODEL_FILES = ("service-2", "endpoint-rule-set-1")
_SHARED_FILES = ("endpoints", "partitions", "sdk-default-configuration", "_retry")

_AWS_REGION = re.compile(r"(?P<partition>cn|us-gov|[a-z]{2})-[a-z-]+-\d")


_REGION_NAME = re.compile(r"[A-Za-z0-9-]{1,63}")
_ANYTHING = re.compile(r"(?s).+")
_URL = re.compile(r"https?://[^\s/]+\S*")


def _check_text(field: str, value: object, pattern: re.Pattern[str], rule: str) -> None:
    if value is not None and not (isinstance(value, str) and pattern.fullmatch(value)):
        raise InvalidRequest(field, value, rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to connect to, and as whom; None leaves it to the SDK's own configuration.

    Attributes:
        region_name: AWS Region.
        profile_name: Profile of the shared configuration.
        session: An aioboto3 or aiobotocore session.
        endpoint_url: Endpoint of both services, such as a local engine's.

    Raises:
        InvalidRequest: Both a session and a profile are given, or the session is none.
    """

    region_name: str | None = None
    profile_name: str | None = None
    session: Any = None
    endpoint_url: str | None = None

    def __post_init__(self) -> None:
        """Check the arguments, and against each other."""
        _check_text("region_name", self.region_name, _REGION_NAME, "a name such as eu-west-1")
        _check_text("profile_name", self.profile_name, _ANYTHING, "the name of a profile")
        _check_text("endpoint_url", self.endpoint_url, _URL, "a URL such as http://127.0.0.1:4566")
        if self.session is None:
            return
        if self.profile_name is not None:
            raise InvalidRequest(
                "profile_name",
                self.profile_name,
                "the session has its own profile; give one of both",
            )
        if not hasattr(self.session, "create_client") and not hasattr(self.session, "client"):
            raise InvalidRequest("session", self.session, "an aioboto3 or aiobotocore session")
        if type(self.session).__module__.startswith(("boto3", "botocore")):
            raise InvalidRequest(
                "session", self.session, "boto3 sessions block; give an aioboto3 or aiobotocore one"
            )


class Connection:
    """Open clients for one account and Region; made by `connect`."""

    def __init__(self, session: Any, region: str, target: Target, stack: AsyncExitStack) -> None:
        """Take what `connect` found out."""
        self.region = region
        # False where AWS Batch is an engine inside of this program.
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
            NoCredentials: The profile does not exist.
        """
        import asyncio  # 35 ms, and whoever gets here has it already

        session, region = await asyncio.to_thread(_prepared, target)
        async with AsyncExitStack() as stack:
            connection = cls(session, region, target, stack)
            await connection.client("batch")
            yield connection

    def console_url(self, job_id: str) -> str | None:
        """Return the page of a job in the AWS console; None for an endpoint that is not AWS's."""
        match = _AWS_REGION.fullmatch(self.region)
        if match is None or self._target.endpoint_url is not None:
            return None
        domains = {"cn": "console.amazonaws.cn", "us-gov": "console.amazonaws-us-gov.com"}
        domain = domains.get(match["partition"], "console.aws.amazon.com")
        return (
            f"https://{self.region}.{domain}/batch/home?region={self.region}#jobs/detail/{job_id}"
        )

    async def client(self, service: str, region: str | None = None) -> Any:
        """Return the client of a service, in another Region if need be; each is made once."""
        key = (service, region or self.region)
        if key not in self._clients:
            async with self._opening:
                if key not in self._clients:
                    self._clients[key] = await self._open(*key)
        return self._clients[key]

    async def _open(self, service: str, region: str) -> Any:
        import asyncio

        await asyncio.to_thread(_read_models, self._session, service)
        client = await self._stack.enter_async_context(self._make(service, region))
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
            APIError: AWS refused, failed, or did not answer.
            NoCredentials: There are no usable credentials.
            InvalidRequest: The SDK's model forbids the arguments; nothing was sent.
        """
        client = await self.client(service, region)
        try:
            if validate:
                _check(client, operation, arguments)
            answer: dict[str, Any] = await getattr(client, _method(operation))(**arguments)
        except Exception as error:
            from asyncbatch._aws.errors import translated

            told = translated(error, operation)
            if told is None:
                raise
            raise told from error
        return answer

    async def offers(self, service: str, operation: str) -> bool:
        """Return whether the installed SDK knows an operation: TerminateJobs is new."""
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
                # A tenth of what a SubmitJob costs; `call` asks for it where it can find anything.
                parameter_validation=False,
            ),
        )


def _check(client: Any, operation: str, arguments: Mapping[str, Any]) -> None:
    """Check arguments by the SDK's model, as the SDK itself would.

    Raises:
        ParamValidationError: They do not fit; botocore's own error.
    """
    from botocore.validate import validate_parameters

    shape = client.meta.service_model.operation_model(operation).input_shape
    validate_parameters(dict(arguments), shape)


@functools.cache
def _method(operation: str) -> str:
    from botocore import xform_name

    return str(xform_name(operation))


def preload() -> None:
    """Import and read what a connection needs, and would import and read when it is made."""
    import importlib
    from concurrent.futures import thread  # noqa: F401 - imported for those who come later

    import aiohttp  # noqa: F401 - as above
    from aiobotocore.session import AioSession
    from botocore import credentials, handlers, signers  # noqa: F401 - as above

    from asyncbatch._aws import errors  # noqa: F401 - as above

    with contextlib.suppress(ImportError):  # where anyio's part for asyncio is in this version
        importlib.import_module("anyio._backends._asyncio")
    _user_agent()
    session = AioSession()
    _share_models(session)
    _read_models(session, "batch")


def _prepared(target: Target) -> tuple[Any, str]:
    """Return session and Region to use; called in a thread, since all of this reads files."""
    from aiobotocore.session import AioSession
    from botocore.exceptions import BotoCoreError

    from asyncbatch._aws.errors import translated

    _user_agent()
    try:
        session = target.session
        if session is None:
            session = AioSession(profile=target.profile_name)
            _share_models(session)
        _read_models(session, "batch")
        return session, _region(session, target)
    except BotoCoreError as error:
        raise translated(error, "configuration") or error from error


# What reads the SDK's models and remembers them, by the directory of additional ones.
_loaders: dict[object, Any] = {}


def _share_models(session: Any) -> None:
    """Let a session of our own have the models that an earlier one has read."""
    place = session.get_config_variable("data_path")
    loader = _loaders.setdefault(place, session.get_component("data_loader"))
    session.register_component("data_loader", loader)


def _read_models(session: Any, service: str) -> None:
    """Read what the SDK would read on the event loop otherwise, for a tenth of a second."""
    if not hasattr(session, "get_component"):
        return  # aioboto3's has no public way to its models
    loader = session.get_component("data_loader")
    for file in _MODEL_FILES:
        loader.load_service_model(service, file)
    for shared in _SHARED_FILES:
        loader.load_data(shared)


@functools.cache
def _user_agent() -> str:
    """Return how we introduce ourselves, ready-made: botocore words its own twice in every call.

    That is a tenth of what a SubmitJob costs. botocore adds its own name and version.
    """
    from importlib.metadata import version  # 20 ms that only a client needs

    import aiobotocore

    own = f"asyncbatch/{version('asyncbatch')} aiobotocore/{aiobotocore.__version__}"
    python = ".".join(map(str, sys.version_info[:3]))
    return f"{own} lang/python#{python} os/{sys.platform}"


def _region(session: Any, target: Target) -> str:
    """Return the Region: as given, as the SDK finds it, or as AWS_REGION says, which it ignores."""
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
