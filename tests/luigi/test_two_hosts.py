"""Two one-process workers of different processes at one `luigid` share all tasks."""

import socket
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from tests.fixtures.programs import Program
from tests.luigi.processes import start
from tests.luigi.support import Aws

HOST = """
import asyncbatch_luigi
import luigi
from tests.luigi.tasks import AfterAnnounced, Announced

tasks = [
    *(
        Announced(name=f"{name}-scarce-{{n}}", rank=20 - n, scarce="{name}", port={port})
        for n in range(2)
    ),
    *(Announced(name=f"{name}-plain-{{n}}", rank=9 - n, port={port}) for n in range(6)),
    *(
        AfterAnnounced(name=f"{name}-needed-{{n}}", rank=9, port={port}, job_definition="succeeds")
        for n in range(3)
    ),
]
url = {url!r}
result = asyncbatch_luigi.build(
    tasks, detailed_summary=True, scheduler_url=url, workers=1, log_level="WARNING"
)
print("ended:", result.status.name)
"""
SECONDS = 60  # for each step, so that a deadlock fails


class Started:
    """An `Announced` task that waits for permission to end."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        with connection.makefile(encoding="utf-8") as lines:
            host, self.name = lines.readline().split()
        self.host = int(host)

    def end(self) -> None:
        self._connection.sendall(b".")
        self._connection.close()


@contextmanager
def hosts(url: str, name: str, port: int) -> Iterator[list[Program]]:
    with ExitStack() as ending:
        programs = []
        for _ in range(2):
            programs.append(start(HOST.format(url=url, name=name, port=port)))
            ending.callback(programs[-1].kill)
        yield programs


def test_each_task_runs_once_in_order_of_priority_on_either_host(
    aws: Aws, luigid: str, request: pytest.FixtureRequest
) -> None:
    name = str(request.node.name)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(SECONDS)
        with hosts(luigid, name, server.getsockname()[1]) as programs:
            order: list[Started] = []
            running: deque[Started] = deque()
            for _ in range(11):
                while len(running) < min(2, 11 - len(order)):
                    order.append(Started(server.accept()[0]))
                    running.append(order[-1])
                # A host runs one task at a time, and none has the resource of another.
                assert len({task.host for task in running}) == len(running)
                assert sum("scarce" in task.name for task in running) < 2
                running.popleft().end()
            outputs = [program.read_all() for program in programs]
    names = [task.name.removeprefix(f"{name}-") for task in order]
    # Who is first asks while the other host still starts, but nothing overtakes.
    assert names[:3] == ["scarce-0", *names[1:3]]
    assert names.index("scarce-1") == 2
    urgent = [f"needed-{number}" for number in range(3)] + ["plain-0"]
    assert sorted([*names[1:2], *names[3:6]]) == sorted(urgent)
    assert names[6:] == [f"plain-{number}" for number in range(1, 6)]
    assert {task.host for task in order} == {program.pid for program in programs}
    # As with Luigi's own workers: each host has scheduled tasks that the other one ran.
    assert [output.splitlines()[-1:] for output in outputs] == [["ended: NOT_RUN"]] * 2
    assert sorted(aws.statuses()) == ["SUCCEEDED"] * 3
