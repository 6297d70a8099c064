"""Tasks for tests in this process, in Luigi's workers, and in other processes."""

import multiprocessing
import os
import socket
from pathlib import Path
from typing import Any

import luigi

from asyncbatch_luigi import BatchTask


class Quick(BatchTask):
    """A task that polls as often as AWS allows, and creates a file when it is done."""

    poll_time = 0

    def run(self) -> None:
        super().run()
        self.mark.touch()

    def complete(self) -> bool:
        return self.mark.exists()

    @property
    def mark(self) -> Path:
        return Path(f"{self.task_id}.done")


class Numbered(Quick):
    """A task with a number, for several of them."""

    number = luigi.IntParameter()


class Sized(Numbered):
    """A task with a resource as a parameter, for command lines."""

    job_vcpus = luigi.FloatParameter(default=1, significant=False)


class Written(luigi.Task):
    """An ordinary task that notes how its process was started."""

    number = luigi.IntParameter()
    job_definition: Any = luigi.Parameter(significant=False)

    def run(self) -> None:
        Path(f"written-{self.number}").write_text(
            str(multiprocessing.get_start_method()), encoding="utf-8"
        )

    def complete(self) -> bool:
        return Path(f"written-{self.number}").exists()


class Announced(luigi.Task):
    """An ordinary task of a host: it announces its start to the test, and waits for permission."""

    name: Any = luigi.Parameter()
    port = luigi.IntParameter(significant=False)
    rank = luigi.IntParameter(default=0)
    scarce: Any = luigi.Parameter(default="")

    @property
    def priority(self) -> int:  # type: ignore[override] # as Luigi's users do
        return int(self.rank)

    def process_resources(self) -> dict[str, int]:
        """Return the resource that it needs, of which there is one."""
        return {self.scarce: 1} if self.scarce else {}

    def run(self) -> None:
        with socket.create_connection(("127.0.0.1", self.port)) as test:
            test.sendall(f"{os.getpid()} {self.name}\n".encode())
            test.recv(1)
        self.mark.touch()

    def complete(self) -> bool:
        return self.mark.exists()

    @property
    def mark(self) -> Path:
        return Path(f"{self.name}.done")


class AfterAnnounced(Quick):
    """A job that needs an `Announced` task."""

    name: Any = luigi.Parameter()
    port = luigi.IntParameter(significant=False)
    rank = luigi.IntParameter(default=0)

    def requires(self) -> list[luigi.Task]:
        needed: Any = Announced
        return [needed(name=self.name, port=self.port, rank=self.rank)]
