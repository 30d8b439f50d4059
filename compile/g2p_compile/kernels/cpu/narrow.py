"""Number formats of two or four values a word: bfloat16 and int8.

bfloat16 pairs are summed in float32, two products and sums an instruction. int8 sums are exact integers, so what a CPU
has instructions for, quadruples of bytes or pairs of 16-bit integers, changes the speed and no result.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import ml_dtypes
import numpy as np
from tvm import tirx
from tvm.tirx.script import builder as T

from g2p_compile.kernels.cpu.operands import Converted, ProductLayout, RegisterSums, in_words, side_by_side
from g2p_compile.kernels.kernel import Array, Float32, Packed
from g2p_compile.kernels.vector import Expr, buffer

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
_QUADS = """
declare <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32>, <64 x i8>, <64 x i8>)
declare <16 x float> @llvm.rint.v16f32(<16 x float>)
define linkonce_odr <16 x i32> @g2p_dot_int8(<16 x i32> %sum, <16 x i32> %a, <16 x i32> %b) alwaysinline {
  %x = bitcast <16 x i32> %a to <64 x i8>
  %y = bitcast <16 x i32> %b to <64 x i8>
  %r = call <16 x i32> @llvm.x86.avx512.vpdpbusd.512(<16 x i32> %sum, <64 x i8> %x, <64 x i8> %y)
  ret <16 x i32> %r
}
define linkonce_odr <4 x i32> @g2p_to_int8(<16 x float> %v) alwaysinline {
  %n = call <16 x float> @llvm.rint.v16f32(<16 x float> %v)
  %i = fptosi <16 x float> %n to <16 x i32>
  %u = add <16 x i32> %i, splat (i32 128)
  %b = trunc <16 x i32> %u to <16 x i8>
  %r = bitcast <16 x i8> %b to <4 x i32>
  ret <4 x i32> %r
}
"""
_TO_PAIRS = """
declare <{lanes} x float> @llvm.rint.v{lanes}f32(<{lanes} x float>)
define linkonce_odr <{half} x i32> @g2p_to_int8(<{lanes} x float> %v) alwaysinline {{
  %n = call <{lanes} x float> @llvm.rint.v{lanes}f32(<{lanes} x float> %v)
  %i = fptosi <{lanes} x float> %n to <{lanes} x i32>
  %b = trunc <{lanes} x i32> %i to <{lanes} x i16>
  %r = bitcast <{lanes} x i16> %b to <{half} x i32>
  ret <{half} x i32> %r
}}
"""
_DOT_PAIRS = """
declare {ints} @{pair_dot}(<{twice} x i16>, <{twice} x i16>)
define linkonce_odr {ints} @g2p_dot_int8({ints} %sum, {ints} %a, {ints} %b) alwaysinline {{
  %x = bitcast {ints} %a to <{twice} x i16>
  %y = bitcast {ints} %b to <{twice} x i16>
  %p = call {ints} @{pair_dot}(<{twice} x i16> %x, <{twice} x i16> %y)
  %r = add {ints} %sum, %p
  ret {ints} %r
}}
"""
_DOT_PAIRS_ANYWHERE = """
define linkonce_odr {ints} @g2p_dot_int8({ints} %sum, {ints} %a, {ints} %b) alwaysinline {{
  %x0 = shl {ints} %a, splat (i32 16)
  %y0 = shl {ints} %b, splat (i32 16)
  %x1 = ashr {ints} %x0, splat (i32 16)
  %y1 = ashr {ints} %y0, splat (i32 16)
  %x2 = ashr {ints} %a, splat (i32 16)
  %y2 = ashr {ints} %b, splat (i32 16)
  %p1 = mul {ints} %x1, %y1
  %p2 = mul {ints} %x2, %y2
  %s1 = add {ints} %sum, %p1
  %r = add {ints} %s1, %p2
  ret {ints} %r
}}
"""


class BFloat16Operands(Converted, RegisterSums):
    """Pairs of bfloat16; the weights of a bfloat16 checkpoint are held exactly."""

    per_word = 2
    sums = "float32"
    instructions = _BFLOAT16

    def packed(self) -> tuple[Packed, ...]:
        tile, gain = self.layout.tile, Packed((self.layout.inner,), "float32")
        weight = Packed((self.layout.blocks, self.words, tile.columns), "int32")
        return (weight, gain) if self.layout.normed else (weight,)

    def pack(self, gain: Float32 | None, weights: list[Float32]) -> tuple[Array, ...]:
        blocks = side_by_side(self.layout.tile, weights).astype(ml_dtypes.bfloat16)
        weight = in_words(blocks, self.per_word)
        return (weight,) if gain is None else (weight, gain)

    def declare(self) -> Any:
        weight = buffer("weight", self.packed()[0].shape, "int32")
        if self.layout.normed:
            self._gain = buffer("gain", (self.layout.inner,))
        return weight

    def prepare(self, x: Any, first: Expr, end: Expr, epsilon: float | None) -> None:
        with T.serial(0, end - first) as i:
            normed = self.normed_row(x, first + i, epsilon)
            self.convert(i, lambda index: T.call_extern("int32x8", "g2p_to_bfloat16", normed(index)))

    def start(self, block: Expr, v: int) -> Expr:
        return T.broadcast(T.float32(0.0), 16)

    def dot(self, value: Expr, column: Expr, total: Expr) -> Expr:
        return T.call_extern("float32x16", "g2p_dot_bfloat16", total, value, column)

    def result(self, total: Expr, row: Expr, first: Expr, block: Expr, v: int) -> Expr:
        return total


class WholeNumbers(Converted):
    """Whole numbers: one scale a row, from its largest value, and one a column of the weight."""

    per_word = 4
    largest: ClassVar[int]
    """What the largest value becomes."""

    def packed(self) -> tuple[Packed, ...]:
        weight = Packed((self.layout.blocks, self.words, self.layout.tile.columns), "int32")
        gain = (Packed((self.layout.inner,), "float32"),) if self.layout.normed else ()
        return (weight, Packed((self.layout.outputs,), "float32"), *gain)

    def pack(self, gain: Float32 | None, weights: list[Float32]) -> tuple[Array, ...]:
        blocks = side_by_side(self.layout.tile, weights)
        scale = np.maximum(np.abs(blocks).max(axis=1, keepdims=True), 1e-30) / self.largest
        weight, *rest = self.held(np.rint(blocks / scale).astype(np.int32))
        return (weight, scale.reshape(-1).astype(np.float32), *([] if gain is None else [gain]), *rest)

    @abstractmethod
    def held(self, whole: Array) -> tuple[Array, ...]:
        """Return a weight of whole numbers [blocks, K, NR] in words, and what else is kept of it."""

    def declare(self) -> Any:
        weight = buffer("weight", self.packed()[0].shape, "int32")
        self._column_scale = buffer("column_scale", (self.layout.outputs,))
        if self.layout.normed:
            self._gain = buffer("gain", (self.layout.inner,))
        return weight

    def allocate(self, group: int) -> None:
        super().allocate(group)
        self._scales = T.alloc_buffer((group,), "float32", scope="local")
        self._largest = T.alloc_buffer((self.lanes.lanes,), "float32", scope="local")

    def prepare(self, x: Any, first: Expr, end: Expr, epsilon: float | None) -> None:
        lanes = self.lanes
        whole = lanes.at(0)
        with T.serial(0, end - first) as i:
            normed = self.normed_row(x, first + i, epsilon)
            T.buffer_store(self._largest, lanes.splat(1e-30), [whole])
            with T.serial(0, self.layout.inner // lanes.lanes) as k:
                value = lanes.named(normed(lanes.at(k * lanes.lanes)))
                size = tirx.max(value, lanes.splat(0.0) - value)
                T.buffer_store(self._largest, tirx.max(self._largest[whole], size), [whole])
            largest = lanes.max(self._largest[whole])
            T.buffer_store(self._scales, largest * T.float32(1.0 / self.largest), [i])
            inverse = lanes.named(lanes.splat(T.float32(self.largest) / largest))
            self.convert(i, lambda index: normed(index) * inverse)

    def columns(self, block: Expr, v: int) -> Expr:
        """Return the index of a vector of columns."""
        return self.lanes.at(block * self.layout.tile.columns + v * self.lanes.lanes)

    def result(self, total: Expr, row: Expr, first: Expr, block: Expr, v: int) -> Expr:
        scale = self._column_scale[self.columns(block, v)] * self.lanes.splat(self._scales[row - first])
        return T.cast(total, self.lanes.float) * scale


class Int8Quads(WholeNumbers, RegisterSums):
    """Quadruples of int8.

    The instruction multiplies unsigned by signed bytes, so rows are held with 128 added, and the sums begin with what
    takes that away again.
    """

    largest = 127
    sums = "int32"
    instructions = _QUADS

    def packed(self) -> tuple[Packed, ...]:
        return (*super().packed(), Packed((self.layout.outputs,), "int32"))

    def held(self, whole: Array) -> tuple[Array, ...]:
        return in_words(whole.astype(np.int8), self.per_word), -128 * whole.sum(axis=1, dtype=np.int32).reshape(-1)

    def declare(self) -> Any:
        weight = super().declare()
        self._offset = buffer("offset", (self.layout.outputs,), "int32")
        return weight

    def convert(self, row: Expr, scaled: Callable[[Expr], Expr]) -> None:
        word = f"int32x{self.lanes.lanes // self.per_word}"
        super().convert(row, lambda index: T.call_extern(word, "g2p_to_int8", scaled(index)))

    def start(self, block: Expr, v: int) -> Expr:
        return self._offset[self.columns(block, v)]

    def dot(self, value: Expr, column: Expr, total: Expr) -> Expr:
        return T.call_extern(self.lanes.int, "g2p_dot_int8", total, value, column)


class Int8Pairs(Int8Quads):
    """The same numbers as pairs of 16 bits, for CPUs that multiply those: no offset, and half as many a word."""

    per_word = 2

    def __init__(self, layout: ProductLayout) -> None:
        super().__init__(layout)
        lanes, pair_dot = self.lanes.lanes, layout.machine.pair_dot
        sizes = {
            "lanes": lanes,
            "half": lanes // 2,
            "twice": lanes * 2,
            "ints": f"<{lanes} x i32>",
            "pair_dot": pair_dot,
        }
        self.instructions = (_TO_PAIRS + (_DOT_PAIRS if pair_dot else _DOT_PAIRS_ANYWHERE)).format(**sizes)

    def held(self, whole: Array) -> tuple[Array, ...]:
        return in_words(whole.astype(np.int16), self.per_word), np.zeros(self.layout.outputs, np.int32)
