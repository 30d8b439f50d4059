"""CUDA on the CPU: `emulator/` is compiled as NVIDIA's libraries, and device code against its header."""

import ctypes
import os
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import pytest

from g2p_compile.build.nvcc import HEADERS, source
from g2p_compile.kernels.cuda.launch import DeviceCode

_FAT_BINARY = b"\x50\xed\x55\xba"
FOLDER = Path(__file__).parent / "emulator"
_COMPILE = (
    "g++",
    "-std=c++17",
    "-O3",
    "-march=native",
    "-ffp-contract=off",
    "-fPIC",
    "-shared",
    "-w",
    "-fno-strict-aliasing",
)


def require_emulator() -> None:
    """Skip a test where CUDA cannot be emulated."""
    if os.uname().machine != "x86_64" or shutil.which("g++") is None:
        pytest.skip("the emulator needs g++ on x86-64")
    if has_gpu():
        pytest.skip("this machine has a GPU: its driver would be in the emulator's place")


def has_gpu() -> bool:
    """Tell whether a real driver is at work."""
    return Path("/dev/nvidiactl").exists()


def require_gpu() -> None:
    """Skip a test where there is no real GPU."""
    if not has_gpu():
        pytest.skip("needs an NVIDIA GPU and its driver")


class Emulator:
    """NVIDIA's runtime and driver, emulated; in use by this process from now on, and by others with `environment`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        runtime, driver = folder / "libcudart.so.13", folder / "libcuda.so.1"
        versions = f"-Wl,--version-script={FOLDER / 'symbols.map'}"
        _compile(FOLDER / "emulator.cc", runtime, versions, f"-Wl,-soname,{runtime.name}", "-ldl")
        empty = folder / "empty.cc"
        empty.write_text("")
        _compile(empty, driver, f"-Wl,-soname,{driver.name}", "-Wl,--no-as-needed", str(runtime))
        self._library = ctypes.CDLL(str(runtime), ctypes.RTLD_GLOBAL)
        ctypes.CDLL(str(driver), ctypes.RTLD_GLOBAL)
        self._library.emulator_count.restype = ctypes.c_size_t

    def environment(self) -> dict[str, str]:
        """Return what another process needs to use it."""
        return {"LD_LIBRARY_PATH": str(self.folder)}

    def count(self, what: str) -> int:
        """Return how many `launches`, `graphs` or `copies` there were in this process, or `areas` there are now."""
        return int(self._library.emulator_count(what.encode()))


def emulated_code(kernels: Iterable[DeviceCode], output: Path) -> bytes:
    """Compile device code into a library, where the emulator finds each kernel as `bind_` and its name.

    Returns:
        What stands for its fat binary: how one begins, and where the library is.
    """
    kernels = list(kernels)
    binder = 'extern "C" emulator::Work* bind_{0}(void** a) {{ return emulator::hold({0}, a); }}'
    folder = output.with_suffix(".d")
    folder.mkdir()
    for header in HEADERS.glob("*.cuh"):
        shutil.copy(header, folder)
    shutil.copy(FOLDER / "device.cuh", folder)
    path = folder / "kernels.cc"
    path.write_text("\n".join([source(kernels), *(binder.format(k.name) for k in kernels), ""]), encoding="utf-8")
    _compile(path, output)
    return _FAT_BINARY + bytes(output)


def _compile(path: Path, output: Path, *options: str) -> None:
    subprocess.run([*_COMPILE, "-o", str(output), str(path), *options], check=True)
