"""`--device`: what it says, which GPUs it means, and runs on several of them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from g2p_batch import G2P
from g2p_batch.errors import ArtifactError, UsageError
from g2p_batch.model.cuda import runtime
from g2p_batch.model.devices import VISIBLE, Device, parse_device, use_one
from g2p_batch.model.resolve import find_model
from tests.helpers.emulated import Emulator
from tests.helpers.gpu_models import gpu_model


@pytest.mark.parametrize(
    ("text", "device"),
    [
        ("cpu", Device("cpu")),
        ("cuda", Device("cuda")),
        ("cuda:1", Device("cuda", (1,))),
        ("cuda:2,0,2", Device("cuda", (2, 0))),
    ],
)
def test_a_device_is_a_kind_and_numbers(text: str, device: Device) -> None:
    assert parse_device(text) == device


@pytest.mark.parametrize("text", ["gpu", "cpu:0", "cuda:", "cuda:a", "cuda:0,", "cuda:-1", ""])
def test_anything_else_is_refused(text: str) -> None:
    if text == "cuda:":
        assert parse_device(text) == Device("cuda")
        return
    with pytest.raises(UsageError, match="is neither cpu nor cuda, cuda:0 or cuda:0,1"):
        parse_device(text)


def test_numbers_count_what_this_process_sees(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VISIBLE, raising=False)
    assert Device("cuda").gpus == ("0", "1")
    assert Device("cuda", (1,)).gpus == ("1",)
    monkeypatch.setenv(VISIBLE, "GPU-a, 7")
    assert Device("cuda", (1, 0)).gpus == ("7", "GPU-a")
    with pytest.raises(UsageError, match="names GPU 2, and this process sees 2, numbered from 0"):
        _ = Device("cuda", (0, 2)).gpus
    monkeypatch.setattr(runtime, "device_count", lambda: 0)
    with pytest.raises(ArtifactError, match=f"sees no GPU: look at {VISIBLE}"):
        _ = Device("cuda").gpus


def test_one_gpu_is_shown_where_one_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VISIBLE, raising=False)
    use_one(Device("cpu"))
    assert VISIBLE not in os.environ
    monkeypatch.setenv(VISIBLE, "4,5")
    use_one(Device("cuda", (1,)))
    assert os.environ[VISIBLE] == "5"
    with pytest.raises(UsageError, match="names GPU 1, and CUDA_VISIBLE_DEVICES shows 1"):
        use_one(Device("cuda", (1,)))
    with pytest.raises(UsageError, match="uses one GPU, --device names 2: give cuda:0"):
        use_one(Device("cuda", (0, 1)))
    monkeypatch.setenv(VISIBLE, "")
    with pytest.raises(UsageError, match="names GPU 0, and CUDA_VISIBLE_DEVICES shows 0"):
        use_one(Device("cuda"))


def test_a_gpu_cannot_be_chosen_once_cuda_is_in_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "")  # to be put back: it is changed here
    monkeypatch.delenv(VISIBLE)
    monkeypatch.setattr(runtime, "device_count", lambda: 4)
    with pytest.raises(UsageError, match=r"has used CUDA already, .* start it with CUDA_VISIBLE_DEVICES=3"):
        use_one(Device("cuda", (3,)))


def test_instances_of_a_gpu_are_told_apart_by_name_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VISIBLE, "MIG-a,MIG-b")
    monkeypatch.setattr(runtime, "library", lambda: None)
    monkeypatch.setattr(runtime, "device_count", lambda: 1)
    assert Device("cuda").gpus == ("MIG-a", "MIG-b")


@pytest.mark.parametrize(
    ("code", "mend"), [("35", "a driver for CUDA 13 (R580 or later)"), ("802", "fabricmanager"), ("999", "nvidia-smi")]
)
def test_a_driver_that_cannot_be_used_says_why(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, code: str, mend: str
) -> None:
    monkeypatch.setenv("EMULATED_DRIVER", code)
    with pytest.raises(ArtifactError) as error:
        runtime.device_count()
    assert f"(error {code})" in str(error.value)
    assert mend in str(error.value)
    monkeypatch.setenv("EMULATED_DRIVER", "100")
    assert runtime.device_count() == 0


def test_without_a_driver_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "_DRIVER", "libno-such-driver.so.1")
    runtime.library.cache_clear()
    try:
        with pytest.raises(ArtifactError, match=r"this machine has no NVIDIA driver .*: decode with --device cpu"):
            runtime.library()
        assert runtime.device_count() == 0
    finally:
        runtime.library.cache_clear()


@pytest.fixture(scope="module")
def model(tiny_program: Path, emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return gpu_model(tiny_program, tmp_path_factory.mktemp("gpus"), "float32")


def test_a_model_runs_where_it_was_compiled_for(model: Path, tiny_artifact: Path) -> None:
    with pytest.raises(UsageError, match="was compiled for --device cuda, not cpu: say that"):
        find_model(str(model), print).compile(print)
    with pytest.raises(UsageError, match="was compiled for --device cpu, not cuda"):
        find_model(str(tiny_artifact), print, target="cuda").compile(print)
    assert find_model(str(model), print, target="cuda").compile(print) == model


def generate(folder: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [
        sys.executable,
        "-c",
        "from g2p_batch.cli import main; main()",
        "generate",
        "words.txt",
        "--lang",
        "eng-us",
        *options,
    ]
    everything = {**os.environ, **environment}
    return subprocess.run(command, cwd=folder, env=everything, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("fault", ["", "1"])
def test_two_gpus_give_the_lexicon_of_the_cpu_even_if_one_fails(
    model: Path, emulator: Emulator, tiny_artifact: Path, tmp_path: Path, fault: str
) -> None:
    (tmp_path / "words.txt").write_text("".join(f"w{i}x\n" for i in range(16)), encoding="utf-8")
    small = ("--shard-words", "4", "-o")
    there = {**emulator.environment(), "EMULATED_FAULT": fault}
    ran = generate(tmp_path, "--model", str(model), "--device", "cuda:0,1", *small, "gpu.tsv", **there)
    assert ran.returncode == 0, ran.stderr
    assert generate(tmp_path, "--model", str(tiny_artifact), *small, "cpu.tsv").returncode == 0
    assert (tmp_path / "gpu.tsv").read_bytes() == (tmp_path / "cpu.tsv").read_bytes()


def test_a_search_on_a_gpu_writes_the_lexicon_of_the_cpu(
    model: Path, emulator: Emulator, tiny_artifact: Path, tmp_path: Path
) -> None:
    (tmp_path / "words.txt").write_text("one\ntwo\n", encoding="utf-8")
    wished = ("--variants", "3", "-o")
    there = emulator.environment()
    ran = generate(tmp_path, "--model", str(model), "--device", "cuda:0", *wished, "gpu.tsv", **there)
    assert ran.returncode == 0, ran.stderr
    assert generate(tmp_path, "--model", str(tiny_artifact), *wished, "cpu.tsv").returncode == 0
    assert (tmp_path / "gpu.tsv").read_bytes() == (tmp_path / "cpu.tsv").read_bytes()


def test_a_gpu_has_one_worker(model: Path, emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("one\n", encoding="utf-8")
    options = ("--model", str(model), "--device", "cuda:0,1", "--workers", "3", "-o", "gpu.tsv")
    ran = generate(tmp_path, *options, **emulator.environment())
    assert ran.returncode == 2
    assert "--workers 3 are more than the 2 GPUs of --device" in ran.stderr
    with pytest.raises(UsageError, match="workers is 2, and a GPU has one: leave it out"):
        G2P(device="cuda", workers=2)


def test_when_all_gpus_fail_nothing_is_lost(model: Path, emulator: Emulator, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("one\ntwo\n", encoding="utf-8")
    options = ("--model", str(model), "--device", "cuda:1", "-o", "gpu.tsv")
    there = emulator.environment()
    ran = generate(tmp_path, *options, **there, EMULATED_FAULT="1")
    assert ran.returncode == 1
    assert "no GPU is left (the GPU failed (cudaGraphLaunch" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert generate(tmp_path, *options, **there).returncode == 0
