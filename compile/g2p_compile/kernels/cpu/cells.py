"""How keys and values lie in a cache: the format of one head of one position, D values.

float32 artifacts keep float32. The others keep bfloat16, two values to an int32 word: caches do not fit into the
nearest memories, and half the bytes is worth more than what turning them into float32 takes. Sums are float32 in both.
"""

from collections.abc import Callable
from typing import Protocol

from tvm import tirx
from tvm.tirx.script import builder as T

from g2p_batch.model.contract import CacheCells, DType
from g2p_compile.kernels.cpu.machine import Machine
from g2p_compile.kernels.vector import Expr, Lanes, lanes_dividing

_HIGH = -65536
"""The upper half of an int32."""


class Cells(Protocol):
    """One format. A stored vector holds `parts` vectors of float32, in an order of its own."""

    lanes: Lanes
    """Of the float32 vectors; a stored vector has as many lanes."""
    parts: int
    stored: CacheCells

    def pack(self, values: Expr) -> Expr:
        """Return float32 values, a vector of any even number of lanes, as they are stored."""

    def unpack(self, stored: Expr) -> list[Expr]:
        """Return a stored vector as `parts` vectors of float32 in stored order."""

    def arrange(self, vectors: list[Expr]) -> list[Expr]:
        """Bring `parts` consecutive vectors into stored order."""

    def restore(self, vectors: list[Expr]) -> list[Expr]:
        """Undo `arrange`."""


class Float32Cells:
    """As they are."""

    parts = 1

    def __init__(self, machine: Machine, width: int) -> None:
        self.lanes = lanes_dividing(machine, width)
        self.stored = CacheCells("float32", width)

    def pack(self, values: Expr) -> Expr:
        return values

    def unpack(self, stored: Expr) -> list[Expr]:
        return [stored]

    def arrange(self, vectors: list[Expr]) -> list[Expr]:
        return vectors

    def restore(self, vectors: list[Expr]) -> list[Expr]:
        return vectors


class BFloat16Cells:
    """Even values in the lower halves of the words, odd ones in the upper; rounded to the nearest, ties to even."""

    parts = 2

    def __init__(self, machine: Machine, width: int) -> None:
        self.lanes = Lanes(machine, machine.lanes)
        self.stored = CacheCells("int32", width // 2)

    def pack(self, values: Expr) -> Expr:
        count = int(values.ty.dtype.lanes)
        lanes = Lanes(self.lanes.machine, count // 2)
        even, odd = (self._rounded(lanes, tirx.Shuffle([values], list(range(i, count, 2)))) for i in range(2))
        return ((even >> lanes.whole(16)) & lanes.whole(0xFFFF)) | (odd & lanes.whole(_HIGH))

    def _rounded(self, lanes: Lanes, values: Expr) -> Expr:
        """Return float32 bits whose upper half is the bfloat16."""
        bits = lanes.named(T.reinterpret(lanes.int, values))
        tie = (bits >> lanes.whole(16)) & lanes.whole(1)
        return bits + lanes.whole(0x7FFF) + tie

    def unpack(self, stored: Expr) -> list[Expr]:
        lanes = self.lanes
        word = lanes.named(stored)
        return [T.reinterpret(lanes.float, half) for half in (word << lanes.whole(16), word & lanes.whole(_HIGH))]

    def arrange(self, vectors: list[Expr]) -> list[Expr]:
        count = 2 * self.lanes.lanes
        return [tirx.Shuffle(vectors, list(range(i, count, 2))) for i in range(2)]

    def restore(self, vectors: list[Expr]) -> list[Expr]:
        count = self.lanes.lanes
        mixed = [i + half for i in range(count) for half in (0, count)]
        return [tirx.Shuffle(vectors, mixed[:count]), tirx.Shuffle(vectors, mixed[count:])]


_CELLS: dict[DType, Callable[[Machine, int], Cells]] = {
    "float32": Float32Cells,
    "bfloat16": BFloat16Cells,
    "int8": BFloat16Cells,
}


def choose_cells(machine: Machine, dtype: DType, width: int) -> Cells:
    """Choose the format for heads of `width` values; widths that fill no whole vectors stay in float32."""
    whole = width % (2 * machine.lanes) == 0
    return _CELLS[dtype if whole else "float32"](machine, width)
