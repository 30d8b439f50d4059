"""What the kernels need to know of a CPU family: how wide its vectors are and how many of them it has."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Machine:
    """Vector unit of a CPU family of `g2p_batch.host`."""

    lanes: int
    """float32 values in a vector register."""
    registers: int
    fused: bool
    """Whether a multiply-add is one instruction with one rounding."""
    target: dict[str, Any]
    """The family as LLVM names it."""


MACHINES: dict[str, Machine] = {
    "avx512bf16": Machine(16, 32, True, {"mcpu": "x86-64-v4", "mattr": ["+avx512bf16"]}),
    "avx512vnni": Machine(16, 32, True, {"mcpu": "x86-64-v4", "mattr": ["+avx512vnni"]}),
    "avx512": Machine(16, 32, True, {"mcpu": "x86-64-v4"}),
    "avx2": Machine(8, 16, True, {"mcpu": "x86-64-v3"}),
    "sse2": Machine(4, 16, False, {"mcpu": "x86-64"}),
    "neon": Machine(4, 32, True, {"mtriple": "aarch64-linux-gnu"}),
    "portable": Machine(4, 16, False, {}),
}
"""By the name of the family."""
