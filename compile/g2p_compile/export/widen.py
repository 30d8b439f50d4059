"""Make a checkpoint of another shape that computes the same, or one with random weights: subjects for the benchmark."""

from dataclasses import replace
from typing import Any

import torch
from transformers import T5Config, T5ForConditionalGeneration

from g2p_batch.model.contract import Contract, Geometry
from g2p_compile.export.checkpoint import Checkpoint, from_program
from g2p_compile.export.exporter import program_weights
from g2p_compile.export.widening import widened

SHAPES: dict[str, dict[str, Any]] = {
    "tiny_8": {"encoder_layers": 6, "decoder_layers": 2, "d_ff": 512, "heads": 6, "d_model": 256},
    "tiny_12": {"encoder_layers": 8, "decoder_layers": 4, "d_ff": 1024, "heads": 6, "d_model": 256},
    "tiny_16": {"encoder_layers": 12, "decoder_layers": 4, "d_ff": 1024, "heads": 6, "d_model": 256},
    "small": {"encoder_layers": 12, "decoder_layers": 4, "d_ff": 3584, "heads": 6, "d_model": 1472},
}
"""The shapes of the upstream checkpoints."""


def random_checkpoint(like: Checkpoint, shape: str, seed: int = 0) -> Checkpoint:
    """Return an untrained checkpoint in an upstream shape; its outputs never end on their own."""
    geometry = replace(like.contract.geometry, **SHAPES[shape])
    torch.manual_seed(seed)
    model = T5ForConditionalGeneration(_config(like, geometry)).eval()
    model.lm_head.weight = torch.nn.Parameter(torch.randn_like(model.lm_head.weight))
    model.config.scale_decoder_outputs = geometry.logit_scale != 1.0
    return Checkpoint(model, _contract(like, geometry, f"random {shape}"), torch.float32)


def widen(source: Checkpoint, shape: str) -> Checkpoint:
    """Return a checkpoint in a larger upstream shape with the source's strings, as `widened` says."""
    geometry = replace(source.contract.geometry, **SHAPES[shape])
    weights = {name: weight.numpy() for name, weight in program_weights(source).items()}
    name = f"{source.contract.name} widened to {shape}"
    return from_program(_contract(source, geometry, name), widened(weights, source.contract.geometry, geometry))


def _config(like: Checkpoint, geometry: Geometry) -> T5Config:
    config = T5Config.from_dict(
        {
            **like.model.config.to_dict(),
            "num_layers": geometry.encoder_layers,
            "num_decoder_layers": geometry.decoder_layers,
            "d_ff": geometry.d_ff,
            "num_heads": geometry.heads,
            "d_model": geometry.d_model,
        }
    )
    config._attn_implementation = "eager"
    return config


def _contract(like: Checkpoint, geometry: Geometry, name: str) -> Contract:
    return replace(like.contract, name=name, checkpoint=name, checkpoint_sha256="", geometry=geometry)
