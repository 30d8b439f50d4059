"""One matrix product by itself, to be timed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tvm

from g2p_batch.model.contract import DType
from g2p_compile.kernels import KERNELS, Limits, Machine, Site
from g2p_compile.kernels.cpu.register_tiles import ProductShape, Tiles

Run = Callable[[], None]


def compiled_product(
    machine: Machine, dtype: DType, product: ProductShape, tiles: Tiles | None = None
) -> Callable[[int], Run]:
    """Compile the kernel of a product for this CPU, which must be one of the machine's.

    Returns:
        Takes a number of rows, and returns what multiplies as many once, with operands of its own.
    """
    weight = (product.outputs * product.parts, product.inner)
    site = Site(machine, Limits(1, 1), dtype, ((1, product.inner), weight), (weight,), (), tiles or Tiles())
    kernel = KERNELS["linear"](site)
    target = tvm.target.Target({"kind": "llvm", **machine.target})
    module = tvm.IRModule({"product": kernel.function.with_attr("global_symbol", "product")})
    function = tvm.compile(module, target=target).jit()["product"]
    random = np.random.default_rng(0)

    def values(*shape: int) -> Any:
        return random.standard_normal(shape, np.float32)

    def make(rows: int) -> Run:
        arrays = [values(rows, product.inner), *kernel.pack(values(*weight)), values(rows, weight[0])]
        tensors = [tvm.runtime.tensor(array) for array in arrays]  # unlike NumPy's, these begin at a whole vector
        return lambda: function(*tensors)

    return make
