"""What the build step gets from a kernel family."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from tvm import tirx

from g2p_compile.kernels.machine import Machine

Float32 = npt.NDArray[np.float32]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Limits:
    """Longest lengths that an artifact is built for."""

    source_bytes: int
    target_bytes: int


@dataclass(frozen=True)
class Site:
    """One call of an operation: where it runs and with what constants."""

    machine: Machine
    limits: Limits
    shapes: tuple[Any, ...]
    """Shapes of the tensor arguments; sizes of batches and caches are symbolic."""
    weights: tuple[Shape, ...]
    """Shapes of those arguments that are weights."""
    constants: tuple[float, ...]


def _nothing(*weights: Float32) -> Float32:
    raise TypeError(f"a kernel without weights was given {len(weights)}")


@dataclass(frozen=True)
class Kernel:
    """A PrimFunc over (data arguments, packed weight, results), and how its weights are packed into one tensor."""

    function: tirx.PrimFunc
    pack: Callable[..., Float32] = _nothing
    """Takes the operation's weights, float32, and returns one contiguous array of `packed_shape`."""
    packed_shape: Shape = ()
