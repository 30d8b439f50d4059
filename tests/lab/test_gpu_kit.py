"""The kit that proves a GPU, on the emulator: gathered, run where nothing compiles and nothing is reached, and read."""

import shutil
import subprocess
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from g2p_compile.export.exporter import export_program
from g2p_compile.export.widen import SHAPES as UPSTREAM
from g2p_compile.export.widen import widen
from tests.helpers.emulated import Emulator
from tests.helpers.gpu_models import SHAPES, emulated_compiler
from tests.helpers.tiny_models import LANGUAGES, TINY_WORDS, random_checkpoint
from tests.lab.gpu_kit.__main__ import MOST_BYTES, folder_bytes
from tests.lab.gpu_kit.gather import Subject, gather
from tests.lab.gpu_kit.on_card.kit import CODE, Settings
from tests.lab.gpu_kit.on_card.runner import LOG, RESULTS, Result, Step, load_results, run_steps
from tests.lab.gpu_kit.on_card.table import table
from tests.lab.gpu_kit.on_card.tools import of_csv

DTYPES = ("float32", "bfloat16")
PYTHON = getattr(sys, "_base_executable", sys.executable)
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"
SETTINGS = Settings(
    "a random model",
    copies=1,
    rounds=1,
    device="cpu",
    peak_size=64,
    peer_words=16,
    peer_batches=(16, 8),
    least_same={"float32": 1.0, "bfloat16": 0.5},
)
GUARD = """
import socket

def refused(*_):
    raise OSError("the kit reached for the network")

socket.socket.connect = socket.getaddrinfo = refused
"""


def words(count: int) -> pa.Table:
    chosen = [TINY_WORDS[i % len(TINY_WORDS)][:20] + "abcdefgh"[: i // len(TINY_WORDS)] for i in range(count)]
    return pa.table({"word": chosen, "lang": [LANGUAGES[i % len(LANGUAGES)] for i in range(count)]})


@dataclass(frozen=True)
class Gathered:
    folder: Path
    seconds: float


@pytest.fixture(scope="module")
def gathered(tiny_program: Path, emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Gathered:
    folder = tmp_path_factory.mktemp("kit")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(UPSTREAM, "wide", {"encoder_layers": 3, "heads": 6, "d_ff": 128})
        export_program(widen(random_checkpoint(), "wide"), folder / "wide")
    subject = Subject(
        program=tiny_program,
        wide=folder / "wide",
        golden=words(4),
        many=words(8),
        shapes=SHAPES,
        small=SHAPES,
        dtypes=DTYPES,
        architectures=("sm_90",),
        settings=SETTINGS,
    )
    started = time.monotonic()
    with emulated_compiler(folder / "kernels"):
        gather(subject, folder / "kit", VERSION, print)
    return Gathered(folder / "kit", time.monotonic() - started)


@pytest.fixture
def kit(gathered: Gathered) -> Path:
    return gathered.folder


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return what a Python of a machine with a GPU has at least: numpy, and here no way into a network."""
    folder = tmp_path_factory.mktemp("bare")
    import numpy

    for path in Path(numpy.__path__[0]).parent.glob("numpy*"):
        (folder / path.name).symlink_to(path)
    (folder / "sitecustomize.py").write_text(GUARD, encoding="utf-8")
    return folder


def offline() -> list[str]:
    """Return what takes the network away from a command, where that is allowed."""
    tried = shutil.which("unshare") and subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False)
    return ["unshare", "-n"] if tried and tried.returncode == 0 else []


def carry_out(
    kit: Path, out: Path, emulator: Emulator, python: str, path: Path | None, *options: str, **environment: str
) -> "subprocess.CompletedProcess[str]":
    everything = {
        "PATH": "/usr/bin:/bin",
        "PYTHON": python,
        "PYTHONPATH": str(path or ""),
        **emulator.environment(),
        **environment,
    }
    command = [*offline(), "sh", str(kit / "run.sh"), str(out), *options]
    return subprocess.run(command, env=everything, capture_output=True, text=True, check=False, cwd=out.parent)


def outcomes(out: Path) -> dict[tuple[str, str], str]:
    return {(result.name, result.dtype): result.outcome for result in load_results(out)}


CHECKS = ("golden", "numerics", "agreement", "company")


@pytest.mark.kit
def test_a_kit_proves_itself_where_nothing_compiles_and_nothing_is_reached(
    gathered: Gathered, bare: Path, emulator: Emulator, tmp_path: Path
) -> None:
    kit, size = gathered.folder, folder_bytes(gathered.folder)
    for package in ("torch", "tvm.ir", "pyarrow", "g2p_compile.build.builder"):
        asked = [PYTHON, "-c", f"import {package}"]
        there = {"PYTHONPATH": f"{kit / 'site'}:{bare}"}
        assert subprocess.run(asked, env=there, capture_output=True, check=False).returncode, package
    started = time.monotonic()
    ran = carry_out(kit, tmp_path / "out", emulator, PYTHON, bare)
    taken = time.monotonic() - started
    # `.ci/run` shows this.
    print(f"\n{ran.stdout}\n{size / (1 << 20):.1f} MiB in {gathered.seconds:.0f} s, run in {taken:.0f} s")  # noqa: T201
    assert size < MOST_BYTES
    assert ran.returncode == 0, ran.stdout + (tmp_path / "out" / LOG).read_text(encoding="utf-8")
    found = outcomes(tmp_path / "out")
    assert {step for step, outcome in found.items() if outcome == "held"} == {
        ("golden", "float32"),
        *((name, dtype) for name in (*CHECKS[1:], "speed") for dtype in DTYPES),
        ("stages", "bfloat16"),
    }
    facts = {(r.name, r.dtype): r.facts for r in load_results(tmp_path / "out")}
    assert facts["golden", "float32"]["same"] == 4
    assert facts["speed", "float32"]["same"] == 8, "weights that are made there say the same in the larger shape"
    assert len(facts["speed", "bfloat16"]["rounds"]) == 1
    assert "step of 8 rows" in facts["stages", "bfloat16"]["ms"]
    said = {r.name: r.text for r in load_results(tmp_path / "out") if r.outcome == "skipped"}
    assert said == {
        "peak": "no PyTorch here: shares of the peak cannot be told",
        **dict.fromkeys(
            ("transformers", "transformers compiled"),
            "torch and transformers and pyarrow and huggingface_hub and safetensors not installed here",
        ),
        **dict.fromkeys(("memcheck", "racecheck", "initcheck", "synccheck"), "no compute-sanitizer here"),
        "kernels": "no ncu here, and no PyTorch, whose profiler would do",
    }
    assert (tmp_path / "out" / "table.txt").read_text(encoding="utf-8") in ran.stdout


@pytest.mark.kit
def test_beside_pytorch_there_are_peers_and_a_peak(kit: Path, emulator: Emulator, tmp_path: Path) -> None:
    steps = ("peak", "speed", "transformers", "kernels")
    ran = carry_out(kit, tmp_path / "out", emulator, sys.executable, None, *steps, HOME=str(tmp_path))
    assert ran.returncode == 0, ran.stdout + (tmp_path / "out" / LOG).read_text(encoding="utf-8")
    found = {result.name: result for result in load_results(tmp_path / "out")}
    assert (found["kernels"].outcome, found["kernels"].text) == (
        "skipped",
        "PyTorch's profiler saw no kernel (no ncu here)",
    )
    assert {found[name].outcome for name in steps[:-1]} == {"held"}
    assert "of the peak" in ran.stdout
    assert "times transformers, on the words" in ran.stdout
    assert found["speed"].facts["text_words_per_s"] > 0


FAKE_TOOL = """\
#!/bin/sh
# {name}: runs what it is given, and says what the real one says of it.
while case $1 in *python*) false;; *) true;; esac; do shift; done
"$@"
cat <<'SAID'
{said}
SAID
exit {code}
"""
OF_NCU = """\
==PROF== Connected to process 7
"ID","Process ID","Kernel Name","Metric Name","Metric Unit","Metric Value"
"0","7","g2p_embed_64(float *, int)","gpu__time_duration.sum","nsecond","2,500"
"0","7","g2p_embed_64(float *, int)","sm__throughput.avg.pct_of_peak_sustained_elapsed","%","40.5"
"1","7","g2p_step","gpu__time_duration.sum","usecond","5.5"
"1","7","g2p_step","sm__throughput.avg.pct_of_peak_sustained_elapsed","%","50"
"1","7","g2p_step","gpu__compute_memory_throughput.avg.pct_of_peak_sustained_elapsed","%","25"
"2","7","g2p_step","gpu__time_duration.sum","usecond","2.0"
"2","7","g2p_step","sm__throughput.avg.pct_of_peak_sustained_elapsed","%","n/a"
==PROF== Disconnected"""


TIMES = "by ncu: g2p_step 75% in 2 launches of 4 us, 50 % of compute, 25 % of memory; g2p_embed_64 25% in 1 launch"
NO_LEAVE = "==ERROR== ERR_NVGPUCTRPERM: no permission"


def tools(folder: Path, code: int, summary: str, of_ncu: str) -> str:
    folder.mkdir()
    for name, said, exits in (("compute-sanitizer", f"=== {summary}", code), ("ncu", of_ncu, 0)):
        (folder / name).write_text(FAKE_TOOL.format(name=name, said=said, code=exits), encoding="utf-8")
        (folder / name).chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


@pytest.mark.kit
@pytest.mark.parametrize(
    ("code", "summary", "outcome", "of_ncu", "kernels"),
    [
        (0, "ERROR SUMMARY: 0 errors", "held", OF_NCU, TIMES),
        (9, "ERROR SUMMARY: 3 errors", "failed", OF_NCU, TIMES),
        (1, "Device not supported", "skipped", NO_LEAVE, f"ncu gave no times, but said: {NO_LEAVE}, and no PyTorch"),
    ],
    ids=["held", "failed", "skipped"],
)
def test_what_tools_of_nvidia_say_is_read(
    kit: Path,
    bare: Path,
    emulator: Emulator,
    tmp_path: Path,
    code: int,
    summary: str,
    outcome: str,
    of_ncu: str,
    kernels: str,
) -> None:
    path = tools(tmp_path / "bin", code, summary, of_ncu)
    ran = carry_out(kit, tmp_path / "out", emulator, PYTHON, bare, "memcheck", "kernels", PATH=path)
    found = {result.name: result for result in load_results(tmp_path / "out")}
    assert found["memcheck"].outcome == outcome, (tmp_path / "out" / LOG).read_text(encoding="utf-8")
    assert summary in found["memcheck"].text
    assert found["kernels"].text.startswith(kernels)
    assert ran.returncode == (outcome == "failed")


def test_the_times_of_ncu_are_added_up_by_kernel() -> None:
    assert of_csv(OF_NCU.splitlines()) == {
        "g2p_embed_64": {"us": 2.5, "count": 1, "compute": 40.5},
        "g2p_step": {"us": 7.5, "count": 2, "compute": 50.0, "memory": 25.0},
    }
    assert of_csv(["==ERROR== no permission"]) == {}


@pytest.mark.kit
def test_a_model_that_is_damaged_costs_its_own_steps_only(
    kit: Path, bare: Path, emulator: Emulator, tmp_path: Path
) -> None:
    hurt = tmp_path / "kit"
    shutil.copytree(kit, hurt, symlinks=True)
    (hurt / CODE / "usual-float32" / "model.so").write_bytes(b"no library")
    ran = carry_out(hurt, tmp_path / "out", emulator, PYTHON, bare, "golden", "agreement")
    assert ran.returncode == 1
    assert outcomes(tmp_path / "out") == {
        ("golden", "float32"): "crashed",
        ("agreement", "float32"): "crashed",
        ("agreement", "bfloat16"): "held",
    }
    assert "model.so is missing or damaged" in ran.stdout


@pytest.mark.kit
def test_strings_that_are_not_the_reference_s_are_a_failure(
    kit: Path, bare: Path, emulator: Emulator, tmp_path: Path
) -> None:
    import numpy as np

    wrong = tmp_path / "kit"
    shutil.copytree(kit, wrong, symlinks=True)
    with np.load(wrong / "words.npz") as kept:
        arrays = dict(kept)
    arrays["golden_tokens"][3, 0] += 1
    arrays["hidden"] *= 1.001
    np.savez(wrong / "words.npz", **arrays)
    ran = carry_out(wrong, tmp_path / "out", emulator, PYTHON, bare, "golden", "numerics")
    assert ran.returncode == 1
    found = {(r.name, r.dtype): r for r in load_results(tmp_path / "out")}
    assert found["golden", "float32"].outcome == "failed"
    assert found["golden", "float32"].facts["different"] == [3]
    assert found["numerics", "float32"].outcome == "failed"
    assert found["numerics", "bfloat16"].outcome == "held"


@pytest.mark.kit
def test_a_kit_for_another_python_says_so(kit: Path, emulator: Emulator, tmp_path: Path) -> None:
    other = tmp_path / "kit"
    shutil.copytree(kit, other, symlinks=True)
    (other / "python-version").write_text("3.99\n", encoding="utf-8")
    ran = carry_out(other, tmp_path / "out", emulator, PYTHON, None)
    wanted = f"this kit is for Python 3.99, {PYTHON} is {VERSION}: set PYTHON, or gather with --python {VERSION}\n"
    assert (ran.returncode, ran.stderr) == (2, wanted)


@pytest.mark.kit
def test_a_step_that_there_is_not_is_named(kit: Path, bare: Path, emulator: Emulator, tmp_path: Path) -> None:
    ran = carry_out(kit, tmp_path / "out", emulator, PYTHON, bare, "golden", "sped")
    assert ran.returncode == 2
    assert "no step is called sped: give of golden, numerics, agreement, company, peak, speed, stages," in ran.stderr
    assert not (tmp_path / "out").exists()


def python(code: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code)]


def ended(process: int) -> bool:
    status = Path(f"/proc/{process}/status")
    return not status.exists() or "State:\tZ" in status.read_text(encoding="utf-8")


def test_a_step_that_dies_or_hangs_keeps_no_other_from_its_turn(tmp_path: Path) -> None:
    write = "import json, os, sys, time; write = lambda **f: open({path!r}, 'w').write(json.dumps(f));"
    does = {
        "good": "write(text='well')",
        "wrong": "write(text='2 of 3', held=False)",
        "killed": "write(text='begun'); os.kill(os.getpid(), 9)",
        "raises": "raise ValueError('no such thing')",
        "hangs": "write(text='5 of 7'); os.system('sleep 600 & echo $! > child; wait')",
        "absent": "write(skipped='no tool here')",
        "late": "write(text='never')",
    }
    steps = [Step(name, "", 1 if name == "hangs" else 20) for name in does]
    said: list[str] = []
    seen: list[int] = []

    def command(step: Step, facts: Path) -> list[str]:
        if (tmp_path / RESULTS).exists():
            seen.append(len(load_results(tmp_path)))
        if step.name == "late":
            time.sleep(max(0.0, began + budget - time.monotonic()))
        return python(f"import os; os.chdir({str(tmp_path)!r}); {write.format(path=str(facts))} {does[step.name]}")

    began, budget = time.monotonic(), 30.0
    run_steps(steps[:-1], command, tmp_path, budget, said.append)
    results = {result.name: (result.outcome, result.text) for result in load_results(tmp_path)}
    assert results == {
        "good": ("held", "well"),
        "wrong": ("failed", "2 of 3"),
        "killed": ("crashed", "signal 9: it said nothing"),
        "raises": ("crashed", "exit code 1: ValueError: no such thing"),
        "hangs": ("cut off", "not done after 1 s; so far: 5 of 7"),
        "absent": ("skipped", "no tool here"),
    }
    assert seen == [1, 2, 3, 4, 5], "results are there after each step"
    assert ended(int((tmp_path / "child").read_text())), "what a step started ends with it"
    assert [line.partition(":")[0].strip() for line in said] == list(does)[:-1]
    run_steps(steps[-1:], command, tmp_path, 0.0, said.append)
    assert [(r.outcome, r.text) for r in load_results(tmp_path)] == [("cut off", "no time was left for it")]


def test_a_table_says_what_follows_from_several_steps() -> None:
    facts = {"words_per_s": 200_000.0, "flops_per_word": 500e6}
    results = [
        Result("peak", "", "held", 9.0, "fast", {"flops": {"bfloat16": 800e12}}),
        Result("speed", "bfloat16", "held", 20.0, "200,000 words/s", facts),
        Result("speed", "float16", "cut off", 60.0, "not done after 60 s", facts),
        Result("transformers", "bfloat16", "held", 50.0, "5,000 words/s", {"words_per_s": 5000.0}),
        Result("memcheck", "bfloat16", "crashed", 1.0, "signal 9: it said nothing"),
    ]
    lines = table(results, "a card").splitlines()
    assert lines[0] == "a card"
    assert lines[4] == "speed                 bfloat16  held       20.0  200,000 words/s"
    assert lines[-4:] == [
        "bfloat16: 200,000 words/s are 100.00 useful TFLOP/s, 12.5% of the peak",
        "float16: 200,000 words/s are 100.00 useful TFLOP/s",
        "bfloat16: 40.0 times transformers, on the words that are easiest for it",
        "3 held, 1 cut off, 1 crashed",
    ]
