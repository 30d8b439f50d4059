"""Where a race is run: a CPU or a GPU, who takes part there, and how fast matrix products are."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from g2p_batch.host import cpu_name
from g2p_compile.bench.ceiling import gemm_ceilings, gpu_ceilings
from g2p_compile.bench.peers import ALWAYS, GPU_ALWAYS, GPU_OTHERS, OTHERS, Known


@dataclass(frozen=True)
class Ground:
    """One kind of hardware."""

    name: Callable[[], str]
    ceilings: Callable[[int], Mapping[str, float]]
    """From a number of threads to operations per second of matrix products by number format."""
    always: tuple[Known, ...]
    others: tuple[Known, ...]
    """With `--peers`."""


def _gpu_name() -> str:
    import torch

    return str(torch.cuda.get_device_name())


GROUNDS = {
    "cpu": Ground(lambda: f"{cpu_name()} ({os.cpu_count()} cores)", gemm_ceilings, ALWAYS, OTHERS),
    "cuda": Ground(_gpu_name, gpu_ceilings, GPU_ALWAYS, GPU_OTHERS),
}
"""By the target of a request."""
