"""What the kernels need to know of a generation of GPUs."""

from collections.abc import Sequence
from dataclasses import dataclass

from g2p_batch.errors import UsageError

# Shared memory that one block may ask for, in KiB, by architecture: CUDA C++ Programming Guide, compute capabilities.
# Earlier ones lack asynchronous copies and bfloat16.
_SHARED_KIB = {
    "sm_80": 163,
    "sm_86": 99,
    "sm_87": 163,
    "sm_89": 99,
    "sm_90": 227,
    "sm_100": 227,
    "sm_103": 227,
    "sm_120": 99,
}
ARCHITECTURES = tuple(_SHARED_KIB)


@dataclass(frozen=True)
class Gpu:
    """GPUs that one artifact is built for."""

    shared_bytes: int
    """What a block may use on the least of them."""


def gpu(architectures: Sequence[str]) -> Gpu:
    """Return what holds on all of some architectures.

    Raises:
        UsageError: one of them is not supported.
    """
    for name in architectures:
        if name not in _SHARED_KIB:
            raise UsageError(f"--arch {name} is not supported: give one or more of {', '.join(ARCHITECTURES)}")
    return Gpu(min(_SHARED_KIB[name] for name in architectures) << 10)
