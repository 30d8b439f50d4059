"""Operations with random arguments, and their kernels for a CPU family, compiled."""

import math
import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import tvm
import tvm_ffi

from g2p_batch.model.contract import DType
from g2p_batch.model.cpu_families import FAMILIES, cpu_features
from g2p_compile.export import ops
from g2p_compile.kernels import KERNELS, MACHINES, WEIGHTS, Kernel, Limits, Site

# The tensors are small and the cores shared: waking a second thread costs more than it brings.
torch.set_num_threads(1)

FORMATS = [
    (family.name, dtype)
    for family in FAMILIES
    if family.name in MACHINES and family.arch in ("", platform.machine()) and cpu_features() >= set(family.features)
    for dtype in family.dtypes
]
"""CPU families that this machine can run, strongest first, with each of their number formats."""
RUNNABLE = [
    family.name
    for family in FAMILIES
    if "float32" in family.dtypes and family.arch == platform.machine() and cpu_features() >= set(family.features)
] or ["portable"]
"""Strongest first."""
LIMITS = Limits(source_bytes=37, target_bytes=29)
"""Multiples of no vector, so that last blocks are part full."""
EPSILON = 1e-6
SCALE = 0.5
VOCABULARY = 384
NAN = float("nan")


@dataclass(frozen=True)
class Widths:
    d_model: int
    d_kv: int
    heads: int
    d_ff: int

    @property
    def attention(self) -> int:
        return self.heads * self.d_kv


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape)


def weight(outputs: int, inner: int) -> torch.Tensor:
    return torch.randn(outputs, inner) / math.sqrt(inner)


def gain(width: int) -> torch.Tensor:
    return torch.rand(width) + 0.5


def integers(low: int, high: int, count: int) -> torch.Tensor:
    return torch.randint(low, high, (count,), dtype=torch.int32)


def slots(count: int) -> torch.Tensor:
    """Return a slot for every row, in no order, two slots left empty."""
    return torch.randperm(count + 2, dtype=torch.int32)[:count]


def filled_cache(widths: Widths, slot: torch.Tensor, lengths: torch.Tensor, reach: int, spare: int = 2) -> torch.Tensor:
    """Return a cache, with as many slots as rows and `spare` more, that holds NaN wherever no word of `lengths` is."""
    filled = torch.full((2, len(slot) + spare, reach, widths.heads, widths.d_kv), NAN)
    for s, length in zip(slot.tolist(), lengths.tolist(), strict=True):
        filled[:, s, :length] = normal(2, length, widths.heads, widths.d_kv)
    return filled


Arguments = tuple[Any, ...]


def encoder_arguments(w: Widths, rows: int) -> Arguments:
    lengths = integers(1, LIMITS.source_bytes + 1, rows)
    bias = normal(w.heads, 2 * LIMITS.source_bytes - 1)
    return normal(rows, int(lengths.max()), 3 * w.attention), bias, lengths


def source_arguments(w: Widths, rows: int) -> Arguments:
    length = 1 + rows % LIMITS.source_bytes
    empty = torch.full((2, rows + 2, length + 1, w.heads, w.d_kv), NAN)
    return normal(rows, length, w.d_model), weight(2 * w.attention, w.d_model), slots(rows), empty


def self_arguments(w: Widths, rows: int) -> Arguments:
    slot, position = slots(rows), integers(0, LIMITS.target_bytes, rows)
    position[-1] = LIMITS.target_bytes - 1
    # What a word has is every position before its own; the kernel adds that one.
    past = filled_cache(w, slot, position, LIMITS.target_bytes)
    return normal(rows, 3 * w.attention), normal(w.heads, LIMITS.target_bytes), slot, position, past


def cross_arguments(w: Widths, rows: int) -> Arguments:
    slot, lengths = slots(rows), integers(1, LIMITS.source_bytes + 1, rows)
    return normal(rows, w.attention), slot, lengths, filled_cache(w, slot, lengths, LIMITS.source_bytes)


def head_arguments(w: Widths, rows: int) -> Arguments:
    return normal(rows, w.d_model), gain(w.d_model), 3 * weight(VOCABULARY, w.d_model), EPSILON, SCALE


def fork_arguments(w: Widths, rows: int) -> Arguments:
    slot = torch.randperm(2 * rows + 2, dtype=torch.int32)
    # Every second copy comes from the slot that the one before it comes from.
    origin, target = slot[:rows][torch.arange(rows) // 2 * 2], slot[rows : 2 * rows]
    count = integers(0, LIMITS.target_bytes + 1, rows)
    count[0], count[-1] = 0, LIMITS.target_bytes
    held = torch.full((rows,), LIMITS.target_bytes)
    return origin, target, count, filled_cache(w, origin, held, LIMITS.target_bytes, spare=rows + 2)


ARGUMENTS: dict[str, Callable[[Widths, int], Arguments]] = {
    "embed": lambda w, m: (integers(0, VOCABULARY, m), normal(VOCABULARY, w.d_model)),
    "rms_norm": lambda w, m: (normal(m, w.d_model), gain(w.d_model), EPSILON),
    "linear": lambda w, m: (normal(m, w.d_model), weight(w.d_ff, w.d_model)),
    "linear_residual": lambda w, m: (normal(m, w.d_ff), weight(w.d_model, w.d_ff), normal(m, w.d_model)),
    "norm_linear": lambda w, m: (
        normal(m, w.d_model),
        gain(w.d_model),
        weight(3 * w.attention, w.d_model),
        EPSILON,
    ),
    "norm_gated_gelu": lambda w, m: (
        normal(m, w.d_model),
        gain(w.d_model),
        weight(w.d_ff, w.d_model),
        weight(w.d_ff, w.d_model),
        EPSILON,
    ),
    "norm_relu": lambda w, m: (normal(m, w.d_model), gain(w.d_model), weight(w.d_ff, w.d_model), EPSILON),
    "encoder_attention": encoder_arguments,
    "cache_source": source_arguments,
    "self_attention": self_arguments,
    "cross_attention": cross_arguments,
    "greedy_head": head_arguments,
    "variants_head": head_arguments,
    "fork": fork_arguments,
}
"""Random arguments of an operation for a number of rows (words, where it works on words)."""
CACHES = ("cache_source", "self_attention", "cross_attention", "fork")
"""Operations whose last argument is a cache."""


def tensors_of(arguments: Arguments) -> list[torch.Tensor]:
    return [a for a in arguments if isinstance(a, torch.Tensor)]


def aligned(array: np.ndarray) -> np.ndarray:
    raw = np.zeros(array.nbytes + 64, np.uint8)
    start = -raw.ctypes.data % 64
    copy = raw[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def compile_functions(functions: dict[str, Any], family: str) -> dict[str, Callable[..., None]]:
    target = tvm.target.Target({"kind": "llvm", **MACHINES[family].target})
    library = tvm.compile(tvm.IRModule(functions), target=target).jit()
    return {name: library[name] for name in functions}


@dataclass(frozen=True)
class Compiled:
    """Kernels of one family for one set of widths, ready to run."""

    widths: Widths
    kernels: dict[str, Kernel]
    functions: dict[str, Callable[..., None]]

    def run(self, name: str, arguments: Arguments) -> list[torch.Tensor]:
        """Return the results of an operation, and after them its cache if it has one."""
        tensors = tensors_of(arguments)
        data = [aligned(t.numpy()) for i, t in enumerate(tensors) if i not in WEIGHTS[name]]
        weights = [tensors[i].numpy() for i in WEIGHTS[name]]
        packed = [aligned(array) for array in self.kernels[name].pack(*weights)] if weights else []
        results = [
            aligned(np.full(shape, NAN if dtype == "float32" else -1, dtype))
            for shape, dtype in ops.RESULTS[name](*(tuple(t.shape) for t in tensors))
        ]
        self.functions[name](*(tvm_ffi.from_dlpack(a) for a in [*data, *packed, *results]))
        found = [torch.from_numpy(a) for a in results]
        return [*found, torch.from_numpy(data[-1])] if name in CACHES else found


def compiled(
    family: str, widths: Widths, dtype: DType = "float32", operations: Iterable[str] = tuple(ARGUMENTS)
) -> Compiled:
    machine = MACHINES[family]
    kernels = {}
    for name in operations:
        arguments = ARGUMENTS[name](widths, 2)
        shapes = [tuple(t.shape) for t in tensors_of(arguments)]
        weights = tuple(shapes[i] for i in WEIGHTS[name])
        constants = tuple(a for a in arguments if isinstance(a, float))
        kernels[name] = KERNELS[name](Site(machine, LIMITS, dtype, tuple(shapes), weights, constants))
    functions = {name: built.function.with_attr("global_symbol", name) for name, built in kernels.items()}
    return Compiled(widths, kernels, compile_functions(functions, family))
