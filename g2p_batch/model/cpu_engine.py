"""The TVM runtime: load an artifact; encode, step and search with it on the CPU. The only file that imports tvm."""

import ctypes
import importlib.util
import mmap
import platform
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from g2p_batch.errors import ArtifactError
from g2p_batch.model.artifact_cache import DEVICE_CODE, LIBRARY, WEIGHTS
from g2p_batch.model.compiled_engine import Caches, CompiledEngine, HostCode, values_of
from g2p_batch.model.contract import CHOOSE, EXCEPTIONS, Kind, LengthBucket, Manifest, damaged_file, load_manifest
from g2p_batch.model.cpu_families import cpu_features
from g2p_batch.model.cuda import runtime
from g2p_batch.model.cuda.device import CudaDevice, device_module, require_gpu
from g2p_batch.model.cuda.gpu_engine import GpuEngine
from g2p_batch.model.greedy import Rows
from g2p_batch.model.ids import Float32, Int32

_ALIGNMENT = 64
"""Bytes; compiled code reads whole vectors."""
_CPU, _POOLED = 1, 2
"""Device type and allocator of the virtual machine."""


@contextmanager
def _without_torch() -> Iterator[None]:
    """Keep `tvm_ffi` from importing torch where torch is installed: it costs two seconds and is never used here."""
    if "torch" in sys.modules:
        yield
        return
    sys.modules["torch"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["torch"]


@cache
def _runtime() -> Any:
    """Return `tvm_ffi` with TVM's runtime library loaded: neither needs the compiler, nor the tvm package itself."""
    with _without_torch():
        import tvm_ffi
    _load("libtvm_runtime.so")
    return tvm_ffi


@cache
def _gpu_runtime() -> None:
    """Load what TVM needs to drive GPUs.

    Raises:
        ArtifactError: CUDA's runtime or the driver is missing.
    """
    _runtime()
    runtime.library()
    _load("libtvm_runtime_cuda.so")


def _load(name: str) -> None:
    spec = importlib.util.find_spec("tvm")
    folders = (spec.submodule_search_locations or []) if spec else []
    library = next((path for f in folders if (path := Path(f) / "lib" / name).is_file()), None)
    if library is None:
        raise ArtifactError(f"TVM's {name} is not installed: reinstall with `pip install g2p-batch`")
    try:
        ctypes.CDLL(str(library), ctypes.RTLD_GLOBAL)
    except OSError as cause:
        raise ArtifactError(f"TVM's {name} cannot be loaded: {cause}") from None


class Artifact:
    """A compiled model on disk, loaded once; its engines share library and weights.

    Raises:
        ArtifactError: the folder is not a whole artifact, or was made for another machine.
    """

    def __init__(self, folder: Path) -> None:
        self.manifest: Manifest = load_manifest(folder)
        _check_files(folder, self.manifest)
        self._folder = folder
        self._open = _KINDS[self.manifest.target.kind](folder, self.manifest)

    def engine(self) -> CompiledEngine:
        """Return a new engine for the use of one thread at a time."""
        return self._open(self.manifest)

    def exceptions(self) -> Path | None:
        """Return the file of the model's exceptions, if it has some."""
        return self._folder / EXCEPTIONS if EXCEPTIONS in self.manifest.files else None


def _check_files(folder: Path, manifest: Manifest) -> None:
    arch = manifest.target.arch
    if arch != platform.machine():
        raise ArtifactError(f"{folder} was compiled for {arch}, this machine is {platform.machine()}: {_REMEDY}")
    if path := damaged_file(folder, manifest.files):
        raise ArtifactError(f"{path} is missing or damaged: delete {folder}, then {_REMEDY}")


def _open_on_cpu(folder: Path, manifest: Manifest) -> "Callable[[Manifest], CpuEngine]":
    missing = sorted(set(manifest.target.features) - cpu_features())
    if missing:
        raise ArtifactError(f"{folder} was compiled for a CPU with {', '.join(missing)}, this one lacks it: {_REMEDY}")
    ffi = _runtime()
    library = ffi.load_module(str(folder / LIBRARY))
    # Pages of a private mapping are shared by all processes until written, which never happens.
    with (folder / WEIGHTS).open("rb") as file:
        whole = np.frombuffer(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY), np.uint8)
    weights = {name: ffi.from_dlpack(values_of(t, whole)) for name, t in manifest.tensors.items()}
    host = _host_functions(library)

    def engine(manifest: Manifest) -> CpuEngine:
        machine = library["vm_load_executable"]()
        machine["vm_initialization"](_CPU, 0, _POOLED)
        return CpuEngine(manifest, machine, host, weights)

    return engine


def _open_on_gpu(folder: Path, manifest: Manifest) -> "Callable[[Manifest], GpuEngine]":
    _gpu_runtime()
    require_gpu(folder, manifest, _REMEDY)
    ffi = _runtime()
    library = ffi.load_module(str(folder / LIBRARY))
    (host_code,) = library.imports
    host_code.import_module(device_module(ffi, (folder / DEVICE_CODE).read_bytes(), manifest.kernels))
    device = CudaDevice(ffi)
    whole = np.fromfile(folder / WEIGHTS, np.uint8)
    weights = {name: device.tensor(values_of(t, whole)) for name, t in manifest.tensors.items()}
    host = _host_functions(library)
    return lambda manifest: GpuEngine(manifest, device, library, host_code, host, weights)


def _host_functions(library: Any) -> HostCode:
    """Return the functions of a library that are called with arrays of the host."""
    (code,) = library.imports
    return {CHOOSE: host_function(code[CHOOSE])} if code.implements_function(CHOOSE) else {}


def host_function(compiled: Any) -> Callable[..., None]:
    """Return a compiled function as one that takes arrays and numbers."""

    def call(*arguments: Any) -> None:
        compiled(*(_tensor(value) if isinstance(value, np.ndarray) else value for value in arguments))

    return call


_REMEDY = "compile the model on this machine with `g2p-batch compile`"
_KINDS: dict[Kind, Callable[[Path, Manifest], Callable[[Manifest], CompiledEngine]]] = {
    "llvm": _open_on_cpu,
    "cuda": _open_on_gpu,
}


class CpuEngine(CompiledEngine):
    """A compiled model on the CPU."""

    def encode(self, bucket: LengthBucket, ids: Int32, lengths: Int32) -> Any:
        """Encode ids [B, S] of words of `lengths` [B]; returns hidden states [B, S, d_model]."""
        return self._call(f"encoder_{self.shapes.buckets.index(bucket)}", _tensor(ids), _tensor(lengths))

    def prefill(self, cache: Caches, hidden: Any, slots: Int32) -> None:
        """Compute the cross-attention keys and values of encoded words into their slots [B]."""
        self._call(f"prefill_{cache.bucket}", hidden, _tensor(slots), *cache.source)

    def step(self, cache: Caches, rows: Rows) -> tuple[Int32, Float32]:
        """Decode one token of every row; returns tokens [R] and their log-probabilities [R]."""
        arguments = (rows.token, rows.position, rows.slot, rows.source_length)
        token, logprob = self._call(f"step_{cache.bucket}", *map(_tensor, arguments), *cache.all)
        return _array(token), _array(logprob)

    def extend(self, cache: Caches, rows: Rows, source: Int32) -> tuple[Int32, Float32]:
        """Return the best tokens [R, K] of every row and their log-probabilities; source [R]: slots of their words."""
        arguments = (rows.token, rows.position, rows.slot, rows.source_length, source)
        token, logprob = self._call(f"extend_{cache.bucket}", *map(_tensor, arguments), *cache.all)
        return _array(token), _array(logprob)

    def fork(self, cache: Caches, origin: Int32, target: Int32, count: Int32) -> None:
        """Copy the first `count` positions of slots `origin` into slots `target`, each [F]."""
        self._call(f"fork_{cache.bucket}", *map(_tensor, (origin, target, count)), *cache.past)

    def recompute(self, tokens: Int32, hidden: Any, lengths: Int32) -> Float32:
        """Return the logits [B, T, V] of tokens [B, T] without any cache: the check on prefill and step."""
        logits: Float32 = _array(self._call("cacheless", _tensor(tokens), hidden, _tensor(lengths)))
        return logits

    def _zeros(self, shape: tuple[int, ...], dtype: str) -> Any:
        return _tensor(_aligned(shape, dtype))


def _tensor(array: Any) -> Any:
    """Return a view of an array for the virtual machine."""
    return _runtime().from_dlpack(array)


def _array(tensor: Any) -> Any:
    """Return a view of a tensor of the virtual machine."""
    return np.from_dlpack(tensor)


def _aligned(shape: tuple[int, ...], dtype: str) -> Any:
    """Return zeros of a 4-byte type that begin at a whole vector."""
    size = prod(shape) * 4
    raw = np.zeros(size + _ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % _ALIGNMENT
    return raw[start : start + size].view(dtype).reshape(shape)
