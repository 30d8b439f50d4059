"""How many operations a second PyTorch's matrix products reach on a GPU."""

import time

from g2p_batch.model.artifact_cache import GPU_DTYPES
from g2p_batch.model.contract import DType

_TRIALS = 10


def gpu_ceilings(_workers: int, device: str = "cuda", size: int = 8192) -> dict[str, float]:
    """Return the operations per second of PyTorch's square matrix product on a GPU, by number format."""
    import torch

    def ceiling(dtype: DType) -> float:
        one = torch.randn(size, size, device=device).to(getattr(torch, dtype))
        best = float("inf")
        for _ in range(_TRIALS):
            _finish(device)
            started = time.perf_counter()
            torch.mm(one, one)
            _finish(device)
            best = min(best, time.perf_counter() - started)
        return 2 * size**3 / best

    return {dtype: ceiling(dtype) for dtype in GPU_DTYPES}


def _finish(device: str) -> None:
    import torch

    if device == "cuda":
        torch.cuda.synchronize()
