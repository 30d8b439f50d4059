"""CUDA kernels on the CPU: the emulator is compiled, and then the same device code against its header."""

import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

from g2p_compile.kernels.cuda.device import DeviceCode
from g2p_compile.nvcc import HEADERS, source

FOLDER = Path(__file__).parent / "emulator"
_COMPILE = ("g++", "-std=c++17", "-O2", "-fPIC", "-shared", "-w", "-fno-strict-aliasing")


def build_emulator(folder: Path) -> Path:
    """Compile the emulator as `libcudart.so.13`, and the name `libcuda.so.1` for it; returns the first."""
    library = folder / "libcudart.so.13"
    versions = f"-Wl,--version-script={FOLDER / 'symbols.map'}"
    command = (*_COMPILE, versions, f"-Wl,-soname,{library.name}", "-o", str(library))
    subprocess.run([*command, str(FOLDER / "emulator.cc"), "-ldl"], check=True)
    empty = folder / "empty.cc"
    empty.write_text("")
    driver = ("-Wl,-soname,libcuda.so.1", "-Wl,--no-as-needed", "-o", str(folder / "libcuda.so.1"))
    subprocess.run([*_COMPILE, *driver, str(empty), str(library)], check=True)
    return library


def build_kernels(kernels: Iterable[DeviceCode], output: Path) -> None:
    """Compile device code for the emulator; it finds each kernel as `bind_` and its name."""
    kernels = list(kernels)
    binders = [
        f'extern "C" emulator::Work* bind_{k.name}(void** a) {{ return emulator::hold({k.name}, a); }}' for k in kernels
    ]
    folder = output.with_suffix(".d")
    folder.mkdir()
    for header in HEADERS.glob("*.cuh"):
        shutil.copy(header, folder)
    shutil.copy(FOLDER / "device.cuh", folder)
    path = folder / "kernels.cc"
    path.write_text("\n".join([source(kernels), *binders, ""]), encoding="utf-8")
    subprocess.run([*_COMPILE, "-o", str(output), str(path)], check=True)
