"""The sizes of Fargate tasks: which memory goes with which number of vCPUs.

Source: https://docs.aws.amazon.com/batch/latest/APIReference/API_ResourceRequirement.html
"""

from collections.abc import Sequence

_GIB = 1024

# vCPUs, with the amounts of memory in MiB that are allowed with them.
_SIZES: Sequence[tuple[float, Sequence[int]]] = (
    (0.25, (512, 1 * _GIB, 2 * _GIB)),
    (0.5, range(1 * _GIB, 4 * _GIB + 1, _GIB)),
    (1, range(2 * _GIB, 8 * _GIB + 1, _GIB)),
    (2, range(4 * _GIB, 16 * _GIB + 1, _GIB)),
    (4, range(8 * _GIB, 30 * _GIB + 1, _GIB)),
    (8, range(16 * _GIB, 60 * _GIB + 1, 4 * _GIB)),
    (16, range(32 * _GIB, 120 * _GIB + 1, 8 * _GIB)),
)


def fargate_size(vcpus: float, memory_mib: int, *, at_most: int) -> tuple[float, int] | None:
    """Return the smallest size with at least the given vCPUs and memory.

    Args:
        vcpus: Minimum number of vCPUs.
        memory_mib: Minimum memory in MiB.
        at_most: Maximum memory in MiB.

    Returns:
        vCPUs and memory in MiB; None if there is no such size.
    """
    for size, memories in _SIZES:
        if size >= vcpus:
            for memory in memories:
                if memory_mib <= memory <= at_most:
                    return size, memory
    return None
