"""Hand-scheduled kernels: one for every operation of a program, built for a machine."""

from collections.abc import Callable

from g2p_compile.kernels import attention, gemm, rows
from g2p_compile.kernels.kernel import Kernel, Limits, Site
from g2p_compile.kernels.machine import MACHINES, Machine

__all__ = ["KERNELS", "MACHINES", "WEIGHTS", "Kernel", "Limits", "Machine", "Site"]

KERNELS: dict[str, Callable[[Site], Kernel]] = {
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
    "greedy_head": gemm.greedy_head,
}

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
}
"""Which arguments of an operation are weights: the kernel takes them packed into one, after its data."""
