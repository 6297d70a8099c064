"""`asyncbatch doctor`: what it finds, with which calls, and that it never waits long."""

import json
import socket
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any

import pytest

from asyncbatch._cli.connecting import Connection
from asyncbatch._cli.diagnosis import Check, clock_check, diagnose, proxy
from asyncbatch.local import Fault
from tests.cli.harness import Called, Terminal
from tests.fixtures.bench import MakeBench
from tests.support import REGION

READS = {
    *("DescribeJobQueues", "DescribeComputeEnvironments", "DescribeJobDefinitions"),
    *("DescribeJobs", "ListJobs", "GetJobQueueSnapshot", "FilterLogEvents", "GetLogEvents"),
}
DENIED = Fault.error("AccessDeniedException", "not authorized", status=403)


async def examined(
    bench: MakeBench, terminal: Terminal, *arguments: str, **faults: Fault
) -> tuple[Called, dict[str, dict[str, str]]]:
    """Run the command with faults in operations, and return what it printed and found.

    No operation that changes anything is called.
    """
    async with bench() as b:
        before = b.local.calls.copy()
        for operation, fault in faults.items():
            b.local.faults.add(operation, fault)
        called = await terminal.call(b, "doctor", "--json", *arguments)
        assert set(b.local.calls - before) <= READS
    found: dict[str, Any] = json.loads(called.out)
    assert found["ok"] == (called.code == 0)
    needs_fix = [check for check in found["checks"] if check["state"] in {"problem", "warning"}]
    assert all(check["fix"] for check in needs_fix)
    return called, {check["name"]: check for check in found["checks"]}


@pytest.mark.virtual_time
async def test_everything_is_checked(bench: MakeBench, terminal: Terminal) -> None:
    called, checks = await examined(bench, terminal)
    assert called.code == 0
    actions = {f"batch:{name}" for name in READS if "Log" not in name}
    actions |= {"logs:FilterLogEvents", "logs:GetLogEvents"}
    assert {name for name in checks if ":" in name} == actions
    assert {checks[name]["state"] for name in actions} == {"ok"}
    names = {"versions", "extras", "region", "endpoint", "credentials", "bulk calls", "clock"}
    names |= {"identity", "job queue default", "default job queue", "compute environment local"}
    assert names <= set(checks)
    untried = checks["permissions to change"]
    assert "batch:SubmitJob" in untried["text"]
    assert untried["state"] == "unknown"


@pytest.mark.virtual_time
@pytest.mark.parametrize(
    ("faults", "name", "finding"),
    [
        ({"ListJobs": DENIED}, "batch:ListJobs", "problem: Add batch:ListJobs to the policy"),
        ({"GetJobQueueSnapshot": DENIED}, "batch:GetJobQueueSnapshot", "warning: denied: not"),
        ({"FilterLogEvents": DENIED}, "logs:FilterLogEvents", "warning: Add logs:FilterLog"),
        ({"DescribeJobs": Fault.latency(1e6)}, "batch:DescribeJobs", "problem: after 10 s"),
        ({"ListJobs": Fault.server_error()}, "batch:ListJobs", "unknown: ServerException"),
        ({"DescribeJobQueues": Fault.refuse()}, "batch:DescribeJobQueues", "problem: network"),
        (
            {"DescribeJobQueues": Fault.error("ExpiredTokenException", "expired", status=403)},
            *("batch:DescribeJobQueues", "problem: Log in again"),
        ),
        (
            {"DescribeJobQueues": Fault.error("RequestTimeTooSkewed", "too skewed", status=403)},
            *("batch:DescribeJobQueues", "problem: Set the clock"),
        ),
        (
            {"DescribeJobQueues": Fault.error("InvalidSignatureException", "wrong", status=403)},
            *("batch:DescribeJobQueues", "problem: The secret key"),
        ),
    ],
)
async def test_faults_are_found(
    bench: MakeBench, terminal: Terminal, faults: dict[str, Fault], name: str, finding: str
) -> None:
    called, checks = await examined(bench, terminal, **faults)
    state, _, words = finding.partition(": ")
    check = checks[name]
    assert check["state"] == state
    assert words in f"{check['text']} {check['fix']}"
    assert called.code == (3 if state == "problem" else 0)


@pytest.mark.virtual_time
async def test_queue_that_does_not_exist_is_a_problem(bench: MakeBench, terminal: Terminal) -> None:
    called, checks = await examined(bench, terminal, "--queue", "nope")
    assert called.code == 3
    assert checks["default job queue"]["text"] == "nope does not exist"


@pytest.mark.virtual_time
async def test_text_has_each_finding_with_its_fix(bench: MakeBench, terminal: Terminal) -> None:
    async with bench() as b, b.local.session.create_client("batch") as aws:
        await aws.create_job_queue(
            jobQueueName="old",
            priority=1,
            state="DISABLED",
            computeEnvironmentOrder=[{"order": 1, "computeEnvironment": "local"}],
        )
        called = await terminal.call(b, "doctor")
    lines = called.out.splitlines()
    place = next(n for n, line in enumerate(lines) if "job queue old" in line)
    assert lines[place].startswith("warning job queue old")
    assert "takes no jobs: DISABLED, VALID" in lines[place]
    assert "→ aws batch update-job-queue --job-queue old --state ENABLED" in lines[place + 1]
    ends_one_by_one = "the SDK has no TerminateJobs" in called.out  # an old botocore
    assert lines[-1] == f"no problems, {'2 warnings' if ends_one_by_one else '1 warning'}."
    assert called.code == 0


@pytest.mark.may_block
async def test_machine_without_credentials_is_told_to_log_in() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        checks = await _checks(Connection(endpoint_url=url, region=REGION))
    assert checks["credentials"].state == "problem"
    assert "aws sso login" in checks["credentials"].fix
    assert checks["batch:DescribeJobQueues"].state == "problem"
    assert "aws sso login" in checks["batch:DescribeJobQueues"].fix
    assert "identity" not in checks


@pytest.mark.may_block
async def test_machine_without_a_region_is_told_to_set_one() -> None:
    checks = await _checks(Connection())
    assert checks["configuration"].state == "problem"
    assert checks["configuration"].text == "no AWS Region is configured."
    assert checks["configuration"].fix.startswith("Pass --region")


@pytest.mark.may_block
async def test_another_endpoint_is_checked_as_far_as_it_goes(
    moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing-key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    checks = await _checks(Connection(endpoint_url=moto, region=REGION))
    assert checks["identity"].text.startswith("arn:aws:sts::")
    assert checks["identity"].text in checks["permissions to change"].fix
    assert checks["clock"].state == "ok"
    assert checks["default job queue"].state == "problem"
    assert checks["credentials"].text == "access key test…-key from env"


async def _checks(connection: Connection) -> dict[str, Check]:
    checks: list[Check] = []
    await diagnose(connection, checks.append, limit=60.0)
    return {check.name: check for check in checks}


@pytest.mark.parametrize(
    ("seconds", "state"),
    [(0, "ok"), (-20, "ok"), (60, "warning"), (-299, "warning"), (301, "problem")],
)
def test_clock_is_compared_with_the_endpoint(seconds: int, state: str) -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    theirs = datetime.fromtimestamp(now.timestamp() - seconds, UTC)
    check = clock_check(format_datetime(theirs, usegmt=True), now)
    assert (check.state, f"differs by {seconds} s" in check.text) == (state, True)


@pytest.mark.parametrize("date", [None, "", "yesterday"])
def test_endpoint_without_a_date_says_nothing_about_the_clock(date: str | None) -> None:
    assert clock_check(date, datetime.now(UTC)).state == "unknown"


def test_proxy_is_shown_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://me:secret@proxy:3128")
    (check,) = proxy()
    assert check.text == "HTTPS_PROXY=http://***@proxy:3128"
