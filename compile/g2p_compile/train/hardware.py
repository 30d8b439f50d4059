"""The device that trains: that it is there, its threads, and the precision in which it is fastest."""

import torch

from g2p_batch.errors import UsageError
from g2p_batch.model.cpu_families import cpu_features
from g2p_compile.train.recipe import Precision

_FAST_BFLOAT16 = frozenset(("avx512_bf16", "amx_bf16", "bf16"))
"""CPU features with which bfloat16 is faster than float32, spelled as in /proc/cpuinfo."""


def use(device: str, threads: int | None) -> None:
    """Prepare to train on `cpu` or `cuda[:N]`, with so many threads of the CPU instead of torch's choice.

    Raises:
        UsageError: torch cannot use the device.
    """
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as cause:  # a torch built without CUDA asserts
        reason = str(cause).splitlines()[0]
        raise UsageError(f"--device {device} cannot be used ({reason}): give cpu, or install a torch for it") from None
    if threads is not None:
        torch.set_num_threads(threads)


def fast_precision(device: str) -> Precision:
    """Return the precision in which a device is fastest: bfloat16 where it has instructions for it."""
    fast = torch.cuda.is_bf16_supported() if device.startswith("cuda") else bool(_FAST_BFLOAT16 & cpu_features())
    return "bfloat16" if fast else "float32"
