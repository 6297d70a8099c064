"""Virtual time has an event loop of its own."""

import pytest

from asyncbatch import AsyncBatchClient, InvalidRequest
from asyncbatch.local import LocalBatch, run_in_virtual_time


async def test_virtual_time_inside_of_a_loop_is_refused_with_the_next_step() -> None:
    async def nothing() -> None:
        raise AssertionError("not called")

    with pytest.raises(RuntimeError, match="from a test or a script"):
        run_in_virtual_time(nothing)


def test_a_local_batch_given_as_a_session_is_refused_with_the_next_step() -> None:
    with pytest.raises(InvalidRequest, match="pass its attribute `session`"):
        AsyncBatchClient(session=LocalBatch())
