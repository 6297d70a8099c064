"""The ``[asyncbatch]`` section of Luigi's configuration; read when a task runs."""

import luigi


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
