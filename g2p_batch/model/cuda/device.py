"""The GPU of this process: its stream, tensors in its memory, and what it must be like to run an artifact."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from g2p_batch.errors import ArtifactError, DeviceError, G2PError
from g2p_batch.model.contract import Manifest
from g2p_batch.model.cuda import runtime
from g2p_batch.model.cuda.runtime import Array, CudaStream

NUMBER = 0
"""A process has one GPU: the first that CUDA_VISIBLE_DEVICES shows it."""


class CudaDevice:
    """The GPU of this process, with a stream of its own, and tensors in its memory."""

    def __init__(self, ffi: Any) -> None:
        self.stream = CudaStream(NUMBER)
        self._ffi = ffi
        self._where = ffi.device("cuda", NUMBER)
        self._allocate = ffi.get_global_func("runtime.TVMTensorAllocWithScope")
        self._view = ffi.get_global_func("runtime.TVMTensorCreateView")

    @contextmanager
    def working(self) -> Iterator[None]:
        """Make compiled code put its work into this stream.

        Raises:
            DeviceError: the GPU failed.
            ArtifactError: it has no room.
        """
        try:
            with self._ffi.use_raw_stream(self._where, self.stream.handle.value):
                yield
        except RuntimeError as cause:  # what TVM raises
            raise _meant(cause) from None

    def empty(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Return a new tensor; nothing of it is set.

        Raises:
            ArtifactError: the GPU has no room for it.
            DeviceError: the GPU failed.
        """
        try:
            return self._allocate(self._ffi.Shape(shape), self._ffi.dtype(dtype), self._where, None)
        except RuntimeError as cause:  # what TVM raises
            raise _meant(cause) from None

    def zeros(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Return a new tensor of zeros: rows that only fill up a rung read what no word has written."""
        made = self.empty(shape, dtype)
        self.stream.zero(made.data_ptr(), prod(shape) * np.dtype(dtype).itemsize)
        return made

    def view(self, tensor: Any, shape: tuple[int, ...], dtype: str) -> Any:
        """Return the first part of a tensor's memory as another tensor."""
        return self._view(tensor, self._ffi.Shape(shape), self._ffi.dtype(dtype), 0)

    def tensor(self, array: Array) -> Any:
        """Return a copy of an array on the device."""
        made = self.empty(array.shape, array.dtype.name)
        self.stream.to_device(made.data_ptr(), np.ascontiguousarray(array))
        self.stream.wait()
        return made

    def array(self, tensor: Any) -> Array:
        """Return a tensor's values on the host."""
        values = np.empty(tuple(tensor.shape), str(tensor.dtype))
        self.stream.to_host(values, tensor.data_ptr())
        self.stream.wait()
        return values


def _meant(cause: RuntimeError) -> G2PError:
    """Return what an error of TVM means; of what kind it is, only its text tells."""
    if "out of memory" in str(cause):
        return runtime.no_room(cause)
    return DeviceError(f"the GPU failed ({cause}): run the same command again")


def require_gpu(folder: Path, manifest: Manifest, remedy: str) -> None:
    """Check that this process has a GPU that an artifact was compiled for.

    Raises:
        ArtifactError: it has none, or one of another kind.
    """
    if not runtime.device_count():
        raise ArtifactError("this process sees no GPU: look at CUDA_VISIBLE_DEVICES, or decode with --device cpu")
    major, minor = runtime.capability(NUMBER)
    made = [divmod(int(name.removeprefix("sm_")), 10) for name in manifest.target.features]
    # Machine code runs on later GPUs of the same generation.
    if not any(own_major == major and own_minor <= minor for own_major, own_minor in made):
        names = ", ".join(manifest.target.features)
        raise ArtifactError(f"{folder} was compiled for {names}, this GPU is sm_{major}{minor}: {remedy}")
    if (room := runtime.shared_bytes(NUMBER)) < manifest.shared_bytes:
        raise ArtifactError(
            f"{folder} needs {manifest.shared_bytes:,} bytes of shared memory, this GPU (sm_{major}{minor}) has "
            f"{room:,}: {remedy}"
        )


def device_module(ffi: Any, code: bytes, kernels: Mapping[str, tuple[str, ...]]) -> Any:
    """Return machine code as a module that compiled code can import."""
    launch = ["blockIdx.x", "blockIdx.y", "threadIdx.x", "tirx.use_dyn_shared_memory"]
    functions = {name: {"name": "", "arg_types": types, "launch_param_tags": launch} for name, types in kernels.items()}
    read = ffi.get_global_func("runtime.LoadMetaDataFromJSON")
    return ffi.get_global_func("ffi.Module.create.cuda")(
        code, "fatbin", read(json.dumps({"tvm_version": "", "func_info": functions})), {}
    )
