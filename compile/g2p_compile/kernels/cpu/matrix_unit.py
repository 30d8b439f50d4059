"""Products on AMX: registers that hold tiles of 16 rows of 64 bytes, and one instruction that multiplies two of them.

Four tiles of sums cover 32 rows by 32 columns. Rows are converted into tiles that lie one behind the other; a packed
weight holds two tiles side by side, 16 words deep. int8 sums are exact, so they are those of every other family.

float32 is computed in fixed point: a row becomes whole numbers of 24 bits, scaled by its largest value, and so does
each column of the weight, in three bytes whose products are summed without rounding (`amx_slices`). On rows of a model
that is as near to the truth as float32's own instructions; what is smaller than the largest value of its row or column
by many orders counts for less. Known as the Ozaki scheme on integer units (Ootomo, Ozaki, Yokota, arXiv 2306.11975).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
from tvm.tirx.script import builder as T

from g2p_batch.model.contract import DType
from g2p_compile.kernels.cpu.amx import BEGIN, END, SHARES, TILE_BYTES, TILE_ROWS, TILE_WORDS, multiply
from g2p_compile.kernels.cpu.amx_slices import SLICES, multiply_slices
from g2p_compile.kernels.cpu.machine import Machine
from g2p_compile.kernels.cpu.narrow import BFloat16Operands, Int8Quads, WholeNumbers
from g2p_compile.kernels.cpu.operands import Operands, ProductLayout, Sums, in_words
from g2p_compile.kernels.cpu.register_tiles import ProductShape, Tile
from g2p_compile.kernels.kernel import Array, Float32, Packed
from g2p_compile.kernels.vector import Expr, Lanes

_PER_WORD: dict[DType, int] = {"float32": 4, "bfloat16": 2, "int8": 4}
_NEAR_BYTES = 48 << 10
"""What tiles of rows and weight may take of the nearest cache."""


class _OnMatrixUnit(Sums):
    """Rows in tiles, and sums in memory, where they wait while all strips take a chunk of the weight in turn."""

    dtype: ClassVar[DType]
    parts: ClassVar[int] = 1
    in_registers: ClassVar[bool] = False
    _words: Any

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

    def place(self, row: Expr, word: Expr, lanes: Lanes, part: int = 0) -> list[Expr]:
        return [row // TILE_ROWS, word // TILE_WORDS, part, row % TILE_ROWS, lanes.at(word % TILE_WORDS)]

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
    instructions = BFloat16Operands.instructions + multiply("g2p_multiply_bfloat16", "tdpbf16ps")


class Int8Tiles(_OnMatrixUnit, Int8Quads):
    """The numbers and sums of `Int8Quads`; what takes the added 128 away again is added last."""

    dtype = "int8"
    instructions = Int8Quads.instructions + multiply("g2p_multiply_int8", "tdpbusd")

    def result(self, total: Expr, row: Expr, first: Expr, block: Expr, v: int) -> Expr:
        """Return finished sums as float32."""
        return super().result(total + self.start(block, v), row, first, block, v)


class Float32Tiles(_OnMatrixUnit, WholeNumbers):
    """Whole numbers of 24 bits in slices of eight; the chunks of a row are added up in float32."""

    dtype = "float32"
    sums = "float32"
    parts = SLICES
    largest = 127 << 16  # the highest slice is a signed byte
    instructions = multiply_slices("g2p_multiply_float32")

    def packed(self) -> tuple[Packed, ...]:
        weight, *rest = super().packed()
        blocks, words, columns = weight.shape
        return (Packed((blocks, self.parts * words, columns), weight.dtype), *rest)

    def pack(self, gain: Float32 | None, weights: list[Float32]) -> tuple[Array, ...]:
        # A quotient in float32 would be off by half a unit.
        return super().pack(gain, [w.astype(np.float64) for w in weights])

    def held(self, whole: Array) -> tuple[Array, ...]:
        slices: list[Array] = []
        for _ in range(self.parts):
            lowest = whole.astype(np.int8)
            slices.insert(0, in_words(lowest, self.per_word).reshape(len(whole), self.steps, TILE_ROWS, -1))
            whole = (whole - lowest) >> 8
        return (np.stack(slices, axis=2).reshape(self.packed()[0].shape),)

    def convert(self, row: Expr, scaled: Callable[[Expr], Expr]) -> None:
        lanes, words = self.lanes, Lanes(self.layout.machine, self.lanes.lanes // self.per_word)
        with T.serial(0, self.layout.inner // lanes.lanes) as k:
            whole = lanes.named(T.call_extern("int32x16", "g2p_to_whole", scaled(lanes.at(k * lanes.lanes))))
            for part in reversed(range(self.parts)):
                lowest = T.call_extern("int32x4", "g2p_lowest_slice", whole)
                T.buffer_store(self._words, lowest, self.place(row, k * words.lanes, words, part))
                whole = lanes.named(T.call_extern("int32x16", "g2p_higher_slices", whole))


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
