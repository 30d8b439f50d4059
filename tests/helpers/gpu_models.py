"""Models compiled for the emulated GPU."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from g2p_batch.model.artifact_cache import target_family
from g2p_batch.model.contract import DType, LengthBucket, Shapes
from g2p_compile.build import backends
from g2p_compile.build.builder import build
from g2p_compile.kernels.cuda.launch import DeviceCode
from tests.helpers.emulated import emulated_code
from tests.helpers.tiny_models import TINY_SHAPES

LONGEST = TINY_SHAPES.longest
SHAPES = Shapes((LengthBucket(12, 8, 8, 4), LengthBucket(LONGEST.source_bytes, LONGEST.target_bytes, 4, 2)), (2, 4, 8))


@contextmanager
def emulated_compiler(folder: Path) -> Iterator[None]:
    """Have device code compiled for the emulator meanwhile, into libraries in a folder that stay where they are."""
    folder.mkdir(parents=True, exist_ok=True)

    def compile_device_code(kernels: Iterable[DeviceCode], _architectures: Sequence[str], output: Path) -> None:
        library = folder / f"kernels-{len(list(folder.glob('*.so')))}.so"
        output.write_bytes(emulated_code(kernels, library))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backends, "compile_device_code", compile_device_code)
        yield


def gpu_model(program: Path, folder: Path, dtype: DType) -> Path:
    """Compile a program for the emulated GPU; returns the artifact."""
    artifact = folder / "artifact"
    with emulated_compiler(folder / "kernels"):
        build(program, target_family("cuda", dtype, ("sm_90",)), SHAPES, dtype, artifact)
    return artifact
