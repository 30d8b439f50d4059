"""`--model`: what is no model, a model for another machine, or one that needs torch."""

import importlib.util
import json
import platform
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest

from g2p_batch import G2P
from g2p_batch.errors import ModelError
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


@pytest.fixture
def no_torch(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with what is no model, on a machine without torch: whoever asks for it first fails."""
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    words()
    for folder in ("empty", "pickled", "bert"):
        Path(folder).mkdir()
    Path("bert/config.json").write_text('{"model_type": "bert", "vocab_size": 30522}')
    Path("pickled/config.json").write_text(json.dumps(TINY))
    Path("pickled/pytorch_model.bin").write_bytes(b"")
    return here


TINY = {
    "model_type": "t5",
    "is_encoder_decoder": True,
    "vocab_size": 384,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "decoder_start_token_id": 0,
} | dict.fromkeys(("d_model", "d_ff", "d_kv", "num_heads", "num_layers"), 8)
WANTED = (
    "give a folder that holds config.json and *.safetensors, or an id such as "
    "charsiu/g2p_multilingual_byT5_tiny_16_layers_100"
)
NO_MODELS = {
    "bundeld": f"bundeld is neither a folder nor a hub id: did you mean bundled? Or {WANTED}",
    "./tiny_16": f"./tiny_16 is neither a folder nor a hub id: {WANTED}",
    "no/such/folder": f"no/such/folder is neither a folder nor a hub id: {WANTED}",
    "words.txt": f"words.txt is a file, and no model: {WANTED}",
    "empty": "empty holds no model, neither manifest.json of a compiled one, contract.json of a program nor "
    "config.json of a checkpoint: give the folder that has one of them",
    "pickled": "pickled is not a supported ByT5 checkpoint: it has no *.safetensors file (pickled weights are not "
    "read: convert them first)",
    "bert": "bert is not a supported ByT5 checkpoint: model_type is 'bert', not 't5'; is_encoder_decoder is None, not "
    "True; vocab_size is 30522, not 384; pad_token_id is None, not 0; eos_token_id is None, not 1; "
    "decoder_start_token_id is None, not 0; it has no *.safetensors file (pickled weights are not read: convert them "
    "first); d_model is None, not a positive number; d_ff is None, not a positive number; d_kv is None, not a positive "
    "number; num_heads is None, not a positive number; num_layers is None, not a positive number",
    "absent.toml": "absent.toml is not a model configuration ([Errno 2] No such file or directory: 'absent.toml'): see "
    "configs/models",
    "x" * 300: f"{'x' * 300} cannot be looked at (File name too long): check the path and its permissions",
}
COMMANDS = {
    "generate": "generate words.txt --lang fra -o l.tsv --model",
    "plan": "plan words.txt --lang fra --run-dir run --model",
    "compile": "compile",
    "verify": "verify",
    "bench": "bench",
    "export": "export -o out",
    "train": "train words.tsv --dry-run --from",
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("name", NO_MODELS, ids=lambda name: name[:20])
def test_what_is_no_model_is_said_by_every_command_before_torch_is_asked_for(
    no_torch: Path, name: str, command: str
) -> None:
    assert run(*COMMANDS[command].split(), name) == failed(NO_MODELS[name])
    assert not Path("out").exists()


@pytest.mark.parametrize("name", NO_MODELS, ids=lambda name: name[:20])
def test_python_says_what_is_no_model_before_torch_is_asked_for(no_torch: Path, name: str) -> None:
    with pytest.raises(ModelError) as caught:
        G2P(name)
    assert str(caught.value) == NO_MODELS[name]


TORCH = "`pip install torch --index-url https://download.pytorch.org/whl/cpu`, which is the one for CPUs, then "


@pytest.mark.parametrize("there", [(), ("torch",)], ids=["neither", "torch"])
@pytest.mark.parametrize(
    "command", ["generate words.txt --lang fra -o l.tsv --model x/y", "export x/y -o out", "compile x/y", "verify x/y"]
)
def test_a_checkpoint_without_torch_says_what_to_install(
    here: Path, monkeypatch: pytest.MonkeyPatch, command: str, there: tuple[str, ...]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name if name in there else None)
    words()
    assert run(*command.split()) == failed(
        "x/y is no folder here but may be a checkpoint of a model hub, and converting one needs torch and "
        f"transformers: {'' if there else TORCH}`pip install 'g2p-batch[export]'`; or export it on another machine and "
        "pass the program's folder"
    )


@pytest.mark.parametrize(
    ("command", "task", "extra"),
    [("bench", "measuring beside transformers", "bench"), ("train words.tsv --from bundled -o t", "training", "train")],
)
def test_what_takes_torch_for_the_bundled_model_says_what_to_install(
    here: Path, monkeypatch: pytest.MonkeyPatch, command: str, task: str, extra: str
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert run(*command.split()) == failed(
        f"{task} needs torch and transformers: {TORCH}`pip install 'g2p-batch[{extra}]'`"
    )


@pytest.mark.parametrize("command", ["generate words.txt --lang fra -o l.tsv", "compile bundled", "verify"])
def test_an_installation_that_only_runs_models_says_where_to_compile(
    here: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setenv("G2P_BATCH_CACHE", str(here / "cache"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: ModuleSpec(name, None, is_package=True))
    words()
    assert run(*command.split()) == failed(
        "this installation runs compiled models and has no compiler: compile on another machine with `g2p-batch "
        "compile`, copy the folder here and give it to --model"
    )


@pytest.mark.parametrize(
    "command", ["bench compiled", "train words.tsv -o t --from compiled", "export compiled -o out"]
)
def test_a_compiled_model_is_refused_where_its_checkpoint_is_needed(here: Path, command: str) -> None:
    artifact("compiled")
    ran = run(*command.split())
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert ran.stderr.startswith("Error: compiled is compiled")


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
