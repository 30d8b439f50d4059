"""What the build step gets from a kernel family."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from tvm import tirx

from g2p_batch.model.contract import CacheCells, DType, Stored
from g2p_compile.kernels.cpu.machine import Machine
from g2p_compile.kernels.cpu.register_tiles import Tiles

Float32 = npt.NDArray[np.float32]
Array = npt.NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Limits:
    """Longest lengths that an artifact is built for."""

    source_bytes: int
    target_bytes: int


@dataclass(frozen=True)
class Call:
    """One call of an operation."""

    shapes: tuple[Any, ...]
    """Shapes of the tensor arguments; sizes of batches and caches are symbolic."""
    weights: tuple[Shape, ...]
    """Shapes of those arguments that are weights."""
    constants: tuple[float, ...]


@dataclass(frozen=True)
class Site:
    """A call on a CPU: where it runs, and how."""

    machine: Machine
    limits: Limits
    dtype: DType
    shapes: tuple[Any, ...]
    weights: tuple[Shape, ...]
    constants: tuple[float, ...]
    tiles: Tiles = field(default_factory=Tiles)
    """Which tile each product gets."""


@dataclass(frozen=True)
class Packed:
    """Shape and type of a packed weight."""

    shape: Shape
    dtype: str


def _nothing(*weights: Float32) -> tuple[Array, ...]:
    raise TypeError(f"a kernel without weights was given {len(weights)}")


@dataclass(frozen=True)
class Kernel:
    """A PrimFunc over (data arguments, packed weights, results), and how its weights are packed."""

    function: tirx.PrimFunc
    packed: tuple[Packed, ...] = ()
    pack: Callable[..., tuple[Array, ...]] = _nothing
    """Takes the operation's weights, float32, and returns contiguous arrays as `packed` says."""


class Kernels(Protocol):
    """A kernel for every operation, on one kind of hardware in one number format."""

    @property
    def folds(self) -> bool:
        """Whether first projections become tables, for `embed` to look up."""

    @property
    def cacheless(self) -> bool:
        """Whether the cacheless check can be built."""

    @property
    def places_hidden(self) -> bool:
        """Whether the encoder is given a place behind its other inputs, [B*S, d_model], and returns it filled."""

    @property
    def hidden(self) -> Stored:
        """Number format of encoder outputs."""

    def result(self, operation: str) -> Stored:
        """Return the number format of an operation's float results."""

    def cells(self, width: int) -> CacheCells:
        """Return how caches hold a head of `width` values."""

    def make(self, operation: str, call: Call) -> Kernel:
        """Return the kernel for a call.

        Raises:
            ModelError: there is none for its sizes.
        """
