"""What training starts from: random weights of a shape, or a trained model."""

from dataclasses import replace
from typing import Any

import torch
from torch import nn
from transformers import T5ForConditionalGeneration

from g2p_batch.errors import UsageError
from g2p_batch.languages import LANGUAGES
from g2p_batch.model.contract import Contract, Geometry
from g2p_compile.check.transformers_reference import load_reference
from g2p_compile.export.checkpoint import MAX_SOURCE_BYTES, MAX_TARGET_BYTES, Checkpoint, config_of
from g2p_compile.export.widen import SHAPES
from g2p_compile.train.recipe import Recipe

_BUNDLED: dict[str, Any] = {"encoder_layers": 4, "decoder_layers": 2, "d_ff": 512, "heads": 4, "d_model": 256}
NAMED = SHAPES | {"bundled": _BUNDLED}
"""Shapes by name: upstream's, and the bundled checkpoint's."""

_BASE = Geometry(
    **_BUNDLED,
    d_kv=64,
    vocab=384,
    activation="gelu_new",
    gated=True,
    relative_buckets=32,
    relative_max_distance=128,
    norm_epsilon=1e-6,
    logit_scale=1.0,
)
_SIZES = ("encoder_layers", "decoder_layers", "d_model", "d_ff", "heads", "d_kv")


def geometry_of(shape: str) -> Geometry:
    """Return the geometry of a shape: a name, or sizes such as `d_model=128,heads=2`, others as in `bundled`.

    Raises:
        UsageError: it is neither.
    """
    if shape in NAMED:
        return replace(_BASE, **NAMED[shape])
    sizes: dict[str, Any] = dict(part.partition("=")[::2] for part in shape.split(","))
    wrong = [f"{name}={size}" for name, size in sizes.items() if name not in _SIZES or not _positive(size)]
    if wrong:
        raise UsageError(
            f"--shape {shape} is neither one of {', '.join(NAMED)} nor positive sizes of {', '.join(_SIZES)}, such as "
            f"d_model=128,heads=2: {wrong[0]}"
        )
    sizes = {name: int(size) for name, size in sizes.items()}
    return replace(_BASE, **sizes)


def _positive(text: str) -> bool:
    return text.isdecimal() and int(text) > 0


def load_start(recipe: Recipe) -> Checkpoint:
    """Return the model to train, on the CPU in float32; random weights are given by the recipe's seed.

    Its contract has every language until it is known which ones there is data for, or those of the trained model.

    Raises:
        ModelError, UsageError: the model or shape is none.
    """
    checkpoint = load_reference(recipe.start) if recipe.start else _random(recipe)
    own_storage(checkpoint.model)
    return checkpoint


def _random(recipe: Recipe) -> Checkpoint:
    geometry = geometry_of(recipe.shape)
    torch.manual_seed(recipe.mix.seed)
    model = T5ForConditionalGeneration(config_of(geometry))
    # transformers starts the head with a spread of 1, or ties it to an embedding of that spread: logits of tens.
    # With this spread they begin near a half.
    model.lm_head.weight = nn.Parameter(torch.randn(geometry.vocab, geometry.d_model) * 0.5 * geometry.d_model**-0.5)
    contract = Contract(
        name=recipe.shape,
        checkpoint=f"random {recipe.shape}",
        checkpoint_sha256="",
        prefix="space",
        languages=tuple(LANGUAGES),
        geometry=geometry,
        max_source_bytes=MAX_SOURCE_BYTES,
        max_target_bytes=MAX_TARGET_BYTES,
    )
    return Checkpoint(model, contract, torch.float32)


def own_storage(model: T5ForConditionalGeneration) -> None:
    """Give each parameter memory of its own that may be written: those of a program are views of its file."""
    for parameter in model.parameters():
        parameter.data = parameter.data.clone()
