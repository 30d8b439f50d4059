"""The kernels of CPUs as one family."""

from dataclasses import dataclass, field
from typing import ClassVar

from g2p_batch.model.contract import CacheCells, DType, Stored
from g2p_compile.kernels.cpu import attention, forks, gemm, heads, rows
from g2p_compile.kernels.cpu.cells import choose_cells
from g2p_compile.kernels.cpu.machine import Machine
from g2p_compile.kernels.cpu.register_tiles import Tiles
from g2p_compile.kernels.kernel import Call, Kernel, Limits, Site

KERNELS = {
    "embed": rows.embed,
    "rms_norm": rows.rms_norm,
    "linear": gemm.linear,
    "linear_residual": gemm.linear_residual,
    "norm_linear": gemm.norm_linear,
    "norm_gated_gelu": gemm.norm_gated_gelu,
    "norm_relu": gemm.norm_relu,
    "encoder_attention": attention.encoder_attention,
    "cache_source": gemm.cache_source,
    "self_attention": attention.self_attention,
    "cross_attention": attention.cross_attention,
    "greedy_head": heads.greedy_head,
    "variants_head": heads.variants_head,
    "fork": forks.fork,
}


@dataclass(frozen=True)
class CpuKernels:
    """`Kernels` of a CPU family: whatever the number format inside, tensors between operations are float32."""

    machine: Machine
    limits: Limits
    dtype: DType = "float32"
    tiles: Tiles = field(default_factory=Tiles)

    folds: ClassVar[bool] = True
    cacheless: ClassVar[bool] = True
    places_hidden: ClassVar[bool] = False
    hidden: ClassVar[Stored] = "float32"

    def result(self, operation: str) -> Stored:
        """Return float32."""
        return "float32"

    def cells(self, width: int) -> CacheCells:
        """Return how caches hold a head of `width` values."""
        return choose_cells(self.machine, self.dtype, width).stored

    def make(self, operation: str, call: Call) -> Kernel:
        """Return the kernel for a call."""
        site = Site(self.machine, self.limits, self.dtype, call.shapes, call.weights, call.constants, self.tiles)
        return KERNELS[operation](site)
