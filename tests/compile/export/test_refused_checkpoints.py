"""Checkpoints in a folder that are refused, and what is said."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, MarianConfig

from tests.helpers.checkpoints import ABSENT, CONFIG, SHAPE, TRANSFORMERS_4, WEIGHTS, changed, refusal, saved
from tests.helpers.tiny_models import random_t5

REFUSED = {
    "another vocabulary": (
        changed(TRANSFORMERS_4, vocab_size=32128),
        "vocab_size is 32128, not 384",
    ),
    "another activation": (
        changed(TRANSFORMERS_4, feed_forward_proj="gated-silu"),
        "feed_forward_proj is 'gated-silu', not one of gated-gelu, gated-gelu_new, relu",
    ),
    "other special tokens": (
        changed(TRANSFORMERS_4, pad_token_id=1, eos_token_id=2, decoder_start_token_id=ABSENT),
        "pad_token_id is 1, not 0; eos_token_id is 2, not 1; decoder_start_token_id is None, not 0",
    ),
    "impossible sizes": (
        changed(TRANSFORMERS_4, d_model=0, d_kv="64", num_layers=-1),
        "d_model is 0, not a positive number; d_kv is '64', not a positive number; "
        "num_layers is -1, not a positive number",
    ),
    "everything at once": (
        changed(TRANSFORMERS_4, vocab_size=32128, feed_forward_proj="gated-silu", num_heads=0),
        "vocab_size is 32128, not 384; feed_forward_proj is 'gated-silu', not one of gated-gelu, gated-gelu_new, "
        "relu; num_heads is 0, not a positive number",
    ),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("whole") / "checkpoint", random_t5(SHAPE), TRANSFORMERS_4)


@pytest.fixture
def copy(whole: Path, tmp_path: Path) -> Path:
    """Return a folder with the files of a checkpoint, to spoil."""
    for path in whole.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


@pytest.mark.parametrize("case", REFUSED)
def test_an_unsupported_config_is_refused_with_all_reasons_at_once(case: str, copy: Path) -> None:
    config, reasons = REFUSED[case]
    (copy / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    assert refusal(copy) == f"{copy} is not a supported ByT5 checkpoint: {reasons}"


@pytest.mark.parametrize("config", [BertConfig(), MarianConfig(decoder_start_token_id=58100)])
def test_another_architecture_is_refused_with_all_reasons_at_once(config: Any, tmp_path: Path) -> None:
    config.save_pretrained(tmp_path)
    message = refusal(tmp_path)
    written = json.loads((tmp_path / CONFIG).read_text(encoding="utf-8"))
    for reason in (
        f"{tmp_path} is not a supported ByT5 checkpoint: model_type is {written['model_type']!r}, not 't5'; ",
        f"vocab_size is {written['vocab_size']}, not 384; ",
        "it has no *.safetensors file (pickled weights are not read: convert them first); ",
        "d_ff is None, not a positive number; d_kv is None, not a positive number",
    ):
        assert reason in message


def test_pickled_weights_are_never_read(copy: Path) -> None:
    (copy / WEIGHTS).unlink()
    (copy / "pytorch_model.bin").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    assert refusal(copy) == (
        f"{copy} is not a supported ByT5 checkpoint: it has no *.safetensors file "
        "(pickled weights are not read: convert them first)"
    )


@pytest.mark.parametrize("text", ["", "{", '{"model_type": "t5",}', "\x00"])
def test_a_config_that_is_no_json_is_refused(text: str, copy: Path) -> None:
    (copy / CONFIG).write_text(text, encoding="utf-8")
    message = refusal(copy)
    assert message.startswith(f"{copy / CONFIG} cannot be read (")
    assert message.endswith("): download the checkpoint again")


@pytest.mark.parametrize("content", [b"[]", b"null", b"3"])
def test_a_config_that_is_no_object_is_refused(content: bytes, copy: Path) -> None:
    (copy / CONFIG).write_bytes(content)
    assert refusal(copy) == f"{copy / CONFIG} is not a JSON object: download the checkpoint again"


def test_a_config_in_another_encoding_is_refused(copy: Path) -> None:
    (copy / CONFIG).write_bytes(b'{"_name_or_path": "\xe9"}')
    assert refusal(copy).startswith(f"{copy / CONFIG} cannot be read (")


def test_a_folder_without_config_is_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == (
        f"{tmp_path} holds no model, neither manifest.json of a compiled one, contract.json of a program nor "
        "config.json of a checkpoint: give the folder that has one of them"
    )


@pytest.mark.parametrize("kept", [0, 7, 5000, -1])
def test_damaged_weights_are_refused(kept: int, copy: Path) -> None:
    (copy / WEIGHTS).write_bytes((copy / WEIGHTS).read_bytes()[:kept])
    message = refusal(copy)
    assert message.startswith(f"{copy / WEIGHTS} is damaged (")
    assert message.endswith("): download the checkpoint again")


def test_weights_under_a_name_that_transformers_does_not_know_are_refused(copy: Path) -> None:
    (copy / WEIGHTS).rename(copy / "weights.safetensors")
    message = refusal(copy)
    assert message.startswith(f"{copy} cannot be loaded (")
    assert message.endswith("): download the checkpoint again")


SPOILED: dict[str, Callable[[dict[str, torch.Tensor]], object]] = {
    "missing": lambda weights: weights.pop("decoder.final_layer_norm.weight"),
    "of another shape": lambda weights: weights.update({"decoder.final_layer_norm.weight": torch.ones(5)}),
}


@pytest.mark.parametrize("how", SPOILED)
def test_weights_that_are_not_those_of_the_config_are_refused_and_not_made_up(how: str, copy: Path) -> None:
    weights = load_file(copy / WEIGHTS)
    SPOILED[how](weights)
    save_file(weights, copy / WEIGHTS, metadata={"format": "pt"})
    assert refusal(copy) == (
        f"the weights in {copy} are not those of its config.json, missing or of another shape: "
        "decoder.final_layer_norm.weight. Download the checkpoint again"
    )


@pytest.mark.parametrize("value", [float("nan"), float("-inf")])
def test_weights_that_are_no_numbers_are_refused(value: float, copy: Path) -> None:
    weights = load_file(copy / WEIGHTS)
    weights["decoder.final_layer_norm.weight"][2] = value
    save_file(weights, copy / WEIGHTS, metadata={"format": "pt"})
    assert refusal(copy) == (
        f"weights in {copy} are infinite or no numbers: decoder.final_layer_norm.weight. Download the checkpoint "
        "again; if they stay so, its training or a conversion to float16 went wrong"
    )


def test_a_config_with_more_layers_than_weights_is_refused(copy: Path) -> None:
    (copy / CONFIG).write_text(json.dumps(changed(TRANSFORMERS_4, num_layers=3)), encoding="utf-8")
    message = refusal(copy)
    assert "encoder.block.2.layer.0.SelfAttention.k.weight, " in message
    assert message.endswith(" and 4 more. Download the checkpoint again")
