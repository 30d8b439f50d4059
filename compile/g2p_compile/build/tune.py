"""Tiles chosen by measuring them on this CPU. Sums run in the same order in all of them: only speed depends on it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import cycle
from statistics import median

from g2p_batch.model.contract import DType, Shapes
from g2p_compile.build.bind import bind
from g2p_compile.build.product import Run, compiled_product
from g2p_compile.kernels import CpuKernels, Limits, Machine
from g2p_compile.kernels.cpu.register_tiles import ProductShape, Tile, Tiles, TileShape, candidates
from g2p_compile.program import Program

_ROUNDS = 7
_LEAST_S = 0.003
"""Time of one measurement."""
_GAIN = 0.97
"""A tile must take less than this share of the time of the one that is chosen without measuring."""
_FAR_BYTES = 8 << 20
"""Weights of a step come from beyond the near caches: copies of as many bytes are used in turn."""
_TYPICAL_LENGTH = 20
"""Bytes of prefix and word."""


@dataclass(frozen=True)
class _Asking(Tiles):
    """Remembers which products a program has."""

    asked: dict[ProductShape, None] = field(default_factory=dict)

    def choose(self, machine: Machine, product: ProductShape) -> Tile:
        """Choose as without measuring."""
        self.asked[product] = None
        return super().choose(machine, product)


def tune(program: Program, machine: Machine, shapes: Shapes, dtype: DType, say: Callable[[str], None]) -> Tiles:
    """Measure a few tiles for every matrix product of a program, one thread at a time, and choose.

    Args:
        program: what is going to be compiled.
        machine: the family to compile for; this CPU must be one of it.
        shapes: buckets, whose first gives typical numbers of rows.
        dtype: number format.
        say: is told what is chosen.
    """
    measured: dict[str, TileShape] = {}
    bucket = shapes.buckets[0]
    for product in products(program, machine, shapes, dtype):
        choice = list(candidates(machine, product))
        if len(choice) > 1:
            rows = (bucket.batch, bucket.chunk * _TYPICAL_LENGTH)
            times = _times(machine, dtype, product, choice, rows)
            measured[str(product)] = fastest(times)
            say(f"{product}: {_told(times, measured[str(product)])}")
    if not measured:
        say("Every product has one tile on this CPU: nothing was measured")
    return Tiles(measured)


def products(program: Program, machine: Machine, shapes: Shapes, dtype: DType) -> list[ProductShape]:
    """Return the matrix products of a program, each once."""
    tiles = _Asking()
    longest = shapes.longest
    bind(program, CpuKernels(machine, Limits(longest.source_bytes, longest.target_bytes), dtype, tiles), shapes)
    return list(tiles.asked)


def fastest(times: Mapping[TileShape, float]) -> TileShape:
    """Return the tile with the least time; the first one stays unless another is clearly faster."""
    first, best = next(iter(times)), min(times, key=lambda shape: times[shape])
    return best if times[best] < _GAIN * times[first] else first


def _times(
    machine: Machine, dtype: DType, product: ProductShape, choice: Sequence[TileShape], rows: Sequence[int]
) -> dict[TileShape, float]:
    """Return the median time of a row with each tile, in seconds, summed over numbers of rows; rounds interleave."""
    whole = ProductShape(product.inner, product.outputs * product.parts)
    copies = max(1, _FAR_BYTES // (4 * whole.inner * whole.outputs))
    runs: dict[TileShape, list[tuple[int, list[Run]]]] = {}
    for shape in choice:
        make = compiled_product(machine, dtype, whole, Tiles({str(whole): shape}))
        runs[shape] = [(count, [make(count) for _ in range(copies)]) for count in rows]
    taken: dict[TileShape, list[float]] = {shape: [] for shape in choice}
    for _ in range(_ROUNDS):
        for shape, all_rows in runs.items():
            taken[shape].append(sum(_seconds(some) / count for count, some in all_rows))
    return {shape: median(seconds) for shape, seconds in taken.items()}


def _seconds(runs: Sequence[Run]) -> float:
    """Return the time of one run, over as many as fill a measurement."""
    count = 0
    started = time.perf_counter()
    for run in cycle(runs):
        run()
        count += 1
        if count % len(runs) == 0 and time.perf_counter() - started > _LEAST_S:
            break
    return (time.perf_counter() - started) / count


def _told(times: Mapping[TileShape, float], chosen: TileShape) -> str:
    first = next(iter(times.values()))
    shares = (f"{vectors}x{rows} {seconds / first:.2f}" for (vectors, rows), seconds in times.items())
    return f"{', '.join(shares)}: {chosen[0]}x{chosen[1]}"
