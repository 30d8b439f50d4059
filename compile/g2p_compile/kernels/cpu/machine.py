"""What the kernels need to know of a CPU family: how wide its vectors are and how many of them it has."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Machine:
    """Vector unit of a CPU family of `g2p_batch.model.cpu_families`."""

    lanes: int
    """float32 values in a vector register."""
    registers: int
    fused: bool
    """Whether a multiply-add is one instruction with one rounding."""
    target: dict[str, Any]
    """The family as LLVM names it."""
    quads: bool = False
    """Whether it multiplies and adds four bytes at once, of which one side is unsigned."""
    matrix: bool = False
    """Whether it has AMX: registers that hold 16 rows of 64 bytes, and products of them."""
    pair_dot: str = ""
    """LLVM's name of the instruction that multiplies and adds pairs of 16-bit integers, if it has one."""


_PMADDWD = {4: "llvm.x86.sse2.pmadd.wd", 8: "llvm.x86.avx2.pmadd.wd", 16: "llvm.x86.avx512.pmaddw.d.512"}
_AMX = ["+avx512vnni", "+avx512bf16", "+amx-tile", "+amx-int8", "+amx-bf16"]

MACHINES: dict[str, Machine] = {
    "amx": Machine(16, 32, True, {"mcpu": "x86-64-v4", "mattr": _AMX}, quads=True, matrix=True),
    "avx512bf16": Machine(16, 32, True, {"mcpu": "x86-64-v4", "mattr": ["+avx512bf16"]}),
    "avx512vnni": Machine(16, 32, True, {"mcpu": "x86-64-v4", "mattr": ["+avx512vnni"]}, quads=True),
    "avx512": Machine(16, 32, True, {"mcpu": "x86-64-v4"}, pair_dot=_PMADDWD[16]),
    "avx2": Machine(8, 16, True, {"mcpu": "x86-64-v3"}, pair_dot=_PMADDWD[8]),
    "sse2": Machine(4, 16, False, {"mcpu": "x86-64"}, pair_dot=_PMADDWD[4]),
    "neon": Machine(4, 32, True, {"mtriple": "aarch64-linux-gnu"}),
    "portable": Machine(4, 16, False, {}),
}
"""By the name of the family."""
