"""`AsyncBatchClient.read_log_stream()`: the last events of a stream that is known by name only."""

import pytest

from asyncbatch import AccessDenied, AsyncBatchClient, ClientClosed, InvalidRequest
from asyncbatch.local import Fault, Script
from tests.fixtures.bench import DEFINITION, Bench, MakeBench

pytestmark = pytest.mark.virtual_time

LINES = [(n / 100, f"line {n}") for n in range(120)]
PRINTS = Script(duration=10, lines=LINES)


async def _finished_stream(b: Bench, definition: str = "hello") -> str:
    """Run a job and return the name of its log stream."""
    description = await (await b.batch.submit(definition)).wait()
    name = description.containers[0].log_stream_name
    assert name is not None
    return name


@pytest.mark.parametrize(("arguments", "count"), [({}, 50), ({"tail": 3}, 3), ({"tail": 500}, 120)])
async def test_read_log_stream_returns_the_last_events_in_order(
    bench: MakeBench, arguments: dict[str, int], count: int
) -> None:
    async with bench(PRINTS) as b:
        stream = await _finished_stream(b)
        events = await b.batch.read_log_stream(stream, **arguments)  # type: ignore[arg-type]
    assert [event.message for event in events] == [line for _, line in LINES[-count:]]
    assert {event.stream for event in events} == {stream}


async def test_read_log_stream_reads_another_log_group(bench: MakeBench) -> None:
    logging = {"logDriver": "awslogs", "options": {"awslogs-group": "/my/group"}}
    container = {**DEFINITION["containerProperties"], "logConfiguration": logging}
    definition = {
        "jobDefinitionName": "mine",
        "type": "container",
        "containerProperties": container,
    }
    async with bench(PRINTS) as b:
        await b.batch.register_job_definition(definition)
        stream = await _finished_stream(b, "mine")
        events = await b.batch.read_log_stream(stream, tail=2, log_group="/my/group")
        assert [event.message for event in events] == ["line 118", "line 119"]
        assert await b.batch.read_log_stream(stream, tail=2) == []


@pytest.mark.parametrize("log_group", [None, "/no/such/group"])
async def test_read_log_stream_of_a_missing_stream_returns_no_events(
    bench: MakeBench, log_group: str | None
) -> None:
    async with bench() as b:
        assert await b.batch.read_log_stream("no/such/stream", log_group=log_group) == []


@pytest.mark.parametrize("tail", [0, -1, 1.5, "5"])
async def test_read_log_stream_with_a_wrong_tail_raises_invalid_request(
    bench: MakeBench, tail: object
) -> None:
    async with bench() as b:
        with pytest.raises(InvalidRequest, match="tail="):
            await b.batch.read_log_stream("any", tail=tail)  # type: ignore[arg-type]
        assert b.local.calls["GetLogEvents"] == 0


async def test_read_log_stream_raises_what_aws_answers(bench: MakeBench) -> None:
    async with bench() as b:
        denial = Fault.error("AccessDeniedException", "no logs:GetLogEvents", status=403)
        with b.local.faults.add("GetLogEvents", denial), pytest.raises(AccessDenied):
            await b.batch.read_log_stream("any")


async def test_read_log_stream_of_a_client_that_is_not_open_raises_client_closed() -> None:
    with pytest.raises(ClientClosed, match="not open yet"):
        await AsyncBatchClient().read_log_stream("any")
