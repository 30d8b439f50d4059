"""Matrix products with what stands before and after them fused in.

The weight is packed to [blocks, K, NR]: one register tile of MR rows by NR columns reads it in order. A tile always
computes MR rows: at the end of the matrix the last row, or what lies there, stands in for the missing ones and only
real rows are stored, so every row goes through the same instructions whatever its neighbours. Each sum runs over K in
order.

A norm before the product costs one pass over the rows; `operands` says where each number format applies it.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

from tvm import tirx
from tvm.tirx.script import builder as T

from g2p_batch.model.contract import DType
from g2p_compile.kernels.cpu.cells import choose_cells
from g2p_compile.kernels.cpu.matrix_unit import MATRIX_OPERANDS, matrix_tile, on_matrix_unit
from g2p_compile.kernels.cpu.narrow import BFloat16Operands, Int8Pairs, Int8Quads
from g2p_compile.kernels.cpu.operands import Float32Operands, Operands, ProductLayout
from g2p_compile.kernels.cpu.register_tiles import ProductShape
from g2p_compile.kernels.kernel import Array, Float32, Kernel, Site
from g2p_compile.kernels.vector import Expr, Lanes, buffer, kernel, size

OPERANDS: dict[DType, Callable[[ProductLayout], Operands]] = {
    "float32": Float32Operands,
    "bfloat16": BFloat16Operands,
    "int8": lambda layout: (Int8Quads if layout.machine.quads else Int8Pairs)(layout),
}
"""By the dtype of an artifact."""

Store = Callable[[Expr, Expr, list[Expr]], None]
"""Receives a row, a column tile and the vectors of sums there."""
Rows = Callable[[Expr, Expr], None]
"""Receives the first row of a group and its end."""


@dataclass(frozen=True)
class Product:
    """The loops of x [M, K] times a packed weight."""

    layout: ProductLayout
    operands: Operands
    x: Any
    weight: Any
    epsilon: float | None = None
    """Set where the rows of x are normalised first."""

    def run(self, store: Store, begin_rows: Rows | None = None, finish_rows: Rows | None = None) -> None:
        """Emit the loops: `store` for every real row of a tile, the others before and after each group of rows."""
        rows, tile = self.x.shape[0], self.layout.tile
        group = tile.group
        self.operands.allocate(group)
        with ExitStack() as stack:
            if self.operands.instructions:
                stack.enter_context(T.attr(T.int32(0), "pragma_import_llvm", self.operands.instructions))
            stack.enter_context(self.operands.at_work())
            g = stack.enter_context(T.serial(0, (rows + group - 1) // group))
            first = T.Bind(g * group)
            end = T.Bind(tirx.min(first + group, rows))
            self.operands.prepare(self.x, first, end, self.epsilon)
            if begin_rows is not None:
                begin_rows(first, end)
            with T.serial(0, self.layout.blocks) as block, self._strips(first, end, block) as strip:
                self.operands.accumulate(self.x, self.weight, first, end, strip, block)
                top = T.Bind(first + strip * tile.rows)

                def store_row(i: Expr) -> None:
                    totals = [self.operands.total(strip, i, v) for v in range(tile.vectors)]
                    results = [self.operands.result(t, top + i, first, block, v) for v, t in enumerate(totals)]
                    store(top + i, block, results)

                if self.operands.in_registers:
                    for i in range(tile.rows):
                        with T.If(top + i < end), T.Then():
                            store_row(i)
                else:
                    with T.serial(0, tirx.min(end - top, tile.rows)) as i:
                        store_row(i)
            if finish_rows is not None:
                finish_rows(first, end)

    @contextmanager
    def _strips(self, first: Expr, end: Expr, block: Expr) -> Iterator[Expr]:
        self.operands.begin_block(self.weight, first, end, block)
        with T.serial(0, self.layout.tile.strips_of(end - first)) as strip:
            yield strip


def choose_operands(site: Site, outputs: int, parts: int, normed: bool) -> tuple[ProductLayout, Operands]:
    """Choose tile and number format for `parts` weights [outputs, K] side by side."""
    product = ProductShape(site.weights[-1][1], outputs, parts)
    if on_matrix_unit(site.machine, site.dtype, product):
        layout = ProductLayout(site.machine, matrix_tile(site.machine), product.inner, outputs * parts, normed)
        return layout, MATRIX_OPERANDS[site.dtype](layout)
    tile = site.tiles.choose(site.machine, product)
    layout = ProductLayout(site.machine, tile, product.inner, outputs * parts, normed)
    # Instructions on several values at once want whole vectors; odd shapes run in float32.
    whole = tile.lanes.lanes == site.machine.lanes and layout.inner % tile.lanes.lanes == 0
    return layout, OPERANDS[site.dtype if whole else "float32"](layout)


Epilogue = Callable[[Lanes, list[Expr], list[Expr]], list[Expr]]
"""From the sums of a tile's row, and the residual's vectors there if any, to the vectors of the result."""


def _gemm(
    name: str, site: Site, *, parts: int = 1, normed: bool = False, residual: bool = False, epilogue: Epilogue
) -> Kernel:
    """Build a product whose `parts` weights [F, K] are the operation's last weight arguments."""
    outputs, inner = site.weights[-1]
    layout, operands = choose_operands(site, outputs, parts, normed)
    lanes, share = layout.tile.lanes, layout.tile.vectors // parts
    with kernel(name) as built:
        rows = size()
        x = buffer("x", (rows, inner))
        kept = buffer("residual", (rows, outputs)) if residual else None
        weight = operands.declare()
        y = buffer("y", (rows, outputs))

        def store(row: Expr, block: Expr, values: list[Expr]) -> None:
            indices = [lanes.at((block * share + v) * lanes.lanes) for v in range(share)]
            before = [] if kept is None else [kept[row, index] for index in indices]
            for index, value in zip(indices, epilogue(lanes, values, before), strict=True):
                T.buffer_store(y, value, [row, index])

        Product(layout, operands, x, weight, site.constants[0] if normed else None).run(store)
    return Kernel(built.get(), operands.packed(), packer(operands, normed))


def packer(operands: Operands, normed: bool) -> Callable[..., tuple[Array, ...]]:
    """Return how a product packs its weights: behind the gain of its norm, or by themselves."""
    if normed:
        return lambda gain, *weights: operands.pack(gain, list(weights))
    return lambda *weights: operands.pack(None, list(weights))


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


def cache_source(site: Site) -> Kernel:
    """`ops.cache_source`: a tile holds as many columns of keys as of values, and stores them where they stay."""
    outputs, inner = site.weights[0]
    heads, width = (int(extent) for extent in site.shapes[-1][3:])
    cells = choose_cells(site.machine, site.dtype, width)
    layout, operands = choose_operands(site, outputs // 2, 2, False)
    tile = layout.tile
    share = tile.vectors // 2
    with kernel("cache_source") as built:
        words, length, slots, reach = size(), size(), size(), size()
        x = buffer("x", (words, length, inner))
        slot = buffer("slot", (words,), "int32")
        cache = buffer("cache", (2, slots, reach, heads, cells.stored.width), cells.stored.dtype)
        weight = operands.declare()
        rows = T.decl_buffer((words * length, inner), "float32", data=x.data)
        positions = T.decl_buffer((2, slots * reach, heads * cells.stored.width), cells.stored.dtype, data=cache.data)
        own = T.alloc_buffer((tile.group,), "int64", scope="local")

        def locate(first: Expr, end: Expr) -> None:
            with T.serial(0, end - first) as i:
                row = T.Bind(first + i)
                T.buffer_store(own, T.cast(slot[row // length], "int64") * reach + row % length, [i])

        def store(row: Expr, block: Expr, values: list[Expr]) -> None:
            for i, value in enumerate(values):
                kind, v = divmod(i, share)
                stored = cells.pack(tile.lanes.named(value))
                count = tile.lanes.lanes // cells.parts
                at = Lanes(site.machine, count).at((block * share + v) * count)
                T.buffer_store(positions, stored, [kind, own[row % (tile.group)], at])

        Product(layout, operands, rows, weight).run(store, begin_rows=locate)

    def pack(both: Float32) -> tuple[Array, ...]:
        return operands.pack(None, [both[: outputs // 2], both[outputs // 2 :]])

    return Kernel(built.get(), operands.packed(), pack)


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
