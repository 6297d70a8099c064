"""Serve metrics of jobs and calls to Prometheus, with OpenTelemetry.

Shows `asyncbatch.telemetry.instrument` with a meter provider of its own. The example reads its
metrics once, as a Prometheus server would, and prints some of them.

Run it without an AWS account, from the root of the repository:

    python -m examples.prometheus

It needs the extra `otel` and the package `opentelemetry-exporter-prometheus`. `examples/account.py`
explains how to run it on AWS.
"""

import asyncio
from urllib.request import urlopen

from opentelemetry.exporter.prometheus import PrometheusMetricReader
from opentelemetry.sdk.metrics import MeterProvider
from prometheus_client import start_http_server

from asyncbatch import AsyncBatchClient, JobRequest
from asyncbatch.telemetry import instrument
from examples.account import DEFINITION, LOGS, QUEUE, account

# Four of the jobs fail.
COMMAND = ["sh", "-c", 'test "$PART" -gt 3']


async def main() -> None:
    """Run 12 jobs, and print what Prometheus reads."""
    # Port 0 takes a free one; a service has a port that Prometheus knows.
    server, _ = start_http_server(0, addr="127.0.0.1")
    meters = MeterProvider([PrometheusMetricReader()])
    request = JobRequest(DEFINITION, queue=QUEUE, command=COMMAND)
    async with AsyncBatchClient(logs=LOGS) as batch:
        with instrument(batch, meter_provider=meters):
            requests = [request.replace(environment={"PART": part}) for part in range(12)]
            await batch.run(requests, check=False)
    url = f"http://127.0.0.1:{server.server_port}/metrics"
    for line in await asyncio.to_thread(read, url):
        if line.startswith(("asyncbatch_jobs", "asyncbatch_submissions")):
            print(line)
    meters.shutdown()
    await asyncio.to_thread(server.shutdown)
    server.server_close()


def read(url: str) -> list[str]:
    """Return the lines of a page."""
    with urlopen(url) as response:  # noqa: S310 - loopback
        text: str = response.read().decode()
    return text.splitlines()


if __name__ == "__main__":
    with account():
        asyncio.run(main())
