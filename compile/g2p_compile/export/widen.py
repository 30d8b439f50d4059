"""Make a checkpoint of another shape that computes the same, or one with random weights: subjects for the benchmark."""

from dataclasses import replace
from typing import Any

import torch
from transformers import T5Config, T5ForConditionalGeneration

from g2p_batch.model.contract import Geometry
from g2p_compile.export.checkpoint import Checkpoint

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
    return _named(like, model, geometry, f"random {shape}")


def widen(source: Checkpoint, shape: str) -> Checkpoint:
    """Return a checkpoint in a larger upstream shape with the source's strings: the real cost, a real end of sequence.

    Added heads and feed-forward units have no way out (zero rows in the projections behind them), and added layers add
    nothing to the residual stream for the same reason. Both get random weights elsewhere, so no kernel can skip them.
    """
    geometry = replace(source.contract.geometry, **SHAPES[shape])
    torch.manual_seed(0)
    model = T5ForConditionalGeneration(_config(source, geometry)).eval()
    model.lm_head.weight = torch.nn.Parameter(torch.zeros_like(model.lm_head.weight))
    small, big = source.model.state_dict(), model.state_dict()
    for name, target in big.items():
        if name.endswith((".o.weight", ".wo.weight")):
            target.zero_()
        if name in small:
            target[tuple(slice(size) for size in small[name].shape)] = small[name]
    return _named(source, model, geometry, f"{source.contract.name} widened to {shape}")


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


def _named(like: Checkpoint, model: T5ForConditionalGeneration, geometry: Geometry, name: str) -> Checkpoint:
    model.config.scale_decoder_outputs = geometry.logit_scale != 1.0
    contract = replace(like.contract, name=name, checkpoint=name, checkpoint_sha256="", geometry=geometry)
    return Checkpoint(model, contract, torch.float32)
