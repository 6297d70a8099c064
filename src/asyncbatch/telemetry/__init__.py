"""OpenTelemetry for clients: a span for each job, and metrics of jobs and calls.

`instrument` attaches it to clients. The application chooses SDK and exporters; this package uses
the API of OpenTelemetry only, and imports it when a client is instrumented.
"""

from asyncbatch.telemetry._instrument import Instrumentation as Instrumentation
from asyncbatch.telemetry._instrument import instrument as instrument

# pyright: reportUnsupportedDunderAll=false
__all__ = sorted(name for name in globals() if not name.startswith("_"))  # noqa: PLE0605
