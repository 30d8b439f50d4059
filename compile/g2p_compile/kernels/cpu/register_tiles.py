"""Register tiles of matrix products: which there are, and which one a product gets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from g2p_compile.kernels.cpu.machine import Machine
from g2p_compile.kernels.vector import Lanes

TileShape = tuple[int, int]
"""Vectors across and rows."""

# By register count, best first: accumulators, one row of weights and a broadcast value must fit. Wider ones are as fast
# from the second-level cache and slower from beyond, unless measuring says otherwise.
_TILES: dict[int, tuple[TileShape, ...]] = {32: ((2, 8), (1, 14)), 16: ((2, 6), (1, 8))}
_FURTHER: dict[int, tuple[TileShape, ...]] = {
    32: ((2, 12), (2, 14), (3, 8), (4, 6), (1, 28)),
    16: ((3, 4), (2, 4), (1, 12), (4, 2)),
}


@dataclass(frozen=True)
class Tile:
    """A register tile of `rows` by `vectors` vectors."""

    lanes: Lanes
    vectors: int
    rows: int
    strips: int = 8
    """Tiles of rows that run over one column tile of the weight while the nearest cache holds it."""

    @property
    def group(self) -> int:
        """Rows that are prepared together."""
        return self.rows * self.strips

    def strips_of(self, rows: Any) -> Any:
        """Return how many strips hold a number of rows."""
        return (rows + self.rows - 1) // self.rows

    @property
    def columns(self) -> int:
        """Columns of the packed weight that it covers."""
        return self.lanes.lanes * self.vectors


@dataclass(frozen=True)
class ProductShape:
    """A product as far as the choice of its tile goes: x [M, inner] times `parts` weights [outputs, inner] that share
    every tile evenly."""

    inner: int
    outputs: int
    parts: int = 1

    def __str__(self) -> str:
        return f"{self.inner}x{self.outputs}" + (f"x{self.parts}" if self.parts > 1 else "")


@dataclass(frozen=True)
class Tiles:
    """The choice of tiles for a machine: measured ones by the name of their product, good ones for all others."""

    measured: Mapping[str, TileShape] = field(default_factory=dict)

    def choose(self, machine: Machine, product: ProductShape) -> Tile:
        """Return the tile of a product; vectors are shorter where whole ones do not divide its columns."""
        shape = self.measured.get(str(product))
        if shape is not None and _fits(shape, machine.lanes, product):
            return Tile(Lanes(machine, machine.lanes), *shape)
        lanes = machine.lanes
        while True:
            for vectors, rows in _TILES[machine.registers]:
                if _fits((vectors, rows), lanes, product):
                    return Tile(Lanes(machine, lanes), vectors, rows)
            lanes //= 2


def candidates(machine: Machine, product: ProductShape) -> Iterator[TileShape]:
    """Yield the tiles of whole vectors that a product may have, the one that it has without measuring first."""
    for shape in (*_TILES[machine.registers], *_FURTHER[machine.registers]):
        if _fits(shape, machine.lanes, product):
            yield shape


def _fits(shape: TileShape, lanes: int, product: ProductShape) -> bool:
    vectors = shape[0]
    return vectors % product.parts == 0 and product.outputs % (lanes * vectors // product.parts) == 0
