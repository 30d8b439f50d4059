"""Load a T5 checkpoint from a folder or a model hub, and say what its contract is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import Tensor
from transformers import T5Config, T5ForConditionalGeneration
from transformers.models.t5.modeling_t5 import T5Attention, T5Stack

from g2p_batch.errors import ModelError
from g2p_batch.languages import LANGUAGES
from g2p_batch.model.contract import Alphabets, Contract, Geometry, Prefix
from g2p_compile.export.sources import checkpoint_digest, locate
from g2p_compile.export.supported import geometry_of, stored_dtype

_HALVES = {"BF16": torch.bfloat16, "F16": torch.float16}
_SHOWN = 5
"""Names listed in an error."""
MAX_SOURCE_BYTES, MAX_TARGET_BYTES = 128, 256


@dataclass(frozen=True)
class Checkpoint:
    """A loaded model, in float32, with its contract."""

    model: T5ForConditionalGeneration = field(repr=False)
    contract: Contract
    stored_dtype: torch.dtype
    """Floating type of the file's weights; a program keeps them in it."""


def load_checkpoint(
    source: str,
    *,
    revision: str | None = None,
    prefix: Prefix = "space",
    languages: tuple[str, ...] = tuple(LANGUAGES),
    alphabets: Alphabets | None = None,
    name: str | None = None,
) -> Checkpoint:
    """Load a `T5ForConditionalGeneration` with byte vocabulary.

    Args:
        source: a local folder, or a hub id such as `charsiu/g2p_multilingual_byT5_tiny_16_layers_100`.
        revision: branch, tag or commit on the hub.
        prefix: form of the language prefix that the checkpoint was trained with.
        languages: tags that it was trained on.
        alphabets: characters of its training words, where they are known.
        name: short name kept in the contract; the last part of `source` by default.

    Raises:
        ModelError: the checkpoint cannot be reached or read, or is not of the supported family (all reasons at once).
    """
    folder = locate(source, revision)
    geometry = geometry_of(folder)
    model = _model(folder)
    # transformers decides on this scaling from flags that other tools write differently; the contract's word is final.
    model.config.scale_decoder_outputs = geometry.logit_scale != 1.0
    contract = Contract(
        name=name or source.rstrip("/").rsplit("/", 1)[-1],
        checkpoint=source if not Path(source).is_dir() else Path(source).resolve().name,
        checkpoint_sha256=checkpoint_digest(folder),
        prefix=prefix,
        languages=languages,
        geometry=geometry,
        max_source_bytes=MAX_SOURCE_BYTES,
        max_target_bytes=MAX_TARGET_BYTES,
        alphabets=alphabets or {},
        versions={"torch": str(torch.__version__), "transformers": transformers.__version__},
    )
    return Checkpoint(model, contract, _HALVES.get(stored_dtype(folder), torch.float32))


def _model(folder: Path) -> T5ForConditionalGeneration:
    """Load the weights; transformers would fill in random ones for what is missing, so that is refused here."""
    # Its progress bar and notes are about loading in general; what matters is raised below.
    transformers.utils.logging.disable_progress_bar()
    transformers.utils.logging.set_verbosity_error()
    try:
        model, report = T5ForConditionalGeneration.from_pretrained(
            folder,
            dtype=torch.float32,
            use_safetensors=True,
            attn_implementation="eager",
            ignore_mismatched_sizes=True,
            output_loading_info=True,
        )
    except (OSError, RuntimeError, SafetensorError, StrictDataclassError, TypeError, ValueError) as cause:
        reason = str(cause).strip().splitlines()[0]
        raise ModelError(f"{folder} cannot be loaded ({reason}): download the checkpoint again") from None
    if wrong := sorted(report["missing_keys"]) + sorted(key for key, *_ in report["mismatched_keys"]):
        raise ModelError(
            f"the weights in {folder} are not those of its config.json, missing or of another shape: {_listed(wrong)}. "
            "Download the checkpoint again"
        )
    if wrong := sorted(name for name, weight in model.named_parameters() if not weight.isfinite().all()):
        raise ModelError(
            f"weights in {folder} are infinite or no numbers: {_listed(wrong)}. Download the checkpoint again; if they "
            "stay so, its training or a conversion to float16 went wrong"
        )
    return model.eval()


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")


def config_of(geometry: Geometry) -> T5Config:
    """Return the transformers configuration of a geometry, with attention written out in plain operations."""
    config = T5Config(
        vocab_size=geometry.vocab,
        d_model=geometry.d_model,
        d_ff=geometry.d_ff,
        d_kv=geometry.d_kv,
        num_heads=geometry.heads,
        num_layers=geometry.encoder_layers,
        num_decoder_layers=geometry.decoder_layers,
        feed_forward_proj="gated-gelu" if geometry.gated else geometry.activation,
        layer_norm_epsilon=geometry.norm_epsilon,
        relative_attention_num_buckets=geometry.relative_buckets,
        relative_attention_max_distance=geometry.relative_max_distance,
        decoder_start_token_id=0,
        eos_token_id=1,
        pad_token_id=0,
        tie_word_embeddings=geometry.logit_scale != 1.0,
    )
    config._attn_implementation = "eager"
    return config


def from_program(contract: Contract, weights: Mapping[str, Any]) -> Checkpoint:
    """Rebuild the transformers model of a program from its weights: the exporter's tensors, taken apart again.

    Buckets of the relative position bias that no distance within the contract's lengths reaches stay zero.
    """
    model = T5ForConditionalGeneration(config_of(contract.geometry)).eval()
    # The configuration ties the head to the embedding; the program may hold one of its own.
    model.lm_head.weight = torch.nn.Parameter(torch.from_numpy(weights["decoder.head"]))
    model.shared.weight.data.copy_(torch.from_numpy(weights["encoder.embedding"]))
    with torch.no_grad():
        for name, stack in (("encoder", model.encoder), ("decoder", model.decoder)):
            _fill_stack(stack, name, weights, contract)
    return Checkpoint(model, contract, torch.float32)


def _fill_stack(stack: T5Stack, name: str, weights: Mapping[str, Any], contract: Contract) -> None:
    def put(parameter: Tensor, value: Any) -> None:
        parameter.copy_(torch.as_tensor(value))

    put(stack.final_layer_norm.weight, weights[f"{name}.norm"])
    first = stack.block[0].layer[0].SelfAttention
    reach = contract.max_source_bytes
    distances = torch.arange(-reach + 1, reach) if name == "encoder" else -torch.arange(contract.max_target_bytes)
    table = torch.zeros_like(first.relative_attention_bias.weight)
    table[bias_buckets(first, distances)] = torch.from_numpy(weights[f"{name}.bias"]).T
    put(first.relative_attention_bias.weight, table)
    for i, block in enumerate(stack.block):
        layer = {
            key.removeprefix(f"{name}.layers.{i}."): w
            for key, w in weights.items()
            if key.startswith(f"{name}.layers.{i}.")
        }
        attention = block.layer[0].SelfAttention
        put(block.layer[0].layer_norm.weight, layer["attention.norm"])
        for part, value in zip(
            (attention.q, attention.k, attention.v), np.split(layer["attention.qkv"], 3), strict=True
        ):
            put(part.weight, value)
        put(attention.o.weight, layer["attention.out"])
        if name == "decoder":
            cross = block.layer[1].EncDecAttention
            put(block.layer[1].layer_norm.weight, layer["cross_norm"])
            put(cross.q.weight, layer["cross_query"])
            for part, value in zip((cross.k, cross.v), np.split(layer["cross_keys_values"], 2), strict=True):
                put(part.weight, value)
            put(cross.o.weight, layer["cross_out"])
        dense = block.layer[-1].DenseReluDense
        put(block.layer[-1].layer_norm.weight, layer["ff.norm"])
        if contract.geometry.gated:
            put(dense.wi_0.weight, layer["ff.gate"])
            put(dense.wi_1.weight, layer["ff.up"])
        else:
            put(dense.wi.weight, layer["ff.up"])
        put(dense.wo.weight, layer["ff.down"])


def bias_buckets(attention: T5Attention, distances: Tensor) -> Tensor:
    """Return the bucket [N] of the relative position bias for keys `distances` [N] positions after their query."""
    return T5Attention._relative_position_bucket(
        distances,
        bidirectional=not attention.is_decoder,
        num_buckets=attention.relative_attention_num_buckets,
        max_distance=attention.relative_attention_max_distance,
    )
