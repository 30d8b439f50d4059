"""What a matrix product needs of a number format: how rows and weights are held, multiplied, and turned back.

`Float32Operands` is the plain one; the others are in `narrow`, and those of matrix units in `matrix_unit`. All
accumulate exactly or in one written-out order, row by row.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from tvm import tirx
from tvm.tirx.script import builder as T

from g2p_compile.kernels.cpu.machine import Machine
from g2p_compile.kernels.cpu.register_tiles import Tile
from g2p_compile.kernels.kernel import Array, Float32, Packed
from g2p_compile.kernels.vector import Expr, Lanes, buffer, lanes_dividing, prefetch


@dataclass(frozen=True)
class ProductLayout:
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
    def in_registers(self) -> bool:
        """Whether the sums of a tile are registers, so that its rows are written out one by one."""

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Emit what has to be done before and after all loops."""

    def begin_block(self, weight: Any, first: Expr, end: Expr, block: Expr) -> None:
        """Emit what comes before the strips of the rows [first, end) of a column tile."""

    def accumulate(self, x: Any, weight: Any, first: Expr, end: Expr, strip: Expr, block: Expr) -> None:
        """Sum up a tile: strip `strip` of the rows [first, end) times a column tile."""

    def total(self, strip: Expr, i: Expr, v: int) -> Expr:
        """Return vector `v` of the sums of row `i` of the last tile, as they are."""

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


class Sums(ABC):
    """Sums of tiles, wherever they are kept."""

    layout: ProductLayout
    sums: ClassVar[str]
    """Scalar type."""

    def allocate(self, group: int) -> None:
        self._sums = self.room_for_sums()

    @abstractmethod
    def room_for_sums(self) -> Any:
        """Return a buffer of the sums of tiles."""


class RegisterSums(Sums):
    """Sums in registers: each word of a row is broadcast and multiplied by the vectors of a row of the weight."""

    words: int
    """Steps of the inner loop."""
    in_registers: ClassVar[bool] = True

    def room_for_sums(self) -> Any:
        tile = self.layout.tile
        return T.alloc_buffer((tile.rows * tile.columns,), self.sums, scope="local")

    @contextmanager
    def at_work(self) -> Iterator[None]:
        yield

    @abstractmethod
    def start(self, block: Expr, v: int) -> Expr:
        """Return the vector that the sums of a column vector begin with."""

    @abstractmethod
    def step(self, x: Any, row: Expr, first: Expr, k: Expr) -> Expr:
        """Return word k of a row (first: where its group begins) in all lanes."""

    @abstractmethod
    def dot(self, value: Expr, column: Expr, total: Expr) -> Expr:
        """Add the products of one word."""

    def begin_block(self, weight: Any, first: Expr, end: Expr, block: Expr) -> None:
        pass

    def total(self, strip: Expr, i: Expr, v: int) -> Expr:
        lanes = self.layout.tile.lanes
        return self._sums[lanes.at((i * self.layout.tile.vectors + v) * lanes.lanes)]

    def accumulate(self, x: Any, weight: Any, first: Expr, end: Expr, strip: Expr, block: Expr) -> None:
        lanes, vectors, rows = self.layout.tile.lanes, self.layout.tile.vectors, self.layout.tile.rows
        sums, indices = self._sums, [lanes.at(i * lanes.lanes) for i in range(rows * vectors)]
        for i, index in enumerate(indices):
            T.buffer_store(sums, self.start(block, i % vectors), [index])
        own = [tirx.min(first + strip * rows + i, end - 1) for i in range(rows)]
        with T.serial(0, self.words) as k:
            self._prefetch(weight, block + 1, strip * self.words + k)
            for i in range(rows):
                value = self.step(x, own[i], first, k)
                for v in range(vectors):
                    index = indices[i * vectors + v]
                    column = weight[block, k, lanes.at(v * lanes.lanes)]
                    T.buffer_store(sums, self.dot(value, column, sums[index]), [index])

    def _prefetch(self, weight: Any, block: Expr, step: Expr) -> None:
        """Fetch the next column tile little by little while this one is at work, so that it is near in time.

        Worth a seventh of a decoder step, whose weights do not stay in the nearest caches.
        """
        columns = self.layout.tile.columns
        at = step * (columns // self.layout.tile.strips)
        prefetch(weight[block, at // columns, at % columns])


class Float32Operands(RegisterSums):
    """Rows are read where they are; a norm's gain lies in the weight, and 1 / rms multiplies the sums."""

    sums = "float32"
    instructions = ""

    def __init__(self, layout: ProductLayout) -> None:
        self.layout = layout
        self.words = layout.inner

    def packed(self) -> tuple[Packed, ...]:
        tile = self.layout.tile
        return (Packed((self.layout.blocks, self.layout.inner, tile.columns), "float32"),)

    def pack(self, gain: Float32 | None, weights: list[Float32]) -> tuple[Array, ...]:
        scaled = weights if gain is None else [w * gain for w in weights]
        return (np.ascontiguousarray(side_by_side(self.layout.tile, scaled), np.float32),)

    def declare(self) -> Any:
        return buffer("weight", self.packed()[0].shape)

    def allocate(self, group: int) -> None:
        super().allocate(group)
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


class Converted(Sums):
    """Formats whose rows are converted, normed and multiplied by the gain, into words of several values."""

    per_word: int

    def __init__(self, layout: ProductLayout) -> None:
        self.layout, self.lanes = layout, layout.tile.lanes
        self.words = layout.inner // self.per_word
        self._gain: Any = None

    def allocate(self, group: int) -> None:
        super().allocate(group)
        self._words = self.room_for_words(group)
        self._row = T.alloc_buffer((self.layout.inner,), "float32")

    def room_for_words(self, group: int) -> Any:
        """Return a buffer of a group's words."""
        return T.alloc_buffer((group, self.words), "int32")

    def normed_row(self, x: Any, row: Expr, epsilon: float | None) -> Any:
        """Return where a row stands normed: x itself, or a buffer."""
        if epsilon is None:
            return lambda index: x[row, index]
        lanes = self.lanes
        scale = lanes.named(lanes.splat(row_scale(self.layout.machine, x, row, epsilon)))
        with T.serial(0, self.layout.inner // lanes.lanes) as k:
            index = lanes.at(k * lanes.lanes)
            T.buffer_store(self._row, x[row, index] * scale * self._gain[index], [index])
        return lambda index: self._row[index]

    def step(self, x: Any, row: Expr, first: Expr, k: Expr) -> Expr:
        return T.broadcast(self._words[row - first, k], self.lanes.lanes)

    def convert(self, row: Expr, word: Callable[[Expr], Expr]) -> None:
        """Store the words of a row of the group; `word` gives those of the vector that begins at a value."""
        count = self.lanes.lanes // self.per_word
        with T.serial(0, self.layout.inner // self.lanes.lanes) as k:
            place = self.place(row, k * count, Lanes(self.layout.machine, count))
            T.buffer_store(self._words, word(self.lanes.at(k * self.lanes.lanes)), place)

    def place(self, row: Expr, word: Expr, lanes: Lanes) -> list[Expr]:
        """Return where a row of the group holds words, as many as there are lanes."""
        return [row, lanes.at(word)]


def in_words(blocks: Any, per_word: int) -> Array:
    """Put `per_word` values along K of [blocks, K, NR] into one int32: [blocks, K / per_word, NR]."""
    count, inner, columns = blocks.shape
    grouped = blocks.reshape(count, inner // per_word, per_word, columns).swapaxes(2, 3)
    return np.ascontiguousarray(grouped).view(np.int32)[..., 0]
