"""How workers get their engine, also on a machine that is not the one that compiled the model."""

import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from g2p_batch.errors import ArtifactError, ModelError, UsageError
from g2p_batch.model import resolve
from g2p_batch.model.contract import CompileTarget
from g2p_batch.model.progress import Say
from g2p_batch.model.resolve import CompiledModel, Model, find_model, model_config
from g2p_batch.model.shipped import BUNDLED

TARGET = CompileTarget("llvm", "x86_64", "avx2", ())


def quiet(_text: str) -> None:
    """Say nothing."""


def bundled(name: str = "bundled") -> Model:
    return find_model(name, quiet, dtype="int8")


@dataclass(frozen=True)
class FakeManifest:
    key: str
    dtype: str = "int8"
    contract: None = None
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


def compiled(folder: Path, bundled: Model | None = None) -> CompiledModel:
    return CompiledModel(folder, "k1", "avx2 int8", bundled)


def test_a_model_that_is_there_is_opened(built: Callable[[str, str], Path]) -> None:
    engines = compiled(built("shared", "k1"))
    assert pickle.loads(pickle.dumps(engines)).engine() == "engine of shared"


def test_the_bundled_model_is_compiled_on_a_machine_that_lacks_it(
    built: Callable[[str, str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Model] = []

    def compile_model(model: Model, _say: Say) -> Path:
        asked.append(model)
        return built("cache", "k1")

    monkeypatch.setattr(Model, "compile", compile_model)
    sent = replace(bundled(), folder=tmp_path / "site-packages of another machine")
    assert compiled(tmp_path / "elsewhere", sent).engine() == "engine of cache"
    assert asked == [bundled()]


def test_another_model_that_a_machine_lacks_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=rf"has no {tmp_path}/elsewhere: compile for the least CPU of all"):
        compiled(tmp_path / "elsewhere").engine()


def test_a_model_of_another_build_is_refused(built: Callable[[str, str], Path]) -> None:
    with pytest.raises(ArtifactError, match=r"is build k2, the run has build k1, which may answer differently"):
        compiled(built("shared", "k2"), bundled()).engine()


@pytest.mark.parametrize("name", ["bundled", str(BUNDLED)])
def test_the_bundled_model_is_known_by_its_name_and_by_its_folder(
    built: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    folder = built("cache", "k1")
    monkeypatch.setattr(Model, "compile", lambda *_: folder)
    assert bundled(name).compiled(quiet).bundled == bundled(name)


def test_the_folder_of_a_compiled_model_is_sent_as_a_whole_path(
    built: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = built("mine", "k1")
    monkeypatch.chdir(folder.parent)
    mine = find_model("mine", quiet)
    assert (mine.is_compiled, mine.dtype) == (True, "int8")
    assert mine.compiled(quiet) == compiled(folder)


def test_a_compiled_model_is_not_compiled_again(built: Callable[[str, str], Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is compiled already: copy it"):
        find_model(str(built("mine", "k1")), quiet).compile(quiet, tmp_path / "copy")


WRONG = {
    'source = "x/y"\nprefix = "tab"\n': r"Invalid enum value 'tab' - at `\$\.prefix`",
    'source = "x/y"\nlanguages = ["eng-us", 3]\n': r"Expected `str`, got `int` - at `\$\.languages\[1\]`",
    'source = "x/y"\nprefx = "none"\n': "unknown field `prefx`",
    'source = "x/y"\nlanguages = ["klingon"]\n': r"unknown languages \['klingon'\]",
    "source = \n": "is not a model configuration",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_wrong_in_a_model_configuration_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.toml").write_text(text)
    with pytest.raises(ModelError, match=WRONG[text]):
        model_config(str(tmp_path / "model.toml"))


def test_a_folder_that_is_called_as_the_bundled_model_is_not_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bundled").mkdir()
    assert find_model("bundled", quiet).lasting_name == "bundled"
    assert replace(find_model("bundled", quiet), name="mine", folder=tmp_path).lasting_name == "mine"
    Path("mine").mkdir()
    assert replace(find_model("bundled", quiet), name="mine", folder=tmp_path).lasting_name == str(tmp_path / "mine")
