"""What differs between kinds of hardware when a program is built."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import tvm

from g2p_batch.model.artifact_cache import DEVICE_CODE
from g2p_batch.model.contract import DType, Shapes
from g2p_batch.model.cpu_families import Family
from g2p_compile.build.nvcc import compile_device_code
from g2p_compile.build.tune import tune
from g2p_compile.kernels import MACHINES, CpuKernels, Kernels, Limits
from g2p_compile.kernels.cpu.register_tiles import Tiles
from g2p_compile.kernels.cuda import CudaKernels, gpu
from g2p_compile.kernels.cuda.cuda_kernels import decoder_row_functions
from g2p_compile.program import Program

Say = Callable[[str], None]


class Backend(Protocol):
    """One family of hardware, for one build."""

    @property
    def tiles(self) -> Tiles:
        """Tiles that were chosen by measuring."""

    @property
    def kernels(self) -> Kernels:
        """What operations become."""

    @property
    def target(self) -> tvm.target.Target:
        """How TVM calls it."""

    @property
    def triple(self) -> str | None:
        """Of the host, if that is not this machine."""

    def complete(self, module: tvm.IRModule) -> tvm.IRModule:
        """Return a bound module with what else the engine needs."""

    @property
    def shared_bytes(self) -> int:
        """Most shared memory that a block of a GPU asks for."""

    def write_device_code(self, folder: Path) -> Mapping[str, tuple[str, ...]]:
        """Write what runs beside the host's code; returns the types of each kernel's parameters.

        Raises:
            ArtifactError: it cannot be compiled.
        """


@dataclass(frozen=True)
class Cpu:
    """CPUs: all code is the host's."""

    kernels: CpuKernels
    tiles: Tiles
    shared_bytes: ClassVar[int] = 0

    @property
    def target(self) -> tvm.target.Target:
        """LLVM."""
        return tvm.target.Target({"kind": "llvm", **self.kernels.machine.target})

    @property
    def triple(self) -> str | None:
        """Of a machine of another architecture."""
        return self.kernels.machine.target.get("mtriple")

    def complete(self, module: tvm.IRModule) -> tvm.IRModule:
        """Return the module as it is."""
        return module

    def write_device_code(self, folder: Path) -> Mapping[str, tuple[str, ...]]:
        """There is none."""
        return {}


@dataclass(frozen=True)
class Cuda:
    """NVIDIA GPUs: the host's code launches kernels that lie beside it as machine code."""

    kernels: CudaKernels
    architectures: tuple[str, ...]
    tiles: Tiles = field(default_factory=Tiles)
    triple: ClassVar[None] = None

    @property
    def target(self) -> tvm.target.Target:
        """CUDA. TVM generates no device code for it: every kernel is a call."""
        limits = {"max_threads_per_block": 1024, "thread_warp_size": 32, "max_shared_memory_per_block": 48 << 10}
        return tvm.target.Target({"kind": "cuda", "arch": self.architectures[0], **limits}, host={"kind": "llvm"})

    @property
    def shared_bytes(self) -> int:
        """Most of all kernels."""
        return self.kernels.shared_bytes

    def complete(self, module: tvm.IRModule) -> tvm.IRModule:
        """Return the module with the functions that keep a decoder's words on the device."""
        functions: dict[Any, Any] = dict(module.functions_items())
        for name, function in decoder_row_functions(self.kernels).items():
            functions[tvm.ir.GlobalVar(name)] = function.with_attr("global_symbol", name)
        return tvm.IRModule(functions)

    def write_device_code(self, folder: Path) -> Mapping[str, tuple[str, ...]]:
        """Write machine code for each architecture as one fat binary."""
        compile_device_code(self.kernels.code.values(), self.architectures, folder / DEVICE_CODE)
        return {name: code.types for name, code in self.kernels.code.items()}


def _cpu(program: Program, family: Family, shapes: Shapes, dtype: DType, tuned: Say | None) -> Backend:
    machine = MACHINES[family.name]
    tiles = tune(program, machine, shapes, dtype, tuned) if tuned else Tiles()
    return Cpu(CpuKernels(machine, _limits(shapes), dtype, tiles), tiles)


def _cuda(program: Program, family: Family, shapes: Shapes, dtype: DType, tuned: Say | None) -> Backend:
    return Cuda(CudaKernels(gpu(family.features), _limits(shapes), dtype), family.features)


def _limits(shapes: Shapes) -> Limits:
    return Limits(shapes.longest.source_bytes, shapes.longest.target_bytes)


BACKENDS: dict[str, Callable[[Program, Family, Shapes, DType, Say | None], Backend]] = {"llvm": _cpu, "cuda": _cuda}
"""By the kind of a family."""
