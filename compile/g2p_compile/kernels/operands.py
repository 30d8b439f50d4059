"""Number formats of a matrix product: how rows and weights are held, multiplied, and turned back into float32.

All formats accumulate exactly or in one written-out order, row by row: float32 in float32; bfloat16 pairs in float32
(two products and sums an instruction); int8 quadruples in int32, which is exact.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import ml_dtypes
import numpy as np
from tvm import tirx
from tvm.tirx.script import builder as T

from g2p_batch.contract import DType
from g2p_compile.kernels.kernel import Array, Float32, Packed
from g2p_compile.kernels.machine import Machine
from g2p_compile.kernels.vector import Expr, Lanes, buffer, lanes_dividing

# Instructions that TIR has no words for, as functions in LLVM IR. `linkonce_odr` because every kernel brings a copy.
_BFLOAT16 = """
declare <16 x float> @llvm.x86.avx512bf16.dpbf16ps.512(<16 x float>, <32 x bfloat>, <32 x bfloat>)
declare <16 x bfloat> @llvm.x86.avx512bf16.cvtneps2bf16.512(<16 x float>)
define linkonce_odr <16 x float> @g2p_dot_bfloat16(<16 x float> %sum, <16 x i32> %a, <16 x i32> %b) alwaysinline {
  %x = bitcast <16 x i32> %a to <32 x bfloat>
  %y = bitcast <16 x i32> %b to <32 x bfloat>
  %r = call <16 x float> @llvm.x86.avx512bf16.dpbf16ps.512(<16 x float> %sum, <32 x bfloat> %x, <32 x bfloat> %y)
  ret <16 x float> %r
}
define linkonce_odr <8 x i32> @g2p_to_bfloat16(<16 x float> %v) alwaysinline {
  %n = call <16 x bfloat> @llvm.x86.avx512bf16.cvtneps2bf16.512(<16 x float> %v)
  %r = bitcast <16 x bfloat> %n to <8 x i32>
  ret <8 x i32> %r
}
"""
_INT8 = """
declare <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32>, <64 x i8>, <64 x i8>)
declare <16 x float> @llvm.rint.v16f32(<16 x float>)
define linkonce_odr <16 x i32> @g2p_dot_int8(<16 x i32> %sum, <16 x i32> %a, <16 x i32> %b) alwaysinline {
  %x = bitcast <16 x i32> %a to <64 x i8>
  %y = bitcast <16 x i32> %b to <64 x i8>
  %r = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %sum, <64 x i8> %x, <64 x i8> %y)
  ret <16 x i32> %r
}
define linkonce_odr <4 x i32> @g2p_to_uint8(<16 x float> %v) alwaysinline {
  %n = call <16 x float> @llvm.rint.v16f32(<16 x float> %v)
  %i = fptosi <16 x float> %n to <16 x i32>
  %u = add <16 x i32> %i, splat (i32 128)
  %b = trunc <16 x i32> %u to <16 x i8>
  %r = bitcast <16 x i8> %b to <4 x i32>
  ret <4 x i32> %r
}
"""


@dataclass(frozen=True)
class Tile:
    """A register tile of `rows` by `vectors` vectors."""

    lanes: Lanes
    vectors: int
    rows: int

    @property
    def columns(self) -> int:
        """Columns of the packed weight that it covers."""
        return self.lanes.lanes * self.vectors


@dataclass(frozen=True)
class Layout:
    """A product as far as its operands depend on it: x [M, inner] times `outputs` columns in tiles."""

    machine: Machine
    tile: Tile
    inner: int
    outputs: int
    normed: bool

    @property
    def blocks(self) -> int:
        """Column tiles."""
        return self.outputs // self.tile.columns


def side_by_side(tile: Tile, weights: list[Float32]) -> Float32:
    """Arrange weights [F, K] in equal shares of every tile: [blocks, K, NR]."""
    share = tile.columns // len(weights)
    blocks = [w.reshape(w.shape[0] // share, share, w.shape[1]).transpose(0, 2, 1) for w in weights]
    return np.concatenate(blocks, axis=2)


class Operands(Protocol):
    """One number format of one product. `declare` and `allocate` come before the loops, in this order."""

    def packed(self) -> tuple[Packed, ...]:
        """Return what the weights are packed into."""

    def pack(self, gain: Float32 | None, weights: list[Float32]) -> tuple[Array, ...]:
        """Pack weights [F, K] and, where the rows are normed, the norm's gain [K]."""

    def declare(self) -> Any:
        """Declare the packed tensors as parameters of the kernel; return the one that tiles read."""

    def allocate(self, group: int) -> None:
        """Make room for a group of rows."""

    def prepare(self, x: Any, first: Expr, end: Expr, epsilon: float | None) -> None:
        """Bring the rows of x in [first, end) into the format."""

    @property
    def instructions(self) -> str:
        """LLVM IR of instructions that the kernel needs."""

    @property
    def words(self) -> int:
        """Steps of the inner loop."""

    @property
    def sums(self) -> str:
        """Scalar type of the sums."""

    def start(self, block: Expr, v: int) -> Expr:
        """Return the vector that the sums of a column vector begin with."""

    def step(self, x: Any, row: Expr, first: Expr, k: Expr) -> Expr:
        """Return word k of a row (first: where its group begins) in all lanes."""

    def dot(self, value: Expr, column: Expr, total: Expr) -> Expr:
        """Add the products of one word."""

    def result(self, total: Expr, row: Expr, first: Expr, block: Expr, v: int) -> Expr:
        """Return finished sums as float32."""


def row_scale(machine: Machine, x: Any, row: Expr, epsilon: float) -> Expr:
    """Return 1 / rms of a row of x."""
    width = int(x.shape[1])
    lanes = lanes_dividing(machine, width)
    total = T.alloc_buffer((lanes.lanes,), "float32", scope="local")
    T.buffer_store(total, lanes.splat(0.0), [lanes.at(0)])
    with T.serial(0, width // lanes.lanes) as k:
        value = lanes.named(x[row, lanes.at(k * lanes.lanes)])
        T.buffer_store(total, lanes.fma(value, value, total[lanes.at(0)]), [lanes.at(0)])
    mean = lanes.sum(total[lanes.at(0)]) * T.float32(1.0 / width)
    return T.Bind(T.float32(1.0) / tirx.sqrt(mean + T.float32(epsilon)))


@dataclass
class Float32Operands:
    """Rows are read where they are; a norm's gain lies in the weight, and 1 / rms multiplies the sums."""

    layout: Layout
    words: int = field(init=False)
    sums: str = "float32"
    instructions: str = ""

    def __post_init__(self) -> None:
        self.words = self.layout.inner

    def packed(self) -> tuple[Packed, ...]:
        tile = self.layout.tile
        return (Packed((self.layout.blocks, self.layout.inner, tile.columns), "float32"),)

    def pack(self, gain: Float32 | None, weights: list[Float32]) -> tuple[Array, ...]:
        scaled = weights if gain is None else [w * gain for w in weights]
        return (np.ascontiguousarray(side_by_side(self.layout.tile, scaled), np.float32),)

    def declare(self) -> Any:
        return buffer("weight", self.packed()[0].shape)

    def allocate(self, group: int) -> None:
        self._scales = T.alloc_buffer((group,), "float32", scope="local")

    def prepare(self, x: Any, first: Expr, end: Expr, epsilon: float | None) -> None:
        if epsilon is None:
            return
        with T.serial(0, end - first) as i:
            T.buffer_store(self._scales, row_scale(self.layout.machine, x, first + i, epsilon), [i])

    def start(self, block: Expr, v: int) -> Expr:
        return self.layout.tile.lanes.splat(0.0)

    def step(self, x: Any, row: Expr, first: Expr, k: Expr) -> Expr:
        return self.layout.tile.lanes.splat(x[row, k])

    def dot(self, value: Expr, column: Expr, total: Expr) -> Expr:
        return self.layout.tile.lanes.fma(value, column, total)

    def result(self, total: Expr, row: Expr, first: Expr, block: Expr, v: int) -> Expr:
        lanes = self.layout.tile.lanes
        return total * lanes.splat(self._scales[row - first]) if self.layout.normed else total


class _Converted:
    """Formats whose rows are converted, normed and multiplied by the gain, into words of several values."""

    per_word: int
    layout: Layout
    _gain: Any

    def allocate(self, group: int) -> None:
        inner = self.layout.inner
        self._words = T.alloc_buffer((group, inner // self.per_word), "int32")
        self._row = T.alloc_buffer((inner,), "float32")

    def _normed_row(self, x: Any, row: Expr, epsilon: float | None) -> Any:
        """Return where a row stands normed: x itself, or a buffer."""
        if epsilon is None:
            return lambda place: x[row, place]
        lanes = Lanes(self.layout.machine, 16)
        scale = lanes.named(lanes.splat(row_scale(self.layout.machine, x, row, epsilon)))
        with T.serial(0, self.layout.inner // 16) as k:
            place = lanes.at(k * 16)
            T.buffer_store(self._row, x[row, place] * scale * self._gain[place], [place])
        return lambda place: self._row[place]

    def step(self, x: Any, row: Expr, first: Expr, k: Expr) -> Expr:
        return T.broadcast(self._words[row - first, k], 16)

    @property
    def words(self) -> int:
        return self.layout.inner // self.per_word


class BFloat16Operands(_Converted):
    """Pairs of bfloat16; the weights of a bfloat16 checkpoint are held exactly."""

    per_word = 2
    sums = "float32"
    instructions = _BFLOAT16

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def packed(self) -> tuple[Packed, ...]:
        tile, gain = self.layout.tile, Packed((self.layout.inner,), "float32")
        weight = Packed((self.layout.blocks, self.words, tile.columns), "int32")
        return (weight, gain) if self.layout.normed else (weight,)

    def pack(self, gain: Float32 | None, weights: list[Float32]) -> tuple[Array, ...]:
        blocks = side_by_side(self.layout.tile, weights).astype(ml_dtypes.bfloat16)
        weight = _words(blocks, self.per_word)
        return (weight,) if gain is None else (weight, gain)

    def declare(self) -> Any:
        weight = buffer("weight", self.packed()[0].shape, "int32")
        if self.layout.normed:
            self._gain = buffer("gain", (self.layout.inner,))
        return weight

    def prepare(self, x: Any, first: Expr, end: Expr, epsilon: float | None) -> None:
        with T.serial(0, end - first) as i:
            normed = self._normed_row(x, first + i, epsilon)
            with T.serial(0, self.layout.inner // 16) as k:
                word = T.call_extern("int32x8", "g2p_to_bfloat16", normed(T.ramp(k * 16, 1, 16)))
                T.buffer_store(self._words, word, [i, T.ramp(k * 8, 1, 8)])

    def start(self, block: Expr, v: int) -> Expr:
        return T.broadcast(T.float32(0.0), 16)

    def dot(self, value: Expr, column: Expr, total: Expr) -> Expr:
        return T.call_extern("float32x16", "g2p_dot_bfloat16", total, value, column)

    def result(self, total: Expr, row: Expr, first: Expr, block: Expr, v: int) -> Expr:
        return total


class Int8Operands(_Converted):
    """Quadruples of int8: one scale a row, from its largest value, and one a column of the weight.

    The instruction multiplies unsigned by signed bytes, so rows are held with 128 added, and the sums begin with what
    takes that away again.
    """

    per_word = 4
    sums = "int32"
    instructions = _INT8

    def __init__(self, layout: Layout) -> None:
        self.layout = layout

    def packed(self) -> tuple[Packed, ...]:
        tile, columns = self.layout.tile, self.layout.outputs
        weight = Packed((self.layout.blocks, self.words, tile.columns), "int32")
        rest = (Packed((columns,), "float32"), Packed((columns,), "int32"))
        gain = (Packed((self.layout.inner,), "float32"),) if self.layout.normed else ()
        return (weight, *rest, *gain)

    def pack(self, gain: Float32 | None, weights: list[Float32]) -> tuple[Array, ...]:
        blocks = side_by_side(self.layout.tile, weights)
        scale = np.maximum(np.abs(blocks).max(axis=1, keepdims=True), 1e-30) / 127
        whole = np.rint(blocks / scale).astype(np.int8)
        offset = -128 * whole.sum(axis=1, dtype=np.int32)
        parts = (_words(whole, self.per_word), scale.reshape(-1).astype(np.float32), offset.reshape(-1))
        return parts if gain is None else (*parts, gain)

    def declare(self) -> Any:
        weight = buffer("weight", self.packed()[0].shape, "int32")
        self._column_scale = buffer("column_scale", (self.layout.outputs,))
        self._offset = buffer("offset", (self.layout.outputs,), "int32")
        if self.layout.normed:
            self._gain = buffer("gain", (self.layout.inner,))
        return weight

    def allocate(self, group: int) -> None:
        super().allocate(group)
        self._scales = T.alloc_buffer((group,), "float32", scope="local")
        self._largest = T.alloc_buffer((16,), "float32", scope="local")

    def prepare(self, x: Any, first: Expr, end: Expr, epsilon: float | None) -> None:
        lanes = Lanes(self.layout.machine, 16)
        whole = lanes.at(0)
        with T.serial(0, end - first) as i:
            normed = self._normed_row(x, first + i, epsilon)
            T.buffer_store(self._largest, lanes.splat(1e-30), [whole])
            with T.serial(0, self.layout.inner // 16) as k:
                value = lanes.named(normed(lanes.at(k * 16)))
                size = tirx.max(value, lanes.splat(0.0) - value)
                T.buffer_store(self._largest, tirx.max(self._largest[whole], size), [whole])
            largest = lanes.max(self._largest[whole])
            T.buffer_store(self._scales, largest * T.float32(1.0 / 127.0), [i])
            inverse = lanes.named(lanes.splat(T.float32(127.0) / largest))
            with T.serial(0, self.layout.inner // 16) as k:
                word = T.call_extern("int32x4", "g2p_to_uint8", normed(lanes.at(k * 16)) * inverse)
                T.buffer_store(self._words, word, [i, T.ramp(k * 4, 1, 4)])

    def _columns(self, block: Expr, v: int) -> Expr:
        return T.ramp(block * self.layout.tile.columns + v * 16, 1, 16)

    def start(self, block: Expr, v: int) -> Expr:
        return self._offset[self._columns(block, v)]

    def dot(self, value: Expr, column: Expr, total: Expr) -> Expr:
        return T.call_extern("int32x16", "g2p_dot_int8", total, value, column)

    def result(self, total: Expr, row: Expr, first: Expr, block: Expr, v: int) -> Expr:
        scale = self._column_scale[self._columns(block, v)] * T.broadcast(self._scales[row - first], 16)
        return T.cast(total, "float32x16") * scale


def _words(blocks: Any, per_word: int) -> Array:
    """Put `per_word` values along K of [blocks, K, NR] into one int32: [blocks, K / per_word, NR]."""
    count, inner, columns = blocks.shape
    grouped = blocks.reshape(count, inner // per_word, per_word, columns).swapaxes(2, 3)
    return np.ascontiguousarray(grouped).view(np.int32)[..., 0]


OPERANDS: dict[DType, Callable[[Layout], Operands]] = {
    "float32": Float32Operands,
    "bfloat16": BFloat16Operands,
    "int8": Int8Operands,
}
"""By the dtype of an artifact."""
