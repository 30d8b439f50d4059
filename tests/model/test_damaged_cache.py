"""A damaged entry of the cache is made again, and that is said; what a user gave is never touched."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from g2p_batch.errors import ArtifactError
from g2p_batch.model import compiler
from g2p_batch.model.contract import CONTRACT, MANIFEST, Contract, load_contract, load_manifest
from g2p_batch.model.resolve import find_model
from tests.cli.commandline import artifact

DAMAGE: dict[str, Callable[[Path], object]] = {
    "a file that is changed": lambda folder: (folder / "weights.bin").write_bytes(b"1" * 1024),
    "a file that is cut": lambda folder: (folder / "model.so").write_bytes(b""),
    "a file that is gone": lambda folder: (folder / "model.so").unlink(),
    "an empty manifest": lambda folder: (folder / MANIFEST).write_bytes(b""),
    "no manifest": lambda folder: (folder / MANIFEST).unlink(),
}


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Compiled models that cannot run, made at once; a list of their folders, in the order of their making."""
    made: list[Path] = []

    def build(_program: Path, _family: Any, _shapes: Any, _dtype: str, folder: Path, _tuned: Any) -> None:
        made.append(folder)
        artifact(str(folder))

    monkeypatch.setenv("G2P_BATCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(compiler, "build", build)
    return made


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_compiled_model_is_made_again(built: list[Path], damage: str) -> None:
    said: list[str] = []
    folder = find_model("bundled", said.append).compile(said.append)
    DAMAGE[damage](folder)
    assert find_model("bundled", said.append).compile(said.append) == folder
    assert said[1] == f"{folder} in the cache is damaged, and made again"
    assert built == [folder, folder]
    assert load_manifest(folder).key


def test_a_whole_one_is_used_as_it_is(built: list[Path]) -> None:
    said: list[str] = []
    first = find_model("bundled", said.append).compile(said.append)
    assert find_model("bundled", said.append).compile(said.append) == first
    assert (built, len(said)) == ([first], 1)


def test_a_damaged_one_that_cannot_be_removed_is_an_error(built: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = find_model("bundled", print).compile(print)
    (folder / "model.so").unlink()

    def refuse(_folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(shutil, "rmtree", refuse)
    with pytest.raises(ArtifactError, match=r"is damaged, and cannot be removed \(Permission denied\): delete it, or"):
        find_model("bundled", print).compile(print)


def test_a_damaged_program_of_a_checkpoint_is_made_again(
    built: list[Path], tiny_program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    exported: list[Path] = []

    def export(*arguments: Any) -> Contract:
        exported.append(arguments[-1])
        shutil.copytree(tiny_program, arguments[-1])
        return load_contract(tiny_program)

    monkeypatch.setattr(compiler, "require_checkpoint", lambda *_: None)
    monkeypatch.setattr(compiler, "require_exporter", lambda _: None)
    monkeypatch.setattr(compiler, "checkpoint_digest", lambda *_: "ab")
    monkeypatch.setattr(compiler, "export", export)
    said: list[str] = []
    folder = find_model("x/y", said.append).folder
    assert find_model("x/y", said.append).folder == folder
    for file in (CONTRACT, "weights.safetensors"):
        (folder / file).write_bytes(b"{")
        assert find_model("x/y", said.append).folder == folder
        assert said[-2] == f"{folder} in the cache is damaged, and made again"
    assert exported == [folder] * 3


def test_a_damaged_model_that_a_user_gave_is_left_alone(
    built: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = Path(artifact(str(tmp_path / "given")))
    (given / "weights.bin").write_bytes(b"")
    assert find_model(str(given), print).compile(print) == given
    assert (given / "model.so").is_file()
    assert built == []
