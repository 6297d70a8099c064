"""What the largest EC2 instance type of a name has: vCPUs, memory and GPUs.

A compute environment allows instance types (``c5.large``), whole families (``c5``), or ``optimal``.
The table has families that AWS Batch jobs run on. Its numbers are upper limits: a job that asks for
more than one of them fits on no instance of that name. Of a name that is not in the table nothing
is known.

Source: https://docs.aws.amazon.com/ec2/latest/instancetypes/instance-types.html, of January 2026.
"""

import re
from dataclasses import dataclass

_GIB = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceSize:
    """What an instance has.

    Attributes:
        vcpus: Number of vCPUs.
        memory_mib: Installed memory in MiB; jobs can use less of it.
        gpus: Number of GPUs.
    """

    vcpus: int
    memory_mib: int
    gpus: int


# vCPUs of the largest size, GiB of memory for each vCPU, GPUs of the largest size.
_FAMILIES: dict[str, tuple[int, float, int]] = {
    family: (vcpus, gib, gpus)
    for vcpus, gib, gpus, families in (
        (16, 2, 0, "a1"),
        (32, 1.875, 0, "c3"),
        (36, 1.875, 0, "c4"),
        (64, 2, 0, "c6g c6gd c6gn c7g c7gd c7gn c7i-flex c8i-flex"),
        (96, 2, 0, "c5 c5a c5ad c5d c8gb"),
        (128, 2, 0, "c6i c6id c6in"),
        (192, 2, 0, "c6a c7a c7i c8a c8g c8gd c8gn"),
        (384, 2, 0, "c8i"),
        (72, 2.667, 0, "c5n"),
        (8, 3.75, 0, "m3"),
        (8, 4, 0, "t2 t3 t3a t4g"),
        (48, 4, 0, "d3en m5zn"),
        (64, 4, 0, "h1 im4gn m4 m6g m6gd m7g m7gd m7i-flex m8i-flex"),
        (96, 4, 0, "m5 m5a m5ad m5d m5dn m5n m8gb"),
        (128, 4, 0, "m6i m6id m6idn m6in"),
        (192, 4, 0, "m6a m7a m7i m8a m8g m8gd m8gn"),
        (384, 4, 0, "m8i"),
        (32, 6, 0, "is4gen"),
        (32, 7.625, 0, "i2 r3"),
        (36, 7.625, 0, "d2"),
        (64, 7.625, 0, "i3 r4"),
        (32, 8, 0, "d3"),
        (48, 8, 0, "z1d"),
        (64, 8, 0, "i4g r6g r6gd r7g r7gd r8i-flex"),
        (96, 8, 0, "i3en r5 r5a r5ad r5b r5d r5dn r5n r8gb"),
        (128, 8, 0, "i4i r6i r6id r6idn r6in r7iz"),
        (192, 8, 0, "i7i i7ie i8g i8ge r6a r7a r7i r8a r8g r8gd r8gn"),
        (384, 8, 0, "r8i"),
        (128, 15.25, 0, "x1"),
        (64, 16, 0, "x2gd"),
        (128, 16, 0, "x2idn"),
        (192, 16, 0, "x8g"),
        (384, 16, 0, "x8i"),
        (128, 30.5, 0, "x1e"),
        (48, 32, 0, "x2iezn"),
        (128, 32, 0, "x2iedn"),
        (32, 8, 1, "gr6"),
        (64, 2, 2, "g5g"),
        (64, 4, 4, "g4ad"),
        (96, 4, 8, "g4dn"),
        (192, 4, 8, "g5 g6"),
        (64, 7.625, 8, "p3"),
        (96, 8, 8, "p3dn"),
        (192, 8, 8, "g6e"),
        (192, 10.667, 8, "g7e p5en p6-b200"),
        (96, 12, 8, "p4d p4de"),
        (192, 16, 8, "p5"),
        # C4, M4 and R4, or C5, M5 and R5 where a Region does not have those; R5 is the largest.
        # https://docs.aws.amazon.com/batch/latest/APIReference/API_ComputeResource.html
        (96, 8, 0, "optimal"),
    )
    for family in families.split()
}

_SIZE = re.compile(r"(?:metal-)?(?:(?P<times>[0-9]{0,3})xl(?:arge)?|(?P<small>[a-z]+))")
_VCPUS_OF_XLARGE = 4
_VCPUS_OF_SMALLER = {"medium": 1, "large": 2}
_ODD_SIZES = {"c4.8xlarge": 36, "d2.8xlarge": 36}
_BURSTABLE = re.compile(r"t[0-9][a-z]*")
_GIB_OF_BURSTABLE = {"nano": 0.5, "micro": 1.0, "small": 2.0, "medium": 4.0, "large": 8.0}


def largest_size(name: str) -> InstanceSize | None:
    """Return what the largest instance has that a name allows; None where that is not known.

    Args:
        name: An instance type such as ``c5.large``, a family such as ``c5``, or ``optimal``.
    """
    family, _, size = name.partition(".")
    if family not in _FAMILIES:
        return None
    most_vcpus, gib_per_vcpu, gpus = _FAMILIES[family]
    if _BURSTABLE.fullmatch(family) and size in _GIB_OF_BURSTABLE:
        memory_mib = round(_GIB_OF_BURSTABLE[size] * _GIB)
        return InstanceSize(vcpus=2, memory_mib=memory_mib, gpus=gpus)
    vcpus = _vcpus(name, size, most_vcpus)
    if vcpus is None:
        return None
    return InstanceSize(vcpus=vcpus, memory_mib=round(vcpus * gib_per_vcpu * _GIB), gpus=gpus)


def _vcpus(name: str, size: str, most: int) -> int | None:
    """Return the vCPUs of a size; those of the largest one for a whole family and bare metal."""
    if size in {"", "metal"}:
        return most
    if name in _ODD_SIZES:
        return _ODD_SIZES[name]
    match = _SIZE.fullmatch(size)
    if match is None:
        return None
    if match["small"]:
        return _VCPUS_OF_SMALLER.get(match["small"])
    return _VCPUS_OF_XLARGE * int(match["times"] or 1)
