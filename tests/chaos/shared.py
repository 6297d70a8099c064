"""What the processes of a run share: a few numbers in memory that all of them see."""

import mmap
import struct

_INTEGER = struct.Struct("q")


class Shared:
    """Numbers in shared memory; they survive whoever wrote them.

    Attributes:
        driver: Process id of the driver; it writes it itself before it does anything else.
        life: Which life of the driver it is, from 0.
        requests: Requests that arrived in this life.
        steps: Steps forward that anybody made: the watchdog looks whether there are new ones.
    """

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, mmap.PAGESIZE)

    def _get(self, place: int) -> int:
        number: int
        (number,) = _INTEGER.unpack_from(self._memory, place * _INTEGER.size)
        return number

    def _set(self, place: int, number: int) -> None:
        _INTEGER.pack_into(self._memory, place * _INTEGER.size, number)

    @property
    def driver(self) -> int:
        return self._get(0)

    @driver.setter
    def driver(self, pid: int) -> None:
        self._set(0, pid)

    @property
    def life(self) -> int:
        return self._get(1)

    @life.setter
    def life(self, number: int) -> None:
        self._set(1, number)

    @property
    def requests(self) -> int:
        return self._get(2)

    @requests.setter
    def requests(self, count: int) -> None:
        self._set(2, count)

    @property
    def steps(self) -> int:
        return self._get(3) + self._get(4)

    def progress(self) -> None:
        """Note a step forward of the engine: a job started."""
        self._set(3, self._get(3) + 1)

    def delivered(self) -> None:
        """Note a step forward of the driver: it learned of an end."""
        self._set(4, self._get(4) + 1)

    def close(self) -> None:
        """Give the memory back."""
        self._memory.close()
