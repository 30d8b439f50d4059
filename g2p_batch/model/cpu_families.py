"""What this machine is: the facts that decide which compiled code it can run."""

import ctypes
import os
import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

from g2p_batch.model.cpu_quota import allowed_cores

_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True)
class Family:
    """CPUs, or GPUs, that run the same compiled code."""

    name: str
    arch: str
    """`platform.machine()`, or empty for any."""
    features: tuple[str, ...]
    """What each of them has, spelled as in /proc/cpuinfo."""
    dtypes: tuple[str, ...]
    """Number formats that it has kernels for."""
    kind: Literal["llvm", "cuda"] = "llvm"
    """Or cuda: then `features` are GPU architectures."""


_LEVEL_3 = ("avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe")
_LEVEL_4 = (*_LEVEL_3, "avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl")

_EVERYWHERE = ("float32", "int8")
_MATRIX_UNIT = ("amx_tile", "amx_int8", "amx_bf16")
_SYS_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, _XFEATURE_XTILEDATA = 158, 0x1023, 18
"""Of Linux on x86-64: Documentation/arch/x86/xstate.rst."""

# Strongest first. The x86 families are the levels 1, 3 and 4 of the x86-64 psABI.
FAMILIES = (
    Family("amx", "x86_64", (*_LEVEL_4, "avx512_vnni", "avx512_bf16", *_MATRIX_UNIT), ("float32", "bfloat16", "int8")),
    Family("avx512vnni", "x86_64", (*_LEVEL_4, "avx512_vnni"), ("int8",)),
    Family("avx512bf16", "x86_64", (*_LEVEL_4, "avx512_bf16"), ("bfloat16",)),
    Family("avx512", "x86_64", _LEVEL_4, _EVERYWHERE),
    Family("avx2", "x86_64", _LEVEL_3, _EVERYWHERE),
    Family("sse2", "x86_64", (), _EVERYWHERE),
    Family("neon", "aarch64", (), _EVERYWHERE),
    Family("portable", "", (), _EVERYWHERE),
)


@cache
def cpu_features() -> frozenset[str]:
    """Return the features of this machine's CPU, spelled as Linux spells them; empty where it does not say.

    A matrix unit is among them if this process may use it, which is asked for here, once.
    """
    features = frozenset(_field("flags", "Features").split())
    return features if "amx_tile" in features and _may_use_tiles() else features.difference(_MATRIX_UNIT)


def _may_use_tiles() -> bool:
    """Ask Linux for the tile registers, which it saves for those only that have asked; True once it agrees."""
    request = (ctypes.c_long(n) for n in (_SYS_ARCH_PRCTL, _ARCH_REQ_XCOMP_PERM, _XFEATURE_XTILEDATA))
    return bool(ctypes.CDLL(None).syscall(*request) == 0)


@cache
def cpu_name() -> str:
    """Return the CPU's own name, or the architecture where it has none."""
    return _field("model name", "CPU part") or platform.machine()


@cache
def cpu_family(dtype: str = "float32") -> Family | None:
    """Return the strongest family of this machine's CPU that has kernels for a dtype, or None."""
    fitting = (f for f in FAMILIES if dtype in f.dtypes and f.arch in ("", platform.machine()))
    return next((f for f in fitting if cpu_features().issuperset(f.features)), None)


def usable_cores() -> int:
    """Return how many cores this process may use: those it is bound to, and no more than its container's share."""
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    allowed = allowed_cores()
    return bound if allowed is None else min(bound, allowed)


def _field(*names: str) -> str:
    try:
        text = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    for line in text.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in names:
            return value.strip()
    return ""
