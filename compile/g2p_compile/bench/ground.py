"""Where a race is run: a CPU or a GPU, who takes part there, and how fast matrix products are."""

import gc
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from g2p_batch.errors import UsageError
from g2p_batch.model.cpu_families import cpu_name
from g2p_compile.bench.ceiling import gemm_ceilings
from g2p_compile.bench.gpu_ceiling import gpu_ceilings
from g2p_compile.bench.peers import ALWAYS, GPU_ALWAYS, GPU_OTHERS, OTHERS, PeerEntry


@dataclass(frozen=True)
class Ground:
    """One kind of hardware."""

    name: Callable[[], str]
    ceilings: Callable[[int], Mapping[str, float]]
    """From a number of threads to operations per second of matrix products by number format."""
    always: tuple[PeerEntry, ...]
    others: tuple[PeerEntry, ...]
    """With `--peers`."""
    require: Callable[[], None]
    """Raises UsageError if nothing can be measured here."""
    tidy: Callable[[], None]
    """Gives back what the contestants of one subject have taken."""

    def peers(self, all_known: bool, programs: Sequence[str]) -> tuple[PeerEntry, ...]:
        """Return who races: those of some programs, or else all that are known, or the one that always does.

        Raises:
            UsageError: a program does not run here.
        """
        known = self.always + self.others
        names = {entry.program for entry in known} if programs else set()
        for program in programs:
            if program not in names:
                raise UsageError(f"{program} is not raced here: give --peer one of {', '.join(sorted(names))}")
        if programs:
            return tuple(entry for entry in known if entry.program in programs)
        return known if all_known else self.always


def _gpu_name() -> str:
    import torch

    return str(torch.cuda.get_device_name())


def _require_gpu() -> None:
    import torch

    if not torch.cuda.is_available():
        raise UsageError(
            f"PyTorch {torch.__version__} sees no GPU, and the peers of a GPU need it: install a CUDA build of PyTorch"
        )


def _tidy_gpu() -> None:
    import torch

    gc.collect()
    torch.compiler.reset()
    torch.cuda.empty_cache()


def _nothing() -> None:
    """There is nothing to ask for, or to give back."""


GROUNDS = {
    "cpu": Ground(lambda: f"{cpu_name()} ({os.cpu_count()} cores)", gemm_ceilings, ALWAYS, OTHERS, _nothing, _nothing),
    "cuda": Ground(_gpu_name, gpu_ceilings, GPU_ALWAYS, GPU_OTHERS, _require_gpu, _tidy_gpu),
}
"""By the target of a request."""
