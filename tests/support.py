"""Helpers of all tests: isolation from AWS and the network, and moto as an independent endpoint."""

import functools
import ipaddress
import sys
import time
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from urllib.request import Request, urlopen

from aiobotocore.session import AioSession, get_session
from blockbuster import BlockBuster
from botocore import hooks
from botocore.loaders import Loader, create_loader
from moto.moto_server.threaded_moto_server import ThreadedMotoServer

REGION = "eu-west-1"

NO_AWS_ACCOUNT: Mapping[str, str] = {
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def aws_variables(environment: Iterable[str]) -> list[str]:
    """Return the names of the variables that can select an AWS account."""
    return [name for name in environment if name.startswith("AWS_")]


# --- no network --------------------------------------------------------------------------------


class NetworkUsed(BaseException):
    """A test connected to another machine. Not an Exception, so that no handler hides it."""


def forbid_network() -> None:
    """Refuse connections to other machines, for the rest of the process."""
    sys.addaudithook(_refuse_network)


def _refuse_network(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "socket.connect":
        _socket, address = arguments
        # The address of a Unix socket is a path; network addresses are tuples.
        if isinstance(address, tuple) and not _is_loopback(address[0]):
            message = f"a test connects to {address[0]!r}; only loopback addresses are allowed"
            raise NetworkUsed(message)


def _is_loopback(host: object) -> bool:
    try:
        return ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return host == "localhost"


# --- no blocking -------------------------------------------------------------------------------


class _EveryFunction(Container[object], Iterable[str]):
    """A container of every function name: all functions of a file."""

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())


# Opening a client reads service models, configuration files and certificates. botocore does this
# synchronously, once; the benchmark measures how long it takes.
_FILES_THAT_MAY_BLOCK = (
    "aiobotocore/session.py",
    "aiobotocore/httpsession.py",
    "botocore/client.py",
    "botocore/configloader.py",
    "botocore/loaders.py",
    "botocore/session.py",
)


def allow_blocking_in_dependencies(detector: BlockBuster) -> None:
    """Allow blocking calls that the library cannot avoid."""
    for function in detector.functions.values():
        for filename in _FILES_THAT_MAY_BLOCK:
            function.can_block_in(filename, _EveryFunction())


# --- less work in the SDK ------------------------------------------------------------------------


def remember_event_names() -> None:
    """Make botocore translate each name of an event once per process.

    It does so for each session and client, which takes two fifths of the time of opening a local
    engine and a client. The result depends on the name only.
    """
    translate, translated = hooks.EventAliaser._alias_event_name, dict[str, str]()

    def remembered(self: hooks.EventAliaser, name: str) -> str:
        if name not in translated:
            translated[name] = translate(self, name)
        return translated[name]

    hooks.EventAliaser._alias_event_name = remembered


# --- moto --------------------------------------------------------------------------------------


def new_session() -> AioSession:
    """Return a session with a Region and with credentials that only fake endpoints accept."""
    session = get_session()
    session.register_component("data_loader", _service_models())
    session.set_credentials("testing", "testing")
    session.set_config_variable("region", REGION)
    return session


@functools.cache
def _service_models() -> Loader:
    """Return a loader that keeps what it has read: it takes 0.1 s or more of CPU time."""
    return create_loader()


@contextmanager
def moto_server() -> Iterator[str]:
    """Run moto in a thread of this process and yield its URL."""
    # The default address, 0.0.0.0, would accept connections from other machines.
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        yield "http://{}:{}".format(*server.get_host_and_port())
    finally:
        server.stop()


def reset_moto(url: str) -> None:
    """Delete everything, and finish jobs without Docker; a reset keeps the latter setting."""
    _post(f"{url}/moto-api/reset", b"")
    _post(f"{url}/moto-api/config", b'{"batch": {"use_docker": false}}')


def run_moto_jobs_in_docker(url: str) -> None:
    """Make jobs containers of the Docker Engine that DOCKER_HOST names."""
    _post(f"{url}/moto-api/config", b'{"batch": {"use_docker": true}}')


def _post(url: str, body: bytes) -> None:
    with urlopen(Request(url, data=body, method="POST")) as response:  # noqa: S310 - loopback
        response.read()


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSetup:
    """The resources that a job needs before it can be submitted."""

    queue: str
    job_definition: str


async def set_up_batch(
    session: AioSession, url: str, *, queue: str = "default", job_definition: str = "hello"
) -> BatchSetup:
    """Create role, compute environment, job queue and job definition, in that order."""
    role = await _create_role(session, url)
    async with session.create_client("batch", endpoint_url=url) as batch:
        environment = await batch.create_compute_environment(
            computeEnvironmentName=f"{queue}-environment",
            type="UNMANAGED",
            state="ENABLED",
            serviceRole=role,
        )
        arn = environment["computeEnvironmentArn"]
        await batch.create_job_queue(
            jobQueueName=queue,
            state="ENABLED",
            priority=1,
            computeEnvironmentOrder=[{"order": 1, "computeEnvironment": arn}],
        )
        await batch.register_job_definition(
            jobDefinitionName=job_definition,
            type="container",
            containerProperties={
                "image": "busybox",
                "vcpus": 1,
                "memory": 128,
                "command": ["echo", "hello"],
            },
        )
    return BatchSetup(queue=queue, job_definition=job_definition)


async def _create_role(session: AioSession, url: str) -> str:
    async with session.create_client("iam", endpoint_url=url) as iam:
        response = await iam.create_role(RoleName="batch-service", AssumeRolePolicyDocument="{}")
    arn: str = response["Role"]["Arn"]
    return arn


async def write_log(
    session: AioSession, url: str, group: str, stream: str, lines: Iterable[str]
) -> None:
    """Write lines to a log stream of moto, one per millisecond."""
    async with session.create_client("logs", endpoint_url=url) as logs:
        with suppress(logs.exceptions.ResourceAlreadyExistsException):
            await logs.create_log_group(logGroupName=group)
        await logs.create_log_stream(logGroupName=group, logStreamName=stream)
        now = int(time.time() * 1000)
        events = [{"timestamp": now + n, "message": line} for n, line in enumerate(lines)]
        await logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)
