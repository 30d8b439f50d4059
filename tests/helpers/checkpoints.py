"""Folders of checkpoints as transformers saves them, and what is said of those that are refused."""

import json
from pathlib import Path
from typing import Any

import pytest
from transformers import T5ForConditionalGeneration

from g2p_batch.errors import ModelError
from g2p_compile.export.checkpoint import load_checkpoint
from tests.helpers.tiny_models import Shape

SHAPE = Shape(decoder_layers=1)
TRANSFORMERS_4 = {
    "_name_or_path": "google/byt5-small",
    "architectures": ["T5ForConditionalGeneration"],
    "d_ff": 96,
    "d_kv": 16,
    "d_model": 64,
    "decoder_start_token_id": 0,
    "dropout_rate": 0.1,
    "eos_token_id": 1,
    "feed_forward_proj": "gated-gelu",
    "gradient_checkpointing": False,
    "initializer_factor": 1.0,
    "is_encoder_decoder": True,
    "layer_norm_epsilon": 1e-06,
    "model_type": "t5",
    "num_decoder_layers": 1,
    "num_heads": 4,
    "num_layers": 2,
    "pad_token_id": 0,
    "relative_attention_num_buckets": 32,
    "tie_word_embeddings": False,
    "tokenizer_class": "ByT5Tokenizer",
    "torch_dtype": "float32",
    "transformers_version": "4.18.0",
    "use_cache": True,
    "vocab_size": 384,
}
"""A config.json as transformers 4 wrote it: no relative_attention_max_distance, the flag with its old meaning."""
ABSENT = object()
CONFIG, WEIGHTS = "config.json", "model.safetensors"


def saved(folder: Path, model: T5ForConditionalGeneration, config: dict[str, Any] | None = None) -> Path:
    """Save as transformers does, and put a config.json written by hand in place of its own if one is given."""
    model.save_pretrained(folder)
    if config is not None:
        (folder / CONFIG).write_text(json.dumps(config), encoding="utf-8")
    return folder


def changed(config: dict[str, Any], **changes: Any) -> dict[str, Any]:
    return {key: value for key, value in (config | changes).items() if value is not ABSENT}


def refusal(source: str | Path) -> str:
    with pytest.raises(ModelError) as caught:
        load_checkpoint(str(source))
    assert caught.value.__cause__ is None
    return str(caught.value)
