"""Hand-scheduled kernels: one for every operation of a program, built for a machine."""

from g2p_compile.kernels.cpu.cpu_kernels import KERNELS, CpuKernels
from g2p_compile.kernels.cpu.machine import MACHINES, Machine
from g2p_compile.kernels.kernel import Call, Kernel, Kernels, Limits, Site

__all__ = [
    "KERNELS",
    "MACHINES",
    "PACKED_AS",
    "WEIGHTS",
    "Call",
    "CpuKernels",
    "Kernel",
    "Kernels",
    "Limits",
    "Machine",
    "Site",
]

WEIGHTS: dict[str, tuple[int, ...]] = {
    "embed": (1,),
    "rms_norm": (1,),
    "linear": (1,),
    "linear_residual": (1,),
    "norm_linear": (1, 2),
    "norm_gated_gelu": (1, 2, 3),
    "norm_relu": (1, 2),
    "encoder_attention": (1,),
    "cache_source": (1,),
    "self_attention": (1,),
    "cross_attention": (),
    "greedy_head": (1, 2),
    "variants_head": (1, 2),
    "fork": (),
}
"""Which arguments of an operation are weights: the kernel takes them packed into one, after its data."""

PACKED_AS = {"variants_head": "greedy_head"}
"""Operations whose weights are packed as those of another one, and so are there once."""
