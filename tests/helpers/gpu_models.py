"""Models compiled for the emulated GPU."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from g2p_batch.model.artifact_cache import target_family
from g2p_batch.model.contract import DType, LengthBucket, Shapes
from g2p_compile.build import backends
from g2p_compile.build.builder import build
from g2p_compile.kernels.cuda.launch import DeviceCode
from tests.helpers.emulated import build_kernels
from tests.helpers.tiny_models import TINY_SHAPES

NO_CODE = b"\x50\xed\x55\xba"
"""How a fat binary begins; the emulator has code of its own."""
LONGEST = TINY_SHAPES.longest
SHAPES = Shapes((LengthBucket(12, 8, 8, 4), LengthBucket(LONGEST.source_bytes, LONGEST.target_bytes, 4, 2)), (2, 4, 8))


@dataclass(frozen=True)
class GpuModel:
    """An artifact for GPUs, and its kernels for the emulator."""

    folder: Path
    kernels: Path


def gpu_model(program: Path, folder: Path, dtype: DType) -> GpuModel:
    """Compile a program, whose machine code nobody will run."""
    code: list[DeviceCode] = []

    def keep(kernels: Iterable[DeviceCode], _architectures: Sequence[str], output: Path) -> None:
        code.extend(kernels)
        output.write_bytes(NO_CODE)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backends, "compile_device_code", keep)
        build(program, target_family("cuda", dtype, ("sm_90",)), SHAPES, dtype, folder / "artifact")
    build_kernels(code, folder / "kernels.so")
    return GpuModel(folder / "artifact", folder / "kernels.so")
