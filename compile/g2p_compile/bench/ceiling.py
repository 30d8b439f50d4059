"""How many operations a second matrix products reach on this machine: the ceiling that a model's speed is held to."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from g2p_batch.model.contract import DTYPES, DType
from g2p_batch.model.cpu_families import cpu_family
from g2p_compile.build.product import compiled_product
from g2p_compile.kernels import MACHINES
from g2p_compile.kernels.cpu.register_tiles import ProductShape

_ROWS, _INNER, _OUTPUTS = 2048, 256, 768
"""The product of a batch of words with the widest attention weight of the tiny shapes; both operands stay in cache."""
_REPEATS, _TRIALS = 20, 10


def gemm_ceilings(workers: int) -> dict[str, float]:
    """Return `gemm_ceiling` of every number format that this machine has kernels for."""
    families = {dtype: cpu_family(dtype) for dtype in DTYPES}
    return {dtype: gemm_ceiling(family.name, dtype, workers) for dtype, family in families.items() if family}


def gemm_ceiling(family: str, dtype: DType, workers: int) -> float:
    """Return the operations per second of our matrix product, the best of several trials.

    Args:
        family: CPUs that the kernel is built for; this one has to be among them.
        dtype: number format; rows and results are float32 in all of them.
        workers: threads that multiply at once, each with operands of its own.
    """
    product = compiled_product(MACHINES[family], dtype, ProductShape(_INNER, _OUTPUTS))
    barrier = Barrier(workers)

    def work(run: Callable[[], None]) -> tuple[float, float]:
        barrier.wait()
        started = time.perf_counter()
        for _ in range(_REPEATS):
            run()
        return started, time.perf_counter()

    runs = [product(_ROWS) for _ in range(workers)]
    flops = 2 * _ROWS * _INNER * _OUTPUTS * _REPEATS * workers
    best = float("inf")
    with ThreadPoolExecutor(workers) as pool:
        for _ in range(_TRIALS):
            starts, ends = zip(*pool.map(work, runs), strict=True)
            best = min(best, max(ends) - min(starts))
    return flops / best
