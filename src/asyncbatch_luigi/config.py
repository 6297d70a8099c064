"""The ``[asyncbatch]`` section of Luigi's configuration; read when a task runs."""

import luigi

from asyncbatch import AsyncBatchClient, InvalidRequest, PollPolicy

# Seconds, as in Luigi's own module.
POLL_TIME = 10
# Seconds; as often as `RateLimits.describe_per_second` allows.
_SOONEST_POLL = 0.2


class asyncbatch(luigi.Config):  # noqa: N801 - Luigi names the section after the class
    """Where and as whom tasks talk to AWS; what is not given is left to the AWS configuration.

    Attributes:
        region: AWS Region.
        profile: Profile of the shared AWS configuration.
        endpoint_url: Endpoint of AWS Batch and CloudWatch Logs, such as a local engine's.
    """

    region = luigi.OptionalParameter(default=None)
    profile = luigi.OptionalParameter(default=None)
    endpoint_url = luigi.OptionalParameter(default=None)


def new_client(poll: PollPolicy | None = None) -> AsyncBatchClient:
    """Make a client as Luigi's configuration says; it is not open yet.

    Args:
        poll: How eagerly jobs are asked about; None takes the client's defaults.
    """
    settings = asyncbatch()  # type: ignore[no-untyped-call] # as Luigi declares it
    return AsyncBatchClient(
        region_name=settings.region,
        profile_name=settings.profile,
        endpoint_url=settings.endpoint_url,
        poll=poll,
    )


def poll_policy(poll_time: float) -> PollPolicy:
    """Return how eagerly a job is asked about whose task wants to know every `poll_time` seconds.

    Raises:
        InvalidRequest: `poll_time` is negative.
    """
    if poll_time < 0:
        raise InvalidRequest("poll_time", poll_time, "0 or more seconds")
    longest = max(poll_time, _SOONEST_POLL)
    usual = PollPolicy()
    return PollPolicy(min_interval=min(usual.min_interval, longest), max_interval=longest)
