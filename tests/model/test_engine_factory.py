"""How workers get their engine, also on a machine that is not the one that compiled the model."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from g2p_batch.errors import ArtifactError
from g2p_batch.model import resolve
from g2p_batch.model.contract import CompileTarget
from g2p_batch.model.resolve import EngineOpener, Request
from g2p_batch.model.shipped import BUNDLED

BUNDLED_REQUEST = Request("bundled", dtype="int8")
TARGET = CompileTarget("llvm", "x86_64", "avx2", ())


@dataclass(frozen=True)
class FakeManifest:
    key: str
    dtype: str = "int8"
    target: CompileTarget = TARGET


@dataclass(frozen=True)
class FakeArtifact:
    folder: Path

    def engine(self) -> str:
        return f"engine of {self.folder.name}"


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[[str, str], Path]:
    """Put compiled models into folders that are named by the machine, whose content tells the key."""

    def build(name: str, key: str) -> Path:
        folder = tmp_path / name
        folder.mkdir()
        (folder / "manifest.json").write_text(key)
        return folder

    monkeypatch.setattr(resolve, "load_manifest", lambda folder: FakeManifest((folder / "manifest.json").read_text()))
    monkeypatch.setattr(resolve, "Artifact", FakeArtifact)
    return build


def test_a_model_that_is_there_is_opened(built: Callable[[str, str], Path]) -> None:
    opener = EngineOpener(built("shared", "k1"), "k1", None)
    assert pickle.loads(pickle.dumps(opener))() == "engine of shared"


def test_the_bundled_model_is_compiled_on_a_machine_that_lacks_it(
    built: Callable[[str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Request] = []

    def compile_model(request: Request, _say: resolve.Say) -> Path:
        asked.append(request)
        return built("cache", "k1")

    monkeypatch.setattr(resolve, "compile_model", compile_model)
    assert EngineOpener(tmp_path / "elsewhere", "k1", BUNDLED_REQUEST)() == "engine of cache"
    assert asked == [BUNDLED_REQUEST]


def test_another_model_that_a_machine_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=rf"has no {tmp_path}/elsewhere: compile for the least CPU of all"):
        EngineOpener(tmp_path / "elsewhere", "k1", None)()


def test_a_model_of_another_build_is_refused(built: Callable[[str, str], Path]) -> None:
    with pytest.raises(ArtifactError, match=r"is build k2, the run has build k1, which may answer differently"):
        EngineOpener(built("shared", "k2"), "k1", BUNDLED_REQUEST)()


@pytest.mark.parametrize("model", ["bundled", str(BUNDLED)])
def test_the_bundled_model_is_known_by_its_name_and_by_its_folder(
    built: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    folder = built("cache", "k1")
    monkeypatch.setattr(resolve, "compile_model", lambda *_: folder)
    opener = resolve.compiled(Request(model, dtype="int8"), lambda _: None).open_engine
    assert isinstance(opener, EngineOpener)
    assert opener.bundled == BUNDLED_REQUEST


def test_the_folder_of_a_compiled_model_is_sent_as_a_whole_path(
    built: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = built("mine", "k1")
    monkeypatch.chdir(folder.parent)
    assert resolve.compiled(Request("mine"), lambda _: None).open_engine == EngineOpener(folder, "k1", None)
