"""How many operations a second matrix products reach on this machine: the ceiling that a model's speed is held to."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import numpy as np
import tvm

from g2p_batch.contract import DTYPES, DType
from g2p_batch.host import cpu_family
from g2p_compile.kernels import KERNELS, MACHINES, Limits, Site

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
    product = _product(family, dtype)
    barrier = Barrier(workers)

    def work(run: Callable[[], None]) -> tuple[float, float]:
        barrier.wait()
        started = time.perf_counter()
        for _ in range(_REPEATS):
            run()
        return started, time.perf_counter()

    runs = [product() for _ in range(workers)]
    flops = 2 * _ROWS * _INNER * _OUTPUTS * _REPEATS * workers
    best = float("inf")
    with ThreadPoolExecutor(workers) as pool:
        for _ in range(_TRIALS):
            starts, ends = zip(*pool.map(work, runs), strict=True)
            best = min(best, max(ends) - min(starts))
    return flops / best


def _product(family: str, dtype: DType) -> Callable[[], Callable[[], None]]:
    """Build the kernel; returns what makes one more product with operands of its own."""
    machine = MACHINES[family]
    site = Site(machine, Limits(1, 1), dtype, ((_ROWS, _INNER), (_OUTPUTS, _INNER)), ((_OUTPUTS, _INNER),), ())
    kernel = KERNELS["linear"](site)
    target = tvm.target.Target({"kind": "llvm", **machine.target})
    module = tvm.IRModule({"product": kernel.function.with_attr("global_symbol", "product")})
    function = tvm.compile(module, target=target).jit()["product"]
    random = np.random.default_rng(0)

    def values(*shape: int) -> Any:
        return random.standard_normal(shape, np.float32)

    def make() -> Callable[[], None]:
        arrays = [values(_ROWS, _INNER), *kernel.pack(values(_OUTPUTS, _INNER)), values(_ROWS, _OUTPUTS)]
        tensors = [tvm.runtime.tensor(array) for array in arrays]  # unlike NumPy's, these begin at a whole vector
        return lambda: function(*tensors)

    return make
