"""A vocabulary for kernels: float32 vectors of a fixed number of lanes, in TIR.

Sums are written out in one order, so a value never depends on how many rows or which bucket it was computed with.
The elementary functions are polynomials: `exp` is within 2 units in the last place of the true value for arguments in
[-87, 88] (tests hold it to that), and `gelu` within 1e-6 of its definition.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tvm import tirx
from tvm.script.ir_builder import IRBuilder
from tvm.tirx.script import builder as T

from g2p_compile.kernels.cpu.machine import Machine

Expr = Any
LOWEST = -3.0e38
"""Stands for minus infinity in scores: finite, so that differences of two of them are numbers."""

_LN2_HIGH, _LN2_LOW = 0.693359375, -2.12194440e-4
# Polynomials of the Cephes library (Moshier), float32: exp in [-ln2/2, ln2/2], exp2 in [-1/2, 1/2], log near 1.
_EXP = (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1)
_EXP2 = (1.5353361883e-4, 1.3398874403e-3, 9.6184373577e-3, 5.5503324712e-2, 2.4022647914e-1, 6.9314720286e-1, 1.0)
_LOG = (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
    -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip


@contextmanager
def kernel(name: str) -> Iterator[IRBuilder]:
    """Open a PrimFunc that Relax leaves as it is written."""
    with IRBuilder() as builder, T.prim_func(s_tir=True):
        T.func_name(name)
        # op_pattern 8 is "opaque": never fused into a neighbour.
        T.func_attr({"tirx.noalias": True, "tirx.is_scheduled": True, "op_pattern": 8})
        yield builder


def buffer(name: str, shape: tuple[Expr, ...], dtype: str = "float32", align: int = 64) -> Any:
    """Declare the next parameter of the kernel, a tensor whose address is a multiple of `align` bytes."""
    return T.match_buffer(T.arg(name, T.handle()), shape, dtype, align=align)


def size() -> Expr:
    """Return a new symbolic size."""
    return T.int64()


def prefetch(element: Expr) -> None:
    """Fetch the line of memory that an element of a buffer is in, to the second-level cache."""
    near = T.int32(2)  # of 0 (no locality) to 3 (the nearest cache)
    T.evaluate(T.call_llvm_intrin("void", "llvm.prefetch.p0", T.address_of(element), T.int32(0), near, T.int32(1)))


class Lanes:
    """Vectors of `lanes` float32 values on a machine; scalars when `lanes` is 1."""

    def __init__(self, machine: Machine, lanes: int) -> None:
        self.machine = machine
        self.lanes = lanes
        self.float = "float32" if lanes == 1 else f"float32x{lanes}"
        self.int = "int32" if lanes == 1 else f"int32x{lanes}"

    def at(self, start: Expr) -> Expr:
        """Return the index of a vector that begins at `start`."""
        return start if self.lanes == 1 else T.ramp(start, 1, self.lanes)

    def splat(self, value: Expr) -> Expr:
        """Return a vector that holds one value in every lane."""
        value = T.float32(value) if isinstance(value, (int, float)) else value
        return value if self.lanes == 1 else T.broadcast(value, self.lanes)

    def whole(self, value: int) -> Expr:
        """Return an int32 vector of one value."""
        return T.int32(value) if self.lanes == 1 else T.broadcast(T.int32(value), self.lanes)

    def named(self, value: Expr) -> Expr:
        """Compute a value once and return its name."""
        return T.Bind(value)

    def fma(self, a: Expr, b: Expr, c: Expr) -> Expr:
        """Return a * b + c, rounded once where the machine can."""
        return T.call_llvm_pure_intrin(self.float, "llvm.fma", a, b, c) if self.machine.fused else a * b + c

    def sum(self, value: Expr) -> Expr:
        """Add up the lanes, halves first."""
        return self._fold(value, lambda a, b: a + b)

    def four_sums(self, values: list[Expr]) -> list[Expr]:
        """Add up the lanes of each of four vectors: one vector of four sums, or four sums where lanes are fewer.

        Sums of all four move together: 13 instructions for vectors of 16, not four times what `sum` takes.
        """
        if self.lanes < 4:
            return [self.sum(value) for value in values]

        def paired(a: Expr, b: Expr, first: tuple[int, ...], second: tuple[int, ...]) -> Expr:
            """Add two choices of lanes of a and b, the same in every group of four; b's lanes count from 4."""
            picks = [
                [g + (i if i < 4 else i - 4 + self.lanes) for g in range(0, self.lanes, 4) for i in choice]
                for choice in (first, second)
            ]
            return self.named(tirx.Shuffle([a, b], picks[0]) + tirx.Shuffle([a, b], picks[1]))

        a, b, c, d = (self.named(value) for value in values)
        ab, cd = (paired(*pair, (0, 4, 1, 5), (2, 6, 3, 7)) for pair in ((a, b), (c, d)))
        return [self._fold(paired(ab, cd, (0, 1, 4, 5), (2, 3, 6, 7)), lambda x, y: x + y, down_to=4)]

    def max(self, value: Expr) -> Expr:
        """Return the largest lane."""
        return self._fold(value, tirx.max)

    def _fold(self, value: Expr, combine: Any, down_to: int = 1) -> Expr:
        width = self.lanes
        while width > down_to:
            value = self.named(value)
            width //= 2
            parts = [tirx.Shuffle([value], list(range(i * width, (i + 1) * width))) for i in range(2)]
            value = combine(*parts)
        return self.named(value)

    def first_lanes(self, count: Expr, value: Expr, otherwise: float) -> Expr:
        """Keep the first `count` (int32) lanes of a vector and put `otherwise` into the others."""
        if self.lanes == 1:
            return tirx.Select(count > 0, value, T.float32(otherwise))
        index = T.ramp(T.int32(0), 1, self.lanes)
        return tirx.Select(index < T.broadcast(count, self.lanes), value, self.splat(otherwise))

    def exp(self, x: Expr) -> Expr:
        """Return e**x; arguments below -87 give about 1e-38, above 88 about 1e38."""
        x = self.named(tirx.max(tirx.min(x, self.splat(88.0)), self.splat(-87.0)))
        n = self.named(T.call_llvm_pure_intrin(self.float, "llvm.rint", x * self.splat(1.0 / math.log(2.0))))
        r = self.fma(n, self.splat(-_LN2_HIGH), x)
        r = self.named(self.fma(n, self.splat(-_LN2_LOW), r))
        p = self._polynomial(_EXP, r)
        return self._scaled(self.fma(p, r * r, r) + self.splat(1.0), n)

    def _polynomial(self, coefficients: tuple[float, ...], x: Expr) -> Expr:
        """Return the value of a polynomial, its highest coefficient first, at x."""
        value = self.splat(coefficients[0])
        for c in coefficients[1:]:
            value = self.fma(value, x, self.splat(c))
        return value

    def _scaled(self, x: Expr, n: Expr) -> Expr:
        """Return x * 2**n for whole n, where both x and the result are positive normal numbers."""
        bits = T.reinterpret(self.int, x) + (T.cast(n, self.int) << self.whole(23))
        return T.reinterpret(self.float, bits)

    def log(self, x: Expr) -> Expr:
        """Return the natural logarithm of a positive normal number."""
        bits = self.named(T.reinterpret(self.int, x))
        # Split x into m * 2**e with m in [sqrt(1/2), sqrt(2)): 0x3f3504f3 is sqrt(1/2).
        e = self.named((bits - self.whole(0x3F3504F3)) >> self.whole(23))
        m = self.named(T.reinterpret(self.float, bits - (e << self.whole(23))) - self.splat(1.0))
        n = self.named(T.cast(e, self.float))
        square = self.named(m * m)
        p = self._polynomial(_LOG, m)
        p = self.fma(p, m * square, n * self.splat(_LN2_LOW)) - self.splat(0.5) * square
        return m + p + n * self.splat(_LN2_HIGH)

    def gelu(self, x: Expr) -> Expr:
        """Return the tanh form of gelu: x / (1 + exp(-2u)), u = sqrt(2/pi) (x + 0.044715 x**3).

        A power of two instead of `exp` takes fewer products, and gelu does not need what its last bits lose by that.
        """
        x = self.named(x)
        scale = -2.0 * math.sqrt(2.0 / math.pi) / math.log(2.0)
        t = x * self.fma(x * x, self.splat(0.044715 * scale), self.splat(scale))
        t = self.named(tirx.max(tirx.min(t, self.splat(126.0)), self.splat(-126.0)))
        n = self.named(T.call_llvm_pure_intrin(self.float, "llvm.rint", t))
        r = self.named(t - n)
        return x / (self.splat(1.0) + self._scaled(self._polynomial(_EXP2, r), n))

    def relu(self, x: Expr) -> Expr:
        """Return max(x, 0)."""
        return tirx.max(x, self.splat(0.0))


def lanes_dividing(machine: Machine, width: int) -> Lanes:
    """Return the widest vectors that cover `width` values without a rest."""
    lanes = machine.lanes
    while width % lanes:
        lanes //= 2
    return Lanes(machine, lanes)
