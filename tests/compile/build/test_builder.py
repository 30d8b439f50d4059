"""How an artifact is published: whole or not at all, and never over another."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from g2p_batch.errors import ArtifactError, OutputError
from g2p_batch.model.artifact_cache import LIBRARY, WEIGHTS
from g2p_batch.model.contract import MANIFEST, digest, load_manifest, save_json
from g2p_batch.model.cpu_families import cpu_family
from g2p_compile.build import builder as build_module
from g2p_compile.build.builder import build
from g2p_compile.build.link import link
from tests.helpers.tiny_models import TINY_SHAPES


def test_the_manifest_is_written_last_and_the_folder_appears_with_it(
    tiny_program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []

    def save(path: Path, manifest: Any) -> None:
        names = {LIBRARY, WEIGHTS}
        seen.append((path.name, {p.name for p in path.parent.iterdir()}, [p.name for p in tmp_path.iterdir()]))
        assert manifest.files == {name: digest(path.parent / name) for name in names}
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(build_module, "save_json", save)
    stand_in_for_compiler(monkeypatch)
    with pytest.raises(OutputError, match="No space left"):
        build(tiny_program, cpu_family(), TINY_SHAPES, "float32", tmp_path / "artifact")
    ((name, beside, drafts),) = seen
    assert (name, beside) == (MANIFEST, {LIBRARY, WEIGHTS})
    assert "artifact" not in drafts
    assert list(tmp_path.iterdir()) == []


def test_a_build_that_cannot_be_linked_leaves_nothing(
    tiny_program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise ArtifactError("no linker")

    monkeypatch.setattr(build_module, "link", fail)
    stand_in_for_compiler(monkeypatch)
    with pytest.raises(ArtifactError, match="no linker"):
        build(tiny_program, cpu_family(), TINY_SHAPES, "float32", tmp_path / "artifact")
    assert list(tmp_path.iterdir()) == []


def test_a_build_that_comes_second_leaves_the_first_as_it_is(
    tiny_program: Path, tiny_artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "artifact"

    def save(path: Path, manifest: Any) -> None:
        save_json(path, manifest)
        shutil.copytree(tiny_artifact, folder)  # another process is done while this one still writes

    monkeypatch.setattr(build_module, "save_json", save)
    stand_in_for_compiler(monkeypatch)
    build(tiny_program, cpu_family(), TINY_SHAPES, "float32", folder)
    assert {p.name: digest(p) for p in folder.iterdir()} == {p.name: digest(p) for p in tiny_artifact.iterdir()}
    assert [path.name for path in tmp_path.iterdir()] == ["artifact"]


def test_a_folder_that_holds_something_is_never_built_into(
    tiny_program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in_for_compiler(monkeypatch)
    (tmp_path / "artifact").mkdir()
    (tmp_path / "artifact" / "mine").write_text("kept", encoding="utf-8")
    with pytest.raises(OutputError, match="artifact exists: delete it, or choose another name"):
        build(tiny_program, cpu_family(), TINY_SHAPES, "float32", tmp_path / "artifact")
    assert (tmp_path / "artifact" / "mine").read_text(encoding="utf-8") == "kept"


def stand_in_for_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put an empty module in place of the compiled one: what is tested is what becomes of it."""

    class Executable:
        def export_library(self, path: str, fcompile: Callable[..., None]) -> None:
            Path(path).write_bytes(b"library")
            if build_module.link is not link:
                fcompile(path, [])

    monkeypatch.setattr(build_module.tvm, "compile", lambda *_, **__: Executable())


def test_packed_weights_begin_at_whole_vectors(tiny_artifact: Path) -> None:
    manifest = load_manifest(tiny_artifact)
    assert {tensor.offset % 64 for tensor in manifest.tensors.values()} == {0}
    named = {name for names in manifest.functions.values() for name in names}
    assert named == set(manifest.tensors)
