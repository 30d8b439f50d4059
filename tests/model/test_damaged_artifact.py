"""Which artifacts are refused, and what is said of them."""

import importlib.util
import json
import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from g2p_batch.errors import ArtifactError
from g2p_batch.model import cpu_engine as engine_module
from g2p_batch.model.artifact_cache import LIBRARY, WEIGHTS
from g2p_batch.model.contract import MANIFEST
from g2p_batch.model.cpu_engine import Artifact
from tests.helpers.decoding import decode
from tests.helpers.tiny_models import tiny_words


@pytest.fixture
def copy(tiny_artifact: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_artifact, tmp_path / "artifact"))


def refusal(folder: Path) -> str:
    with pytest.raises(ArtifactError) as caught:
        Artifact(folder)
    return str(caught.value)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "cut": lambda path: path.write_bytes(path.read_bytes()[:-1]),
    "empty": lambda path: path.write_bytes(b""),
    "one bit changed": lambda path: path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1])),
    "missing": lambda path: path.unlink(),
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("name", [LIBRARY, WEIGHTS])
def test_a_damaged_file_is_refused(name: str, damage: str, copy: Path) -> None:
    DAMAGE[damage](copy / name)
    assert refusal(copy) == (
        f"{copy / name} is missing or damaged: delete {copy}, then compile the model on this machine with "
        "`g2p-batch compile`"
    )


def test_a_folder_without_manifest_is_refused(copy: Path) -> None:
    (copy / MANIFEST).unlink()
    assert refusal(copy) == f"{copy / MANIFEST} does not exist: compile the model again with `g2p-batch compile`"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 2}', "\x00"])
def test_a_damaged_manifest_is_refused(text: str, copy: Path) -> None:
    (copy / MANIFEST).write_text(text, encoding="utf-8")
    message = refusal(copy)
    assert message.startswith(f"{copy / MANIFEST} cannot be read (")
    assert message.endswith("): compile the model again with `g2p-batch compile`")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"arch": "riscv64"}, f"was compiled for riscv64, this machine is {platform.machine()}"),
        ({"features": ["amx_tile_2", "sse2_of_old"]}, "was compiled for a CPU with amx_tile_2, sse2_of_old, this one "),
    ],
)
def test_an_artifact_for_another_cpu_is_refused(change: dict[str, Any], reason: str, copy: Path) -> None:
    manifest = json.loads((copy / MANIFEST).read_text(encoding="utf-8"))
    manifest["target"].update(change)
    (copy / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    message = refusal(copy)
    assert message.startswith(f"{copy} {reason}")
    assert message.endswith(": compile the model on this machine with `g2p-batch compile`")


def test_an_artifact_runs_where_its_folder_was_copied(copy: Path, tiny_artifact: Path) -> None:
    outputs = []
    for folder in (copy, tiny_artifact):
        engine = Artifact(folder).engine()
        ids, lengths, _ = tiny_words(engine.contract)
        outputs.append(decode(engine, ids, lengths))
    assert np.array_equal(outputs[0].ids, outputs[1].ids)
    assert outputs[0].logprob.tobytes() == outputs[1].logprob.tobytes()


def test_an_engine_without_the_runtime_library_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ArtifactError) as caught:
        engine_module._runtime.__wrapped__()
    assert str(caught.value) == "TVM's libtvm_runtime.so is not installed: reinstall with `pip install g2p-batch`"
