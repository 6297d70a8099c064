"""What is known about EC2 instance types."""

import pytest

from asyncbatch._values.instance_types import InstanceSize, largest_size


@pytest.mark.parametrize(
    ("name", "vcpus", "memory_mib", "gpus"),
    [
        ("c5.large", 2, 4096, 0),
        ("c5.9xlarge", 36, 73_728, 0),
        ("c5", 96, 196_608, 0),
        ("c5.metal", 96, 196_608, 0),
        ("m7i.metal-24xl", 96, 393_216, 0),
        ("m6g.medium", 1, 4096, 0),
        ("t3.small", 2, 2048, 0),
        ("c4.8xlarge", 36, 69_120, 0),
        ("r4.xlarge", 4, 31_232, 0),
        ("p3.2xlarge", 8, 62_464, 8),
        ("m7i-flex", 64, 262_144, 0),
        ("optimal", 96, 786_432, 0),
    ],
)
def test_known_names(name: str, vcpus: int, memory_mib: int, gpus: int) -> None:
    size = InstanceSize(vcpus=vcpus, memory_mib=memory_mib, gpus=gpus)
    assert largest_size(name) == size


@pytest.mark.parametrize(
    "name", ["", ".", "c99", "c99.large", "default_x86_64", "c5.huge", "c5.٣xlarge", "C5.large"]
)
def test_unknown_names_have_no_size(name: str) -> None:
    assert largest_size(name) is None
