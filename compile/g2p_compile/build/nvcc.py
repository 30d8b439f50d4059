"""Device code -> machine code, with NVIDIA's compiler; needs no GPU and no driver."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from g2p_batch.errors import ArtifactError
from g2p_compile.kernels.cuda.launch import DeviceCode

HEADERS = Path(__file__).parents[1] / "kernels" / "cuda"
_INCLUDES = ("gemm.cuh", "attention.cuh", "rows.cuh")


def source(kernels: Iterable[DeviceCode]) -> str:
    """Return the CUDA C++ of some kernels."""
    return "\n".join([*(f'#include "{name}"' for name in _INCLUDES), "", *(code.source for code in kernels)])


def find_nvcc() -> str:
    """Return the path of nvcc: `$CUDA_HOME/bin`, the search path, the wheel `nvidia-cuda-nvcc`, or the usual folder.

    Raises:
        ArtifactError: there is none.
    """
    chosen = os.environ.get("CUDA_HOME")
    wheels = [f"{folder}/nvidia/cu13/bin" for folder in sys.path]
    folders = [*([f"{chosen}/bin"] if chosen else []), os.environ.get("PATH", ""), *wheels, "/usr/local/cuda/bin"]
    nvcc = shutil.which("nvcc", path=os.pathsep.join(folders))
    if nvcc is None:
        raise ArtifactError(
            "compiling for CUDA needs nvcc, and there is none: `pip install 'g2p-batch[nvcc]'`, or install NVIDIA's "
            "CUDA toolkit (13 or later) and put it on PATH or into CUDA_HOME, or compile on a machine that has it and "
            "copy the folder"
        )
    return nvcc


def compile_device_code(kernels: Iterable[DeviceCode], architectures: Sequence[str], output: Path) -> None:
    """Write the machine code of kernels for some architectures, `sm_90` and so on, as one fat binary.

    Raises:
        ArtifactError: there is no nvcc, or it failed.
    """
    codes = [f"-gencode=arch=compute_{arch[3:]},code={arch}" for arch in architectures]
    path = output.with_suffix(".cu")
    path.write_text(source(kernels), encoding="utf-8")
    command = [
        find_nvcc(),
        "-std=c++17",
        "-O3",
        "-fatbin",
        "--threads=0",
        *codes,
        f"-I{HEADERS}",
        "-o",
        str(output),
        str(path),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    path.unlink()
    if done.returncode:
        raise ArtifactError(
            f"nvcc failed for {', '.join(architectures)}:\n{done.stderr.strip() or done.stdout.strip()}"
        )
