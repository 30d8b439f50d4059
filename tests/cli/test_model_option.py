"""`--model`: what is no model, a model for another machine, or one that needs torch."""

import importlib.util
import platform
from pathlib import Path
from typing import Any

import pytest

from tests.cli.commandline import artifact, exporting, failed, generate, run, words


@exporting
def test_a_hub_that_cannot_be_reached_is_an_error(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")

    def unreachable(*_: Any, **__: Any) -> None:
        raise ConnectionError("Name or service not known")

    monkeypatch.setattr(hub, "snapshot_download", unreachable)
    assert generate(words(), "--lang", "fra", "--model", "someone/model") == failed(
        "someone/model is not a folder here, and the model hub could not give it (Name or service not known): "
        "check the name and the network, or download the checkpoint elsewhere and pass its folder"
    )


@exporting
def test_a_folder_without_a_model_is_an_error(here: Path) -> None:
    Path("empty").mkdir()
    assert generate(words(), "--lang", "fra", "--model", "empty") == failed(
        "empty holds no config.json: give the folder of a transformers checkpoint"
    )


@exporting
def test_a_name_that_is_no_model_is_an_error(here: Path) -> None:
    assert generate(words(), "--lang", "fra", "--model", "no/such/folder") == failed(
        "no/such/folder is neither a folder nor a hub id: give a folder that holds config.json and *.safetensors, "
        "or an id such as charsiu/g2p_multilingual_byT5_tiny_16_layers_100"
    )


@exporting
@pytest.mark.parametrize("command", ["generate words.txt --lang fra -o l.tsv --model", "export -o out", "compile"])
def test_a_checkpoint_of_another_architecture_is_refused_with_all_reasons(here: Path, command: str) -> None:
    words()
    Path("bert").mkdir()
    Path("bert/config.json").write_text('{"model_type": "bert", "vocab_size": 30522}')
    ran = run(*command.split(), "bert")
    assert (ran.exit_code, ran.stdout) == (1, "")
    for reason in ("Error: bert is not a supported ByT5", "model_type is 'bert', not 't5'", "vocab_size is 30522"):
        assert reason in ran.stderr
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "command", ["generate words.txt --lang fra -o l.tsv --model x", "export x -o out", "compile x"]
)
def test_a_checkpoint_without_torch_says_what_to_install(
    here: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    words()
    assert run(*command.split()) == failed(
        "x is a checkpoint, and converting one needs torch and transformers: `pip install 'g2p-batch[export]'`, "
        "or export it on another machine and pass the program's folder"
    )


REMEDY = "compile the model on this machine with `g2p-batch compile`"


def test_a_damaged_artifact_is_refused(here: Path) -> None:
    artifact("compiled")
    with Path("compiled/weights.bin").open("r+b") as file:
        file.write(b"1")
    assert generate(words(), "--lang", "fra", "--model", "compiled") == failed(
        f"{here}/compiled/weights.bin is missing or damaged: delete {here}/compiled, then {REMEDY}"
    )
    assert not Path("lexicon.tsv").exists()


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"features": ("avx1024", "fpu2")}, "a CPU with avx1024, fpu2, this one lacks it"),
        ({"arch": "vax"}, f"vax, this machine is {platform.machine()}"),
    ],
)
def test_an_artifact_for_another_machine_is_refused(here: Path, target: dict[str, Any], message: str) -> None:
    artifact("compiled", **target)
    assert generate(words(), "--lang", "fra", "--model", "compiled") == failed(
        f"{here}/compiled was compiled for {message}: {REMEDY}"
    )
