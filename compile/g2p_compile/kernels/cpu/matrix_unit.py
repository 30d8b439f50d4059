"""Products on AMX: registers that hold tiles of 16 rows of 64 bytes, and one instruction that multiplies two of them.

Four tiles of sums cover 32 rows by 32 columns. Rows are converted into tiles that lie one behind the other; a packed
weight holds two tiles side by side, 16 words deep. int8 sums are exact, so they are those of every other family.

float32 is computed from bfloat16: three of them hold the 24 bits of a float32, and six of the nine products of their
parts are summed, all but those below 2**-26 of the whole. So results are as near to the true ones as with float32's own
instructions. Intel's libraries call that BF16x3.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import ml_dtypes
import numpy as np
from tvm import tirx
from tvm.tirx.script import builder as T

from g2p_batch.model.contract import DType
from g2p_compile.kernels.cpu.amx import AS_BFLOAT16, BEGIN, END, SHARES, TILE_BYTES, TILE_ROWS, TILE_WORDS, multiply
from g2p_compile.kernels.cpu.machine import Machine
from g2p_compile.kernels.cpu.narrow import BFloat16Operands, Int8Quads
from g2p_compile.kernels.cpu.operands import Float32Operands, Operands, ProductLayout, in_words
from g2p_compile.kernels.cpu.register_tiles import ProductShape, Tile
from g2p_compile.kernels.kernel import Array, Float32, Packed
from g2p_compile.kernels.vector import Expr, Lanes, buffer

_PER_WORD: dict[DType, int] = {"float32": 2, "bfloat16": 2, "int8": 4}
_NEAR_BYTES = 32 << 10
"""What tiles of rows and weight may take of the nearest cache."""


class _OnMatrixUnit:
    """Rows in tiles, and sums in memory, where they wait while all strips take a chunk of the weight in turn."""

    layout: ProductLayout
    dtype: ClassVar[DType]
    sums: ClassVar[str]
    parts: ClassVar[int] = 1
    in_registers: ClassVar[bool] = False
    _words: Any
    _sums: Any

    @property
    def steps(self) -> int:
        """Tiles along a row."""
        return self.layout.inner // (TILE_WORDS * _PER_WORD[self.dtype])

    @property
    def chunk(self) -> int:
        """Steps that are taken at once."""
        return min(self.steps, max(1, _NEAR_BYTES // (4 * self.parts * TILE_BYTES)))

    def room_for_words(self, group: int) -> Any:
        return T.alloc_buffer((group // TILE_ROWS, self.steps, self.parts, TILE_ROWS, TILE_WORDS), "int32")

    def room_for_sums(self) -> Any:
        tile = self.layout.tile
        strips = tile.strips if self.chunk < self.steps else 1
        return T.alloc_buffer((strips, tile.rows, tile.columns), self.sums, scope="local")

    @contextmanager
    def at_work(self) -> Iterator[None]:
        T.evaluate(T.call_extern("int32", BEGIN))
        yield
        T.evaluate(T.call_extern("int32", END))

    def place(self, row: Expr, word: Expr, lanes: Lanes) -> list[Expr]:
        return [row // TILE_ROWS, word // TILE_WORDS, 0, row % TILE_ROWS, lanes.at(word % TILE_WORDS)]

    def begin_block(self, weight: Any, first: Expr, end: Expr, block: Expr) -> None:
        for begin in range(0, self.steps - self.chunk, self.chunk):
            with T.serial(0, self.layout.tile.strips_of(end - first)) as strip:
                self._multiply(weight, first, end, strip, block, begin)

    def accumulate(self, x: Any, weight: Any, first: Expr, end: Expr, strip: Expr, block: Expr) -> None:
        self._multiply(weight, first, end, strip, block, (self.steps - 1) // self.chunk * self.chunk)

    def total(self, strip: Expr, i: Expr, v: int) -> Expr:
        lanes = self.layout.tile.lanes
        return self._sums[self._own(strip), i, lanes.at(v * lanes.lanes)]

    def _own(self, strip: Expr) -> Expr:
        return strip if self.chunk < self.steps else 0

    def _multiply(self, weight: Any, first: Expr, end: Expr, strip: Expr, block: Expr, begin: int) -> None:
        """Emit the steps of a chunk, and fetch a share of the same steps of the next column tile."""
        tile, step_words = self.layout.tile, self.parts * TILE_ROWS * TILE_WORDS
        # Whole buffers are passed: of those whose elements are passed TVM keeps only what it sees being used.
        rows_at = (strip * (tile.rows // TILE_ROWS) * self.steps + begin) * step_words
        rows = self._words.access_ptr("r", offset=rows_at)
        sums = self._sums.access_ptr("rw", offset=self._own(strip) * (tile.rows * tile.columns))
        weight_row = begin * self.parts * TILE_ROWS
        share = self.parts * 2 * TILE_BYTES // SHARES  # bytes of a step
        arguments = (
            sums,
            rows,
            T.address_of(weight[block, weight_row, 0]),
            T.int64(min(self.chunk, self.steps - begin)),
            T.int64(self.steps * self.parts * TILE_BYTES),
            T.int64(begin),
            T.address_of(weight[block + 1, weight_row, strip * (share // 4)]),
        )
        T.evaluate(T.call_extern("int32", f"g2p_multiply_{self.dtype}", *arguments))


class BFloat16Tiles(_OnMatrixUnit, BFloat16Operands):
    """As `BFloat16Operands`, summed in another order."""

    dtype = "bfloat16"
    instructions = BFloat16Operands.instructions + multiply("g2p_multiply_bfloat16", "tdpbf16ps", 1, ((0, 0),))


class Int8Tiles(_OnMatrixUnit, Int8Quads):
    """The numbers and sums of `Int8Quads`; what takes the added 128 away again is added last."""

    dtype = "int8"
    instructions = Int8Quads.instructions + multiply("g2p_multiply_int8", "tdpbusd", 1, ((0, 0),))

    def result(self, total: Expr, row: Expr, first: Expr, block: Expr, v: int) -> Expr:
        """Return finished sums as float32."""
        return super().result(total + self.start(block, v), row, first, block, v)


class Float32Tiles(_OnMatrixUnit, Float32Operands):
    """Three bfloat16 a value; norms as in `Float32Operands`."""

    dtype = "float32"
    parts = 3
    # Each part of the rows is loaded once. What is left out is (1, 2), (2, 1) and (2, 2).
    instructions = AS_BFLOAT16 + multiply(
        "g2p_multiply_float32", "tdpbf16ps", 3, ((0, 2), (0, 1), (0, 0), (2, 0), (1, 0), (1, 1))
    )

    def packed(self) -> tuple[Packed, ...]:
        words = self.parts * self.layout.inner // _PER_WORD["float32"]
        return (Packed((self.layout.blocks, words, self.layout.tile.columns), "int32"),)

    def pack(self, gain: Float32 | None, weights: list[Float32]) -> tuple[Array, ...]:
        (rest,) = super().pack(gain, weights)
        tiles = []
        for _ in range(self.parts):
            part = rest.astype(ml_dtypes.bfloat16)
            tiles.append(in_words(part, 2).reshape(self.layout.blocks, -1, TILE_ROWS, self.layout.tile.columns))
            rest = rest - part.astype(np.float32)
        shape = self.packed()[0].shape
        return (np.ascontiguousarray(np.stack(tiles, axis=2)).reshape(shape),)

    def declare(self) -> Any:
        return buffer("weight", self.packed()[0].shape, "int32")

    def allocate(self, group: int) -> None:
        super().allocate(group)
        self._words = self.room_for_words(group)

    def prepare(self, x: Any, first: Expr, end: Expr, epsilon: float | None) -> None:
        super().prepare(x, first, end, epsilon)
        lanes = self.layout.tile.lanes
        with T.serial(0, end - first) as i, T.serial(0, self.layout.inner // (2 * lanes.lanes)) as k:
            rest = [lanes.named(x[first + i, lanes.at((2 * k + half) * lanes.lanes)]) for half in range(2)]
            for part in range(self.parts):
                pairs = lanes.named(T.call_extern("int32x16", "g2p_as_bfloat16", *rest))
                T.buffer_store(self._words, pairs, [i // TILE_ROWS, k, part, i % TILE_ROWS, lanes.at(0)])
                rest = [lanes.named(value - held) for value, held in zip(rest, self._values(pairs), strict=True)]

    def _values(self, pairs: Expr) -> list[Expr]:
        """Return what a vector of bfloat16 holds as two of float32."""
        halves = [tirx.Shuffle([pairs], list(range(first, first + 8))) for first in (0, 8)]
        return [T.call_extern("float32x16", "g2p_of_bfloat16", half) for half in halves]


MATRIX_OPERANDS: dict[DType, Callable[[ProductLayout], Operands]] = {
    "float32": Float32Tiles,
    "bfloat16": BFloat16Tiles,
    "int8": Int8Tiles,
}
"""By the dtype of an artifact."""


def on_matrix_unit(machine: Machine, dtype: DType, product: ProductShape) -> bool:
    """Return whether a product fills whole tiles of a machine that has them."""
    share = matrix_tile(machine).columns // product.parts
    return machine.matrix and product.inner % (TILE_WORDS * _PER_WORD[dtype]) == 0 and product.outputs % share == 0


def matrix_tile(machine: Machine) -> Tile:
    """Return the tile of all products on a matrix unit."""
    return Tile(Lanes(machine, machine.lanes), vectors=2, rows=2 * TILE_ROWS, strips=SHARES)
