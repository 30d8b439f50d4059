"""Matrix products with what stands before and after them fused in.

The weight is packed to [blocks, K, NR]: one register tile of MR rows by NR columns reads it in order. A tile always
computes MR rows: at the end of the matrix the last row stands in for the missing ones and only real rows are stored,
so every row goes through the same instructions whatever its neighbours. Each sum runs over K in order.

A norm before the product costs one pass over the rows: its gain is folded into the packed weight, and the row's
1 / rms multiplies the finished sums.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from tvm import tirx
from tvm.tirx.script import builder as T

from g2p_compile.kernels.kernel import Float32, Kernel, Site
from g2p_compile.kernels.machine import Machine
from g2p_compile.kernels.vector import Expr, Lanes, buffer, kernel, lanes_dividing, size

# Register tiles as (vectors across, rows) by register count, best first: accumulators, one row of weights and a
# broadcast value must fit. Measured within 3 % of each other and of the fused multiply-add peak on AVX-512.
_TILES = {32: ((3, 8), (4, 6), (2, 12), (1, 14)), 16: ((2, 6), (1, 8))}

_ROW_TILES = 8
"""Row tiles that run over one column tile of the weight while the nearest cache holds it."""


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


def choose_tile(machine: Machine, outputs: int, parts: int = 1) -> Tile:
    """Choose the tile for `parts` weights of `outputs` rows each that share every tile evenly."""
    lanes = machine.lanes
    while True:
        for vectors, rows in _TILES[machine.registers]:
            if vectors % parts == 0 and outputs % (lanes * vectors // parts) == 0:
                return Tile(Lanes(machine, lanes), vectors, rows)
        lanes //= 2


def pack(tile: Tile, *weights: Float32) -> Float32:
    """Pack weights [F, K] side by side in every tile: [blocks, K, NR]."""
    share = tile.columns // len(weights)
    blocks = [w.reshape(w.shape[0] // share, share, w.shape[1]).transpose(0, 2, 1) for w in weights]
    return np.ascontiguousarray(np.concatenate(blocks, axis=2), dtype=np.float32)


Store = Callable[[Expr, Expr, list[Expr]], None]
"""Receives a row, a column tile and the vectors of sums there."""


@dataclass(frozen=True)
class Product:
    """The loops of x [M, K] times a packed weight [blocks, K, NR]."""

    machine: Machine
    tile: Tile
    x: Any
    weight: Any
    epsilon: float | None = None
    """Set where the rows of x are normalised first."""

    def run(self, store: Store, finish_rows: Callable[[Expr, Expr], None] | None = None) -> None:
        """Emit the loops: `store` for every real row of a tile, `finish_rows(first, end)` after each group of rows."""
        rows, tile = self.x.shape[0], self.tile
        group = tile.rows * _ROW_TILES
        scales = T.alloc_buffer((group,), "float32", scope="local")
        sums = T.alloc_buffer((tile.rows * tile.columns,), "float32", scope="local")
        with T.serial(0, (rows + group - 1) // group) as g:
            first = T.Bind(g * group)
            end = T.Bind(tirx.min(first + group, rows))
            if self.epsilon is not None:
                row_scales(self.machine, self.x, first, end, self.epsilon, scales)
            with (
                T.serial(0, self.weight.shape[0]) as block,
                T.serial(0, (end - first + tile.rows - 1) // tile.rows) as strip,
            ):
                self._tile(sums, T.Bind(first + strip * tile.rows), end, block)
                for i in range(tile.rows):
                    row = first + strip * tile.rows + i
                    with T.If(row < end), T.Then():
                        values = [
                            sums[tile.lanes.at((i * tile.vectors + v) * tile.lanes.lanes)] for v in range(tile.vectors)
                        ]
                        if self.epsilon is not None:
                            scale = tile.lanes.named(tile.lanes.splat(scales[strip * tile.rows + i]))
                            values = [value * scale for value in values]
                        store(row, block, values)
            if finish_rows is not None:
                finish_rows(first, end)

    def _tile(self, sums: Any, first: Expr, end: Expr, block: Expr) -> None:
        lanes, vectors = self.tile.lanes, self.tile.vectors
        places = [lanes.at(i * lanes.lanes) for i in range(self.tile.rows * vectors)]
        for place in places:
            T.buffer_store(sums, lanes.splat(0.0), [place])
        with T.serial(0, self.x.shape[1]) as k:
            for i in range(self.tile.rows):
                value = lanes.splat(self.x[tirx.min(first + i, end - 1), k])
                for v in range(vectors):
                    place = places[i * vectors + v]
                    column = self.weight[block, k, lanes.at(v * lanes.lanes)]
                    T.buffer_store(sums, lanes.fma(value, column, sums[place]), [place])


def row_scales(machine: Machine, x: Any, first: Expr, end: Expr, epsilon: float, scales: Any) -> None:
    """Fill `scales` with 1 / rms of the rows of x in [first, end)."""
    lanes = lanes_dividing(machine, int(x.shape[1]))
    total = T.alloc_buffer((lanes.lanes,), "float32", scope="local")
    with T.serial(0, end - first) as i:
        T.buffer_store(total, lanes.splat(0.0), [lanes.at(0)])
        with T.serial(0, int(x.shape[1]) // lanes.lanes) as k:
            value = lanes.named(x[first + i, lanes.at(k * lanes.lanes)])
            T.buffer_store(total, lanes.fma(value, value, total[lanes.at(0)]), [lanes.at(0)])
        mean = lanes.sum(total[lanes.at(0)]) * T.float32(1.0 / int(x.shape[1]))
        T.buffer_store(scales, T.float32(1.0) / tirx.sqrt(mean + T.float32(epsilon)), [i])


Epilogue = Callable[[Lanes, list[Expr], list[Expr]], list[Expr]]
"""From the sums of a tile's row, and the residual's vectors there if any, to the vectors of the result."""


def _gemm(
    name: str, site: Site, *, parts: int = 1, normed: bool = False, residual: bool = False, epilogue: Epilogue
) -> Kernel:
    """Build a product whose `parts` weights [F, K] are the operation's last weight arguments."""
    outputs, inner = site.weights[-1]
    tile = choose_tile(site.machine, outputs, parts)
    lanes, share = tile.lanes, tile.vectors // parts
    packed_shape = (outputs * parts // tile.columns, inner, tile.columns)
    with kernel(name) as built:
        rows = size()
        x = buffer("x", (rows, inner))
        kept = buffer("residual", (rows, outputs)) if residual else None
        weight = buffer("weight", packed_shape)
        y = buffer("y", (rows, outputs))

        def store(row: Expr, block: Expr, values: list[Expr]) -> None:
            places = [lanes.at((block * share + v) * lanes.lanes) for v in range(share)]
            before = [] if kept is None else [kept[row, place] for place in places]
            for place, value in zip(places, epilogue(lanes, values, before), strict=True):
                T.buffer_store(y, value, [row, place])

        Product(site.machine, tile, x, weight, site.constants[0] if normed else None).run(store)

    def pack_all(*weights: Float32) -> Float32:
        if not normed:
            return pack(tile, *weights)
        gain, *rest = weights
        return pack(tile, *(w * gain for w in rest))

    return Kernel(built.get(), pack_all, packed_shape)


def linear(site: Site) -> Kernel:
    """`ops.linear`."""
    return _gemm("linear", site, epilogue=lambda lanes, values, kept: values)


def linear_residual(site: Site) -> Kernel:
    """`ops.linear_residual`."""
    return _gemm(
        "linear_residual",
        site,
        residual=True,
        epilogue=lambda lanes, values, kept: [k + v for k, v in zip(kept, values, strict=True)],
    )


def norm_linear(site: Site) -> Kernel:
    """`ops.norm_linear`."""
    return _gemm("norm_linear", site, normed=True, epilogue=lambda lanes, values, kept: values)


def norm_gated_gelu(site: Site) -> Kernel:
    """`ops.norm_gated_gelu`: a tile holds as many gate columns as up columns."""

    def epilogue(lanes: Lanes, values: list[Expr], kept: list[Expr]) -> list[Expr]:
        half = len(values) // 2
        return [lanes.gelu(gate) * up for gate, up in zip(values[:half], values[half:], strict=True)]

    return _gemm("norm_gated_gelu", site, parts=2, normed=True, epilogue=epilogue)


def norm_relu(site: Site) -> Kernel:
    """`ops.norm_relu`."""
    return _gemm("norm_relu", site, normed=True, epilogue=lambda lanes, values, kept: [lanes.relu(v) for v in values])


def greedy_head(site: Site) -> Kernel:
    """`ops.greedy_head`: the logits of a group of rows stay local, only the choice leaves."""
    vocabulary, inner = site.weights[-1]
    epsilon, scale = site.constants
    tile = choose_tile(site.machine, vocabulary)
    lanes, group = tile.lanes, tile.rows * _ROW_TILES
    packed_shape = (vocabulary // tile.columns, inner, tile.columns)
    one = Lanes(site.machine, 1)
    with kernel("greedy_head") as built:
        rows = size()
        x = buffer("x", (rows, inner))
        weight = buffer("weight", packed_shape)
        token = buffer("token", (rows,), "int32")
        logprob = buffer("logprob", (rows,))
        logits = T.alloc_buffer((group, vocabulary), "float32")
        largest = T.alloc_buffer((lanes.lanes,), "float32", scope="local")
        total = T.alloc_buffer((lanes.lanes,), "float32", scope="local")
        choice = T.alloc_buffer((1,), "int32", scope="local")

        def store(row: Expr, block: Expr, values: list[Expr]) -> None:
            for v, value in enumerate(values):
                place = lanes.at((block * tile.vectors + v) * lanes.lanes)
                T.buffer_store(logits, value * lanes.splat(scale), [row % group, place])

        def choose(first: Expr, end: Expr) -> None:
            whole = lanes.at(0)
            with T.serial(0, end - first) as i:
                T.buffer_store(largest, logits[i, whole], [whole])
                with T.serial(0, vocabulary // lanes.lanes) as v:
                    T.buffer_store(largest, tirx.max(largest[whole], logits[i, lanes.at(v * lanes.lanes)]), [whole])
                top = lanes.max(largest[whole])
                T.buffer_store(total, lanes.splat(0.0), [whole])
                with T.serial(0, vocabulary // lanes.lanes) as v:
                    shifted = logits[i, lanes.at(v * lanes.lanes)] - lanes.splat(top)
                    T.buffer_store(total, total[whole] + lanes.exp(shifted), [whole])
                # Downwards, so that the lowest id among equals is the one that stays.
                T.buffer_store(choice, T.int32(0), [0])
                with T.serial(0, vocabulary) as back, T.If(logits[i, vocabulary - 1 - back] == top), T.Then():
                    T.buffer_store(choice, T.cast(vocabulary - 1 - back, "int32"), [0])
                T.buffer_store(token, choice[0], [first + i])
                T.buffer_store(logprob, T.float32(0.0) - one.log(lanes.sum(total[whole])), [first + i])

        Product(site.machine, tile, x, weight, epsilon).run(store, choose)
    return Kernel(built.get(), lambda gain, w: pack(tile, w * gain), packed_shape)
