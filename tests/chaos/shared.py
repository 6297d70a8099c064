"""Numbers in shared memory that all processes of a run can read and write."""

import mmap
import struct

_INTEGER = struct.Struct("q")
_MICROSECONDS = 1e6


class Shared:
    """Numbers in shared memory; they survive the process that wrote them.

    Attributes:
        driver: Process id of the driver, which writes it before anything else.
        driver_number: Number of the driver process, from 0.
        requests: Requests that arrived from this driver.
        steps: Steps of progress of all processes; a run without new ones counts as hung.
        transactions: Transactions of the journal, of all drivers; locking it is one as well.
        full_until: When the disk of the journal is no longer full, in seconds since the epoch.
        full_writes: Writes that failed because the disk was full.
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
    def driver_number(self) -> int:
        return self._get(1)

    @driver_number.setter
    def driver_number(self, number: int) -> None:
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
        """Count a step of progress of the engine: a job started."""
        self._set(3, self._get(3) + 1)

    def delivered(self) -> None:
        """Count a step of progress of the driver: the end of a job was reported."""
        self._set(4, self._get(4) + 1)

    @property
    def transactions(self) -> int:
        return self._get(5)

    @transactions.setter
    def transactions(self, count: int) -> None:
        self._set(5, count)

    @property
    def full_until(self) -> float:
        return self._get(6) / _MICROSECONDS

    @full_until.setter
    def full_until(self, moment: float) -> None:
        self._set(6, round(moment * _MICROSECONDS))

    @property
    def full_writes(self) -> int:
        return self._get(7)

    @full_writes.setter
    def full_writes(self, count: int) -> None:
        self._set(7, count)

    def close(self) -> None:
        """Release the memory."""
        self._memory.close()
