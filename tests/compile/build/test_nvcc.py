"""Machine code for GPUs: made where there is none, and what it holds."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from g2p_batch.errors import ArtifactError, UsageError
from g2p_batch.model.artifact_cache import COMMON_GPUS, DEVICE_CODE, GPU_DTYPES, target_family
from g2p_batch.model.contract import DType, load_manifest
from g2p_batch.model.resolve import find_model
from g2p_compile.build import nvcc
from g2p_compile.kernels.cuda.gpu_generation import ARCHITECTURES


@pytest.fixture
def compiler() -> str:
    try:
        return nvcc.find_nvcc()
    except ArtifactError as cause:
        pytest.skip(str(cause))


def cuobjdump(*arguments: str) -> str:
    """Return what NVIDIA's cuobjdump prints."""
    places = [f"{folder}/nvidia/cu13/bin" for folder in sys.path]
    program = shutil.which("cuobjdump", path=":".join(places)) or shutil.which("cuobjdump")
    if program is None:
        pytest.skip("needs cuobjdump: pip install nvidia-cuda-cuobjdump nvidia-cuda-nvdisasm")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("dtype", GPU_DTYPES)
def test_the_bundled_model_becomes_machine_code_for_every_common_gpu(
    compiler: str, dtype: DType, tmp_path: Path
) -> None:
    folder = find_model("bundled", print, dtype=dtype, target="cuda").compile(
        print, tmp_path / "gpu", architectures=COMMON_GPUS
    )
    manifest = load_manifest(folder)
    assert (manifest.target.kind, manifest.target.features) == ("cuda", COMMON_GPUS)
    assert {name.split("_")[0] for name in manifest.functions} == {"encoder", "prefill", "step", "extend", "fork"}
    code = str(folder / DEVICE_CODE)
    assert [name in cuobjdump("-lelf", code) for name in COMMON_GPUS] == [True, True]
    assert "ptx" not in cuobjdump("-lptx", code), "drivers would have to compile it"
    assembly = cuobjdump("-sass", code)
    functions = [part.partition("\n")[0].strip() for part in assembly.split("Function :")[1:]]
    assert sorted(functions) == sorted(2 * list(manifest.kernels))
    products = ("norm_linear", "norm_gated", "linear_residual", "cache_source", "greedy_head", "variants_head")
    for part in assembly.split("Function :")[1:]:
        name = part.partition("\n")[0].strip()
        tensor_cores = "HMMA.16816.F32" in part
        assert tensor_cores == (dtype != "float32" and name.removeprefix("g2p_").startswith(products)), name
        assert "STL" not in part, f"{name} spills registers"
        if dtype != "float32" and "attention" in name:
            assert "LDG.E.U16" not in part, f"{name} loads a value at a time"


def test_every_architecture_is_one_that_nvcc_knows(compiler: str) -> None:
    known = subprocess.run([compiler, "--list-gpu-code"], capture_output=True, text=True, check=True).stdout.split()
    assert set(ARCHITECTURES) <= set(known)


def test_without_nvcc_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shutil, "which", lambda name, path=None: None)
    with pytest.raises(ArtifactError, match=r"needs nvcc, and there is none: `pip install 'g2p-batch\[nvcc\]'`"):
        nvcc.find_nvcc()


def test_what_nvcc_says_is_passed_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "nvcc"
    program.write_text("#!/bin/sh\necho 'no such architecture' >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(nvcc, "find_nvcc", lambda: str(program))
    with pytest.raises(ArtifactError, match=r"nvcc failed for sm_90:\nno such architecture"):
        nvcc.compile_device_code([], ("sm_90",), tmp_path / "kernels.fatbin")
    assert not (tmp_path / "kernels.cu").exists(), "an artifact holds no source"


def test_architectures_belong_to_gpus() -> None:
    assert target_family("cuda", "bfloat16", ("sm_89",)).features == ("sm_89",)
    with pytest.raises(UsageError, match="--arch names GPUs, and the target is cpu: add --target cuda"):
        target_family("cpu", "float32", ("sm_90",))
    with pytest.raises(UsageError, match="no kernels for int8 on GPUs: use one of float32, bfloat16, float16"):
        target_family("cuda", "int8")
    with pytest.raises(UsageError, match="no kernels for float16 on CPUs: use one of float32, bfloat16, int8"):
        target_family("cpu", "float16")
