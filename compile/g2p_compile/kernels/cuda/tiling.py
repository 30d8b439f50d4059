"""How a matrix product is cut for a GPU, and how its weight lies in memory; `gemm.cuh` computes it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from g2p_batch.errors import ModelError
from g2p_batch.model.ids import Float32

Array = npt.NDArray[Any]

ROW_BYTES = 128
PIECES = 8
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class BlockTile:
    """Tile of a block, its warps in rows by columns, and how many tiles of the weight are on their way."""

    rows: int
    columns: int
    warps: tuple[int, int]
    stages: int


# Widest first. All have four warps of at least 16 rows and two tiles of 8 columns.
_WIDE = (
    BlockTile(64, 128, (2, 2), 3),
    BlockTile(32, 128, (1, 4), 3),
    BlockTile(16, 128, (1, 4), 3),
    BlockTile(16, 64, (1, 4), 2),
)
_HEAD = (BlockTile(32, 64, (1, 4), 3), BlockTile(16, 64, (1, 4), 3), BlockTile(16, 64, (1, 4), 2))
FEW_ROWS = BlockTile(32, 128, (1, 4), 3)
"""For products of few columns and few rows: more blocks. Its weight lies as for `BlockTile(64, 128, ...)`."""


@dataclass(frozen=True)
class Tiling:
    """One product: x [M, inner] times `parts` weights [outputs, inner], as a `Plan` of `gemm.cuh`."""

    dtype: str
    inner: int
    outputs: int
    parts: int
    normed: bool
    tile: BlockTile
    kept: int = 0
    """float32 values of each row that stay in shared memory beside the tiles."""

    @property
    def depth(self) -> int:
        """Values of a row of a tile."""
        return ROW_BYTES // _BYTES[self.dtype]

    @property
    def steps(self) -> int:
        """Tiles along `inner`."""
        return -(-self.inner // self.depth)

    @property
    def tiles(self) -> int:
        """Tiles along the columns."""
        return -(-self.outputs * self.parts // self.tile.columns)

    @property
    def shared_bytes(self) -> int:
        """Shared memory of a block."""
        own = self.tile.rows * ROW_BYTES
        weight = self.tile.columns * ROW_BYTES
        if self.normed:
            return self.steps * own + self.tile.stages * weight + 4 * self.kept * self.tile.rows
        return self.tile.stages * (weight + own)

    @property
    def packed_shape(self) -> tuple[int, ...]:
        """Shape of the packed weight."""
        return self.tiles, self.steps, self.tile.columns, self.depth

    def plan(self, c_type: str) -> str:
        """Return the type that describes it in C++."""
        warps = f"{self.tile.warps[0]}, {self.tile.warps[1]}"
        sizes = f"{self.inner}, {self.outputs}, {self.tile.rows}, {self.tile.columns}, {warps}, {self.tile.stages}"
        return f"Plan<{c_type}, {sizes}, {str(self.normed).lower()}, {self.parts}>"

    def pack(self, *weights: Float32) -> Array:
        """Return weights [outputs, inner] in the order in which blocks read them.

        Raises:
            ModelError: a weight is too large for float16.
        """
        rows = np.stack([w.reshape(-1, 8, self.inner) for w in weights], axis=1).reshape(-1, self.inner)
        whole = np.zeros((self.tiles * self.tile.columns, self.steps * self.depth), np.float32)
        whole[: len(rows), : self.inner] = rows
        pieces = whole.reshape(self.tiles, self.tile.columns, self.steps, PIECES, -1).swapaxes(1, 2)
        at = np.arange(PIECES) ^ (np.arange(self.tile.columns)[:, None] % PIECES)
        swizzled = np.take_along_axis(pieces, at[None, None, :, :, None], axis=3)
        return as_stored(swizzled.reshape(self.packed_shape), self.dtype)


@dataclass(frozen=True)
class Packing:
    """How the weights of an operation lie in memory: as they are, or as those of a product, behind its gain if any."""

    product: Tiling | None = None
    gained: bool = False

    def __call__(self, *weights: Float32) -> tuple[Array, ...]:
        """Pack weights, float32.

        Raises:
            ModelError: as `Tiling.pack` says.
        """
        if self.product is None:
            return weights
        gains = int(self.gained)
        return (*weights[:gains], self.product.pack(*weights[gains:]))


def choose(dtype: str, inner: int, outputs: int, *, parts: int, normed: bool, kept: int, shared_bytes: int) -> Tiling:
    """Return the widest tiling that fits into a block's shared memory.

    Raises:
        ModelError: none does, or the sizes are no multiples of 8.
    """
    if inner % 8 or outputs % 8:
        raise ModelError(f"a weight of {outputs} by {inner} has no kernel for CUDA: its sizes are no multiples of 8")
    tilings = [
        Tiling(dtype, inner, outputs, parts, normed, tile, kept) for tile in _block_tiles(normed=normed, kept=kept)
    ]
    fitting = next((t for t in tilings if t.shared_bytes <= shared_bytes), None)
    if fitting is None:
        least = min(t.shared_bytes for t in tilings)
        raise ModelError(
            f"rows of {inner} values in {dtype} need {least >> 10} KiB of shared memory, this --arch has "
            f"{shared_bytes >> 10}: compile for sm_80 or sm_90, or in bfloat16"
        )
    return fitting


def _block_tiles(*, normed: bool, kept: int) -> Iterable[BlockTile]:
    if kept:
        return _HEAD
    return _WIDE if normed else _WIDE[:1]


def as_stored(values: Float32, dtype: str) -> Array:
    """Return float32 values in the number format of an artifact: bfloat16 and float16 as their bits.

    Raises:
        ModelError: a value is too large for float16.
    """
    if dtype == "float32":
        return np.ascontiguousarray(values)
    if dtype == "float16":
        with np.errstate(over="ignore"):
            half = values.astype(np.float16)
        if not np.isfinite(half).all():
            raise ModelError("a weight of this model is too large for float16: use bfloat16")
        return half.view(np.uint16)
    bits = np.ascontiguousarray(values).view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype(np.uint16)
