"""Random T5 checkpoints of any shape, untrained, with every parameter moved away from where it starts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import torch
from transformers import T5Config, T5ForConditionalGeneration
from transformers.initialization import no_init_weights

from g2p_batch.model.contract import Contract, Geometry, LengthBucket, Shapes
from g2p_batch.model.ids import Int32
from g2p_batch.model.tokenizer import tokenize
from g2p_compile.export.checkpoint import Checkpoint
from g2p_compile.export.exporter import export_program

# The tensors are tiny and the cores shared: waking a second thread costs more than it brings.
torch.set_num_threads(1)

LANGUAGES = ("eng-us", "fra", "jpn")


@dataclass(frozen=True)
class Shape:
    """Sizes of a model; the defaults are a two-layer one that compiles in seconds."""

    d_model: int = 64
    d_ff: int = 96
    d_kv: int = 16
    heads: int = 4
    encoder_layers: int = 2
    decoder_layers: int = 2
    projection: str = "gated-gelu"
    tied: bool = False
    scaled: bool = False
    buckets: int = 32
    max_distance: int = 128

    def config(self, **changes: Any) -> T5Config:
        fields = {
            "vocab_size": 384,
            "d_model": self.d_model,
            "d_ff": self.d_ff,
            "d_kv": self.d_kv,
            "num_heads": self.heads,
            "num_layers": self.encoder_layers,
            "num_decoder_layers": self.decoder_layers,
            "feed_forward_proj": self.projection,
            "relative_attention_num_buckets": self.buckets,
            "relative_attention_max_distance": self.max_distance,
            "decoder_start_token_id": 0,
            "eos_token_id": 1,
            "pad_token_id": 0,
            "tie_word_embeddings": self.scaled,
        }
        config = T5Config(**(fields | changes))
        config._attn_implementation = "eager"
        return config


def random_t5(shape: Shape = Shape(), seed: int = 0, **changes: Any) -> T5ForConditionalGeneration:
    """Return a model with uneven norm gains and a strong position bias, so that no test passes without them.

    Logits spread by about 3 either way: greedy choices are clear, and log-probabilities comparable.
    """
    torch.manual_seed(seed)
    with no_init_weights():
        model = T5ForConditionalGeneration(shape.config(**changes)).eval()
    model.tie_weights()
    if not shape.tied:
        model.lm_head.weight = torch.nn.Parameter(torch.empty_like(model.lm_head.weight))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "layer_norm" in name:
                parameter.uniform_(0.5, 1.5)
            elif "relative_attention_bias" in name or name == "shared.weight":
                parameter.normal_()
            else:
                parameter.normal_(std=_spread(name, shape, parameter.shape[1]))
    return model


def _spread(name: str, shape: Shape, inputs: int) -> float:
    if name == "lm_head.weight":
        return 3.0 * (1.0 if shape.scaled else inputs**-0.5)
    # Attention in T5 is not scaled: its queries are.
    return inputs**-0.5 * (shape.d_kv**-0.5 if name.endswith(".q.weight") else 1.0)


def random_checkpoint(
    shape: Shape = Shape(), seed: int = 0, max_source_bytes: int = 40, max_target_bytes: int = 24
) -> Checkpoint:
    """Return the checkpoint of a random model; short lengths keep its greedy outputs, which rarely end, short."""
    geometry = Geometry(
        d_model=shape.d_model,
        d_ff=shape.d_ff,
        d_kv=shape.d_kv,
        heads=shape.heads,
        encoder_layers=shape.encoder_layers,
        decoder_layers=shape.decoder_layers,
        vocab=384,
        activation="relu" if shape.projection == "relu" else "gelu_new",
        gated=shape.projection != "relu",
        relative_buckets=shape.buckets,
        relative_max_distance=shape.max_distance,
        norm_epsilon=1e-6,
        logit_scale=shape.d_model**-0.5 if shape.scaled else 1.0,
    )
    contract = Contract(
        name="random",
        checkpoint="random",
        checkpoint_sha256=f"seed {seed}",
        prefix="space",
        languages=LANGUAGES,
        geometry=geometry,
        max_source_bytes=max_source_bytes,
        max_target_bytes=max_target_bytes,
    )
    return Checkpoint(random_t5(shape, seed), contract, torch.float32)


UPSTREAM = {
    "tiny_8": Shape(256, 512, 64, 6, 6, 2),
    "tiny_12": Shape(256, 1024, 64, 6, 8, 4),
    "tiny_16": Shape(256, 1024, 64, 6, 12, 4),
    "small": Shape(1472, 3584, 64, 6, 12, 4),
}
"""The published checkpoints."""

TINY_SHAPES = Shapes(buckets=(LengthBucket(24, 12, 8, 4), LengthBucket(40, 24, 4, 8)), ladder=(1, 2, 4, 8))
"""Buckets for the lengths of `random_checkpoint`."""


def random_program(folder: Path, shape: Shape = Shape(), seed: int = 0) -> Path:
    """Export a random checkpoint into `folder` and return it."""
    export_program(random_checkpoint(shape, seed), folder)
    return folder


TINY_WORDS = ["a", "hello", "château", "ひらがな", "straße", "κόσμος", "x" * 30, "мир", "né", "zz"]


def tiny_words(contract: Contract) -> tuple[Int32, Int32, list[str]]:
    """Return ids and lengths of `TINY_WORDS`, and their languages."""
    langs = [LANGUAGES[i % len(LANGUAGES)] for i in range(len(TINY_WORDS))]
    prefixes = pa.array([contract.prefix_for(lang) for lang in langs], pa.string())
    return *tokenize(pa.array(TINY_WORDS, pa.string()), prefixes), langs
