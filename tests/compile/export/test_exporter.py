"""A program: what an exported checkpoint holds, and that compiling one needs no torch."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tvm
from safetensors.numpy import load_file
from tvm import relax

from g2p_batch.errors import ModelError
from g2p_batch.model.contract import digest, load_contract
from g2p_compile.export.checkpoint import from_program
from g2p_compile.export.exporter import export_program
from g2p_compile.program import WEIGHT_NAMES, Program, load_program
from tests.helpers.tiny_models import random_checkpoint

WITHOUT_TORCH = """
import sys
for blocked in ("torch", "transformers"):
    sys.modules[blocked] = None  # importing it fails
from pathlib import Path
from g2p_batch.model.artifact_cache import load_shapes
from g2p_batch.model.contract import load_contract
from g2p_batch.model.cpu_families import cpu_family
from g2p_compile.build.builder import build
program, config, folder = map(Path, sys.argv[1:])
build(program, cpu_family(), load_shapes(config, load_contract(program)), "float32", folder)
"""
TARGET = """
ladder = [1, 2, 4, 8]
bucket = [
    {source_bytes = 24, target_bytes = 12, batch = 8, chunk = 4},
    {source_bytes = 40, target_bytes = 24, batch = 4, chunk = 8},
]
"""
"""`tiny_models.TINY_SHAPES` as a target configuration."""


def test_a_program_compiles_where_torch_and_transformers_are_not_installed(
    tiny_program: Path, tiny_artifact: Path, tmp_path: Path
) -> None:
    (tmp_path / "cpu.toml").write_text(TARGET, encoding="utf-8")
    arguments = [str(tiny_program), str(tmp_path / "cpu.toml"), str(tmp_path / "artifact")]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, *arguments], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    theirs, ours = (json.loads((f / "manifest.json").read_text()) for f in (tmp_path / "artifact", tiny_artifact))
    # Times differ, and a library names the files that it was linked from; what it computes is told by its key.
    for manifest in (theirs, ours):
        del manifest["seconds"], manifest["files"]["model.so"]
    assert theirs == ours


@pytest.fixture(scope="module")
def program(tiny_program: Path) -> Program:
    return load_program(tiny_program)


def calls(function: relax.Function) -> Iterator[str]:
    """Yield what a function calls: `g2p.` operations by name, others by the name of their operator."""
    found: list[str] = []

    def visit(expression: relax.Expr) -> None:
        if not isinstance(expression, relax.Call):
            return
        name = expression.op.name
        outside = name in ("relax.call_dps_packed", "relax.call_inplace_packed")
        found.append(str(expression.args[0].global_symbol) if outside else name)

    relax.analysis.post_order_visit(function.body, visit)
    return iter(found)


# Two layers in each stack; every operation of a stage once per layer, or as often as is said.
ENCODER = {
    "norm_linear": 2,
    "encoder_attention": 2,
    "linear_residual": 4,
    "norm_gated_gelu": 2,
    "embed": 1,
    "rms_norm": 1,
}
PREFILL = {"cache_source": 2}
STEP = {
    "embed": 1,
    "norm_linear": 4,
    "self_attention": 2,
    "cross_attention": 2,
    "linear_residual": 6,
    "norm_gated_gelu": 2,
    "greedy_head": 1,
}


@pytest.mark.parametrize(("stage", "expected"), [("encoder", ENCODER), ("prefill", PREFILL), ("step", STEP)])
def test_a_stage_is_operations_of_ours_and_reshapes(stage: str, expected: dict[str, int], program: Program) -> None:
    found = Counter(name for name in calls(program.module[stage]) if name != "relax.reshape")
    assert found == {f"g2p.{name}": count for name, count in expected.items()}


def test_the_cacheless_check_shares_no_attention_and_no_cache_with_the_step(program: Program) -> None:
    found = {name for name in calls(program.module["cacheless"]) if name.startswith("g2p.")}
    assert found == {
        f"g2p.{n}" for n in ("embed", "norm_linear", "norm_gated_gelu", "linear", "linear_residual", "rms_norm")
    }


def test_the_stages_of_a_program_are_four(program: Program) -> None:
    assert {v.name_hint for v in program.module.functions} == {"encoder", "prefill", "step", "cacheless"}


def test_the_caches_are_the_only_arguments_written(program: Program) -> None:
    for stage, count, caches in (("prefill", 2, {2, 3}), ("step", 2, {4, 5})):
        function = program.module[stage]
        written = []

        def visit(expression: relax.Expr, into: list[relax.Expr] = written) -> None:
            if isinstance(expression, relax.Call) and expression.op.name == "relax.call_inplace_packed":
                into.append(expression.args[1 + int(expression.attrs.inplace_indices[-1])])

        relax.analysis.post_order_visit(function.body, visit)
        places = {i for i, p in enumerate(function.params) if any(p.same_as(w) for w in written)}
        assert (len(written), places) == (count, caches)


def test_every_weight_is_stored_once_and_used(program: Program) -> None:
    used = {str(name) for stage in program.module.functions.values() for name in stage.attrs[WEIGHT_NAMES]}
    assert used == set(program.weights)
    stored = [array.tobytes() for array in program.weights.values()]
    assert len(set(stored)) == len(stored)


def test_weight_parameters_have_the_shapes_of_the_stored_weights(program: Program) -> None:
    for function in program.module.functions.values():
        first = int(function.attrs["num_input"])
        for parameter, name in zip(function.params[first:], function.attrs[WEIGHT_NAMES], strict=True):
            assert tuple(int(d) for d in parameter.ty.shape) == program.weights[str(name)].shape


def test_the_contract_on_disk_is_the_one_returned_and_names_its_files(tmp_path: Path, tiny_program: Path) -> None:
    contract = load_contract(tiny_program)
    assert contract.files == {n: digest(tiny_program / n) for n in ("program.json", "weights.safetensors")}
    assert set(contract.versions) == {"apache-tvm"}
    assert replace(contract, files={}, versions={}) == random_checkpoint().contract


def test_exporting_what_a_program_was_rebuilt_to_gives_the_same_bytes(tiny_program: Path, tmp_path: Path) -> None:
    loaded = load_program(tiny_program)
    export_program(from_program(loaded.contract, loaded.weights), tmp_path)
    for name in ("contract.json", "program.json", "weights.safetensors"):
        assert (tmp_path / name).read_bytes() == (tiny_program / name).read_bytes(), name


def test_weights_are_read_as_float32_and_the_program_as_relax(program: Program, tiny_program: Path) -> None:
    stored = load_file(tiny_program / "weights.safetensors")
    assert {w.dtype for w in program.weights.values()} == {np.dtype(np.float32)}
    assert all(np.array_equal(program.weights[name], array) for name, array in stored.items())
    assert isinstance(program.module, tvm.IRModule)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "one byte changed": lambda path: path.write_bytes(b"\x00" + path.read_bytes()[1:]),
    "missing": lambda path: path.unlink(),
}


@pytest.fixture
def copy(tiny_program: Path, tmp_path: Path) -> Path:
    for path in tiny_program.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def refusal(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_program(folder)
    return str(caught.value)


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", ["program.json", "weights.safetensors"])
def test_a_damaged_file_is_refused(name: str, damage: str, copy: Path) -> None:
    DAMAGE[damage](copy / name)
    assert refusal(copy) == f"{copy / name} is missing or damaged: export the checkpoint again, or reinstall g2p-batch"


@pytest.mark.parametrize("damage", ["cut", "empty", "one byte changed"])
def test_a_damaged_contract_is_refused(damage: str, copy: Path) -> None:
    path = copy / "contract.json"
    text = path.read_text(encoding="utf-8")
    path.write_text({"cut": text[:-3], "empty": "", "one byte changed": "\x00" + text[1:]}[damage], encoding="utf-8")
    message = refusal(copy)
    assert message.startswith(f"{path} cannot be read (")
    assert message.endswith("): export the checkpoint with `g2p-batch export MODEL -o DIR`")


def test_a_folder_without_a_program_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == (
        f"{tmp_path / 'contract.json'} does not exist: export the checkpoint with `g2p-batch export MODEL -o DIR`"
    )


def test_a_program_of_another_format_version_is_refused(copy: Path) -> None:
    path = copy / "contract.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"format": 1}), encoding="utf-8")
    assert refusal(copy) == (
        f"{path} has format 1, this version reads 2: export the checkpoint with `g2p-batch export MODEL -o DIR`"
    )
