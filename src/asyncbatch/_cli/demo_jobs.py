"""Job definitions and requests of the demo: a nightly pipeline of `sh` commands that sleep."""

from collections.abc import Mapping
from typing import Any

from asyncbatch._values.requests import JobRequest
from asyncbatch._values.retries import EvaluateOnExit, RetryAction, RetryStrategy

QUEUE = "default"
EXTRACTS = 32
TILES = 10

FAILS_ON_PURPOSE = "load"

_EXTRACT = 'echo "extracting part $1"; sleep "$2"; echo "part $1 done"'

_TRAIN = """
for epoch in 1 2 3 4 5 6; do
    sleep 0.6
    echo "epoch $epoch of 6, loss 0.$((90 / epoch))"
done
"""

_UPLOAD = """
echo "attempt $AWS_BATCH_JOB_ATTEMPT: uploading report.csv"
sleep 0.8
if [ "$AWS_BATCH_JOB_ATTEMPT" -lt 2 ]; then
    echo 'connection reset by peer'
    exit 75
fi
echo 'uploaded'
"""

_LOAD = """
echo 'reading customers.csv'
sleep 1
echo '4710 rows loaded'
echo 'ERROR: row 4711 has no column "email"' >&2
exit 3
"""

_TILE = 'echo "tile $AWS_BATCH_JOB_ARRAY_INDEX"; sleep "1.$AWS_BATCH_JOB_ARRAY_INDEX"'

_REPORT = 'echo "all tiles complete"; sleep 0.5; echo "report written"'

# Exit code 75 is EX_TEMPFAIL in sysexits.h, a temporary failure: only that is retried.
_RETRY_TEMPORARY = RetryStrategy(
    attempts=3,
    evaluate_on_exit=(
        EvaluateOnExit(action=RetryAction.RETRY, on_exit_code="75"),
        EvaluateOnExit(action=RetryAction.EXIT, on_exit_code="*"),
    ),
)


def definitions() -> list[dict[str, Any]]:
    """Return the job definitions in the format of RegisterJobDefinition."""
    return [
        _definition("train", _TRAIN),
        _definition("upload", _UPLOAD),
        _definition(FAILS_ON_PURPOSE, _LOAD),
        _definition("tiles", _TILE),
        _definition("extract", _EXTRACT, part="0", seconds="1"),
        _definition("report", _REPORT),
    ]


def _definition(name: str, script: str, **parameters: str) -> dict[str, Any]:
    placeholders = [f"Ref::{parameter}" for parameter in parameters]
    return {
        "jobDefinitionName": name,
        "type": "container",
        "parameters": parameters,
        "containerProperties": {
            "image": "busybox",
            "command": ["sh", "-c", script, name, *placeholders],
            "resourceRequirements": [
                {"type": "VCPU", "value": "1"},
                {"type": "MEMORY", "value": "64"},
            ],
        },
    }


def independent_requests() -> list[JobRequest]:
    """Return the jobs without dependencies, the most interesting ones first."""
    return [
        JobRequest("train", queue=QUEUE, name="train"),
        JobRequest("upload", queue=QUEUE, name="upload", retry=_RETRY_TEMPORARY),
        JobRequest(FAILS_ON_PURPOSE, queue=QUEUE, name=FAILS_ON_PURPOSE),
        JobRequest("tiles", queue=QUEUE, name="tiles", array_size=TILES),
        *(
            JobRequest("extract", queue=QUEUE, name=f"extract-{part:02}", parameters=parameters)
            for part, parameters in _parts()
        ),
    ]


def _parts() -> list[tuple[int, Mapping[str, str | float]]]:
    # 7 and 10 have no common divisor, so the durations of 0.5 to 2.3 s are in mixed order.
    return [
        (part, {"part": part, "seconds": round(0.5 + part * 7 % 10 * 0.2, 1)})
        for part in range(1, EXTRACTS + 1)
    ]
