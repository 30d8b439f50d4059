"""NVIDIA's runtime library: devices, streams, graphs and memory that both sides see. The only file that calls it."""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from g2p_batch.errors import ArtifactError, DeviceError

_LIBRARY, _DRIVER = "libcudart.so.13", "libcuda.so.1"
_NON_BLOCKING, _NO_TIMING, _RELAXED = 1, 2, 2
_TO_DEVICE, _TO_HOST = 1, 2
# cudaError_t
_NO_ROOM, _OLD_DRIVER, _NO_DEVICE, _NOT_READY = 2, 35, 100, 802
# cudaDeviceAttr
_MAJOR, _MINOR, _SHARED_OPTIN = 75, 76, 97

Array = npt.NDArray[Any]


def _folders() -> Iterator[str]:
    yield ""
    for folder in sys.path:
        yield f"{folder}/nvidia/cu13/lib/"
    yield "/usr/local/cuda/lib64/"


@cache
def library() -> ctypes.CDLL:
    """Return the loaded runtime library: the system's, or that of the wheel `nvidia-cuda-runtime`.

    Raises:
        ArtifactError: there is none, or no driver.
    """
    try:
        ctypes.CDLL(_DRIVER, ctypes.RTLD_GLOBAL)
    except OSError as cause:
        raise ArtifactError(f"this machine has no NVIDIA driver ({cause}): decode with --device cpu") from None
    for folder in _folders():
        if folder and not Path(folder + _LIBRARY).is_file():
            continue
        try:
            return ctypes.CDLL(folder + _LIBRARY, ctypes.RTLD_GLOBAL)
        except OSError:
            continue  # the next place may have it
    raise ArtifactError(f"{_LIBRARY} is not installed: `pip install 'g2p-batch[cuda]'`, or install CUDA 13's runtime")


def _call(name: str, *arguments: Any) -> None:
    code = getattr(library(), name)(*arguments)
    if code == _NO_ROOM:
        raise no_room(_reason(name, code))
    if code:
        raise DeviceError(f"the GPU failed ({_reason(name, code)}): run the same command again")


def _reason(name: str, code: int) -> str:
    describe = library().cudaGetErrorString
    describe.restype = ctypes.c_char_p
    return f"{name}: {describe(code).decode()} (error {code})"


def no_room(cause: object) -> ArtifactError:
    """Return the error of a GPU, or of memory that it copies from, that is full."""
    return ArtifactError(
        f"there is no room on the GPU ({cause}): compile the model with fewer rows, `batch` and `chunk` of "
        "configs/targets/cuda.toml, or stop what else uses the GPU"
    )


_MEND = {
    _OLD_DRIVER: "install a driver for CUDA 13 (R580 or later), or on a data-centre GPU the package cuda-compat-13",
    _NOT_READY: "start the service nvidia-fabricmanager",
}
"""What to do about a driver that finds no GPU."""


def device_count() -> int:
    """Return how many GPUs this process may use; 0 where there is no driver, or no GPU.

    Raises:
        ArtifactError: there is a driver, and it cannot be used.
    """
    try:
        loaded = library()
    except ArtifactError:
        return 0
    count = ctypes.c_int()
    code = loaded.cudaGetDeviceCount(ctypes.byref(count))
    if code == _NO_DEVICE:
        return 0
    if code:
        mend = _MEND.get(code, "see what nvidia-smi says")
        raise ArtifactError(f"no GPU can be used ({_reason('cudaGetDeviceCount', code)}): {mend}")
    return count.value


def _attribute(device: int, which: int) -> int:
    value = ctypes.c_int()
    _call("cudaDeviceGetAttribute", ctypes.byref(value), which, device)
    return value.value


def capability(device: int) -> tuple[int, int]:
    """Return the compute capability of a GPU, such as (9, 0)."""
    return _attribute(device, _MAJOR), _attribute(device, _MINOR)


def shared_bytes(device: int) -> int:
    """Return how much shared memory a block may ask for."""
    return _attribute(device, _SHARED_OPTIN)


def used_bytes(device: int) -> int:
    """Return how much memory of a GPU is in use, by whomever."""
    _call("cudaSetDevice", device)
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    _call("cudaMemGetInfo", ctypes.byref(free), ctypes.byref(total))
    return total.value - free.value


class CudaGraph:
    """Recorded work that is started with one call."""

    def __init__(self, handle: ctypes.c_void_p) -> None:
        self._handle, self._destroy = handle, library().cudaGraphExecDestroy

    def __del__(self) -> None:
        self._destroy(self._handle)

    def launch(self, stream: "CudaStream") -> None:
        """Put the work behind what the stream has to do."""
        _call("cudaGraphLaunch", self._handle, stream.handle)


class CudaEvent:
    """A place in a stream that can be waited for."""

    def __init__(self) -> None:
        self._handle, self._destroy = ctypes.c_void_p(), library().cudaEventDestroy
        _call("cudaEventCreateWithFlags", ctypes.byref(self._handle), _NO_TIMING)

    def __del__(self) -> None:
        self._destroy(self._handle)

    def record(self, stream: "CudaStream") -> None:
        """Mark the end of what the stream has to do now."""
        _call("cudaEventRecord", self._handle, stream.handle)

    def wait(self) -> None:
        """Block until the mark is reached.

        Raises:
            DeviceError: the GPU failed.
        """
        _call("cudaEventSynchronize", self._handle)


class CudaStream:
    """Work of one GPU, done in order."""

    def __init__(self, device: int) -> None:
        _call("cudaSetDevice", device)
        self.device = device
        self.handle = ctypes.c_void_p()
        _call("cudaStreamCreateWithFlags", ctypes.byref(self.handle), _NON_BLOCKING)

    def to_device(self, pointer: int, array: Array) -> None:
        """Copy a contiguous array to the device; it may be changed when this returns."""
        self._copy(pointer, array.ctypes.data, array.nbytes, _TO_DEVICE)

    def zero(self, pointer: int, size: int) -> None:
        """Fill bytes on the device with zeros."""
        _call("cudaMemsetAsync", ctypes.c_void_p(pointer), 0, ctypes.c_size_t(size), self.handle)

    def to_host(self, array: Array, pointer: int) -> None:
        """Copy from the device; a pinned array holds it once the stream got here."""
        self._copy(array.ctypes.data, pointer, array.nbytes, _TO_HOST)

    def _copy(self, to: int, source: int, size: int, way: int) -> None:
        pointers = ctypes.c_void_p(to), ctypes.c_void_p(source)
        _call("cudaMemcpyAsync", *pointers, ctypes.c_size_t(size), way, self.handle)

    def wait(self) -> None:
        """Block until all is done.

        Raises:
            DeviceError: the GPU failed.
        """
        _call("cudaStreamSynchronize", self.handle)

    @contextmanager
    def recording(self) -> Iterator[list[CudaGraph]]:
        """Record what is put into the stream meanwhile; afterwards the list holds its graph."""
        made: list[CudaGraph] = []
        graph, executable = ctypes.c_void_p(), ctypes.c_void_p()
        _call("cudaStreamBeginCapture", self.handle, _RELAXED)
        try:
            yield made
        except BaseException:
            library().cudaStreamEndCapture(self.handle, ctypes.byref(graph))  # the stream shall be of use again
            raise
        _call("cudaStreamEndCapture", self.handle, ctypes.byref(graph))
        _call("cudaGraphInstantiate", ctypes.byref(executable), graph, ctypes.c_ulonglong(0))
        _call("cudaGraphDestroy", graph)
        made.append(CudaGraph(executable))


class _Pinned:
    """Bytes of the host that the GPU copies to and from on its own; arrays over them keep them."""

    def __init__(self, size: int) -> None:
        self._pointer, self._free = ctypes.c_void_p(), library().cudaFreeHost
        _call("cudaMallocHost", ctypes.byref(self._pointer), ctypes.c_size_t(size))
        self.__array_interface__ = {
            "version": 3,
            "shape": (size,),
            "typestr": "|u1",
            "data": (self._pointer.value, False),
        }

    def __del__(self) -> None:
        self._free(self._pointer)


def pinned(shape: tuple[int, ...], dtype: str) -> Array:
    """Return an array that the GPU copies to and from on its own; nothing of it is set."""
    whole = np.asarray(_Pinned(int(np.prod(shape)) * np.dtype(dtype).itemsize))
    return whole.view(dtype).reshape(shape)


class Staging:
    """Copies to the device that wait for nothing: arrays go through a few pinned areas in turn."""

    _AREAS = 4

    def __init__(self, stream: CudaStream, size: int) -> None:
        self._stream = stream
        self._areas = [(pinned((size,), "uint8"), CudaEvent()) for _ in range(self._AREAS)]
        self._next = 0

    def to_device(self, pointer: int, array: Array) -> None:
        """Copy an array of at most `size` bytes; it may be changed when this returns."""
        area, copied = self._areas[self._next]
        self._next = (self._next + 1) % self._AREAS
        copied.wait()
        own = area[: array.nbytes]
        own[:] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)
        self._stream.to_device(pointer, own)
        copied.record(self._stream)
