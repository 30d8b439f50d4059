"""What float32 products leave of the truth, by CPU family: `python -m tests.lab.product_errors`.

Multiplies the rows that the bundled model's products get for a few golden words, by the kernels of every family that
this CPU can run, and compares with double precision.
"""

from collections import defaultdict
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
import tvm_ffi

from g2p_batch.model.shipped import shipped
from g2p_compile.check.golden import read_tsv
from g2p_compile.check.transformers_reference import load_reference, source_ids
from g2p_compile.kernels import KERNELS, MACHINES, Site
from tests.helpers.cpu_kernels import LIMITS, RUNNABLE, aligned, compile_functions

Float32 = npt.NDArray[np.float32]
WORDS, TOKENS = 12, 12


def products() -> dict[str, tuple[Float32, Float32]]:
    """Return rows [M, K] and weight [N, K] of each product of the model, by name."""
    checkpoint, table = load_reference("bundled"), read_tsv(shipped("golden/bench.tsv"))
    rows: dict[str, list[Float32]] = defaultdict(list)
    layers = {n: m for n, m in checkpoint.model.named_modules() if isinstance(m, torch.nn.Linear)}

    def watch(name: str) -> Callable[..., None]:
        return lambda layer, given, result: rows[name].append(given[0].detach().flatten(0, -2).numpy().copy())

    for name, layer in layers.items():
        layer.register_forward_hook(watch(name))
    step = len(table) // WORDS
    words, langs = (table[column].to_pylist()[::step][:WORDS] for column in ("word", "lang"))
    for word, lang in zip(words, langs, strict=True):
        ids = torch.tensor([source_ids(checkpoint.contract, word, lang)])
        checkpoint.model.generate(ids, max_new_tokens=TOKENS, num_beams=1)
    return {name: (np.concatenate(rows[name]), layer.weight.detach().numpy()) for name, layer in layers.items()}


def product(family: str, weight: Float32) -> Callable[[Float32], Float32]:
    """Compile a product with a weight."""
    shapes = ((2, weight.shape[1]), weight.shape)
    kernel = KERNELS["linear"](Site(MACHINES[family], LIMITS, "float32", shapes, (weight.shape,), ()))
    run = compile_functions({"product": kernel.function.with_attr("global_symbol", "product")}, family)["product"]
    packed = [aligned(array) for array in kernel.pack(weight)]

    def multiply(x: Float32) -> Float32:
        result = np.zeros((len(x), len(weight)), np.float32)
        tensors = [aligned(array) for array in (x, result)]
        run(*(tvm_ffi.from_dlpack(array) for array in (tensors[0], *packed, tensors[1])))
        return tensors[1]

    return multiply


def main() -> None:
    errors: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for name, (x, weight) in products().items():
        exact = x.astype(np.float64) @ weight.T
        for family in RUNNABLE:
            away = product(family, weight)(x) - exact
            errors[name.rsplit(".", 1)[-1]][family].append(
                float(np.sqrt(np.square(away).mean() / np.square(exact).mean()))
            )
    for kind, found in errors.items():
        told = ", ".join(f"{family} {np.mean(some):.2e}" for family, some in found.items())
        print(f"{kind}: root mean square of the error, relative to that of the results: {told}")  # noqa: T201


if __name__ == "__main__":
    main()
