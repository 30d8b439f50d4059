"""Load a T5 checkpoint from a folder or a model hub, and say what its contract is."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import T5Config, T5ForConditionalGeneration
from transformers.models.t5.modeling_t5 import T5Attention, T5Stack

from g2p_batch.errors import ModelError
from g2p_batch.languages import LANGUAGES
from g2p_batch.model.alphabet import Alphabets
from g2p_batch.model.contract import Contract, Geometry, Prefix
from g2p_compile.export.sources import checkpoint_digest, locate, weight_files
from g2p_compile.program import Program

_ACTIVATIONS = {"gated-gelu": ("gelu_new", True), "gated-gelu_new": ("gelu_new", True), "relu": ("relu", False)}
_FIXED = {
    "model_type": "t5",
    "is_encoder_decoder": True,
    "vocab_size": 384,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "decoder_start_token_id": 0,
}
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
    config = _config(folder)
    geometry = _geometry(folder, config)
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
    return Checkpoint(model, contract, _stored_dtype(folder))


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise ModelError(f"{path} cannot be read ({cause}): download the checkpoint again") from None
    if not isinstance(config, dict):
        raise ModelError(f"{path} is not a JSON object: download the checkpoint again")
    return config


def _geometry(folder: Path, config: dict[str, Any]) -> Geometry:
    reasons = [
        f"{key} is {config.get(key)!r}, not {wanted!r}" for key, wanted in _FIXED.items() if config.get(key) != wanted
    ]
    projection = config.get("feed_forward_proj", "relu")
    if projection not in _ACTIVATIONS:
        reasons.append(f"feed_forward_proj is {projection!r}, not one of {', '.join(_ACTIVATIONS)}")
    if not weight_files(folder):
        reasons.append("it has no *.safetensors file (pickled weights are not read: convert them first)")
    sizes = ("d_model", "d_ff", "d_kv", "num_heads", "num_layers")
    reasons += [f"{key} is {config.get(key)!r}, not a positive number" for key in sizes if not _positive(config, key)]
    if reasons:
        raise ModelError(f"{folder} is not a supported ByT5 checkpoint: " + "; ".join(reasons))
    activation, gated = _ACTIVATIONS[projection]
    return Geometry(
        d_model=config["d_model"],
        d_ff=config["d_ff"],
        d_kv=config["d_kv"],
        heads=config["num_heads"],
        encoder_layers=config["num_layers"],
        decoder_layers=config.get("num_decoder_layers") or config["num_layers"],
        vocab=config["vocab_size"],
        activation=activation,  # type: ignore[arg-type]
        gated=gated,
        relative_buckets=config.get("relative_attention_num_buckets", 32),
        relative_max_distance=config.get("relative_attention_max_distance", 128),
        norm_epsilon=config.get("layer_norm_epsilon", 1e-6),
        logit_scale=config["d_model"] ** -0.5 if _scaled(folder, config) else 1.0,
    )


def _positive(config: dict[str, Any], key: str) -> bool:
    value = config.get(key)
    return isinstance(value, int) and value > 0


def _scaled(folder: Path, config: dict[str, Any]) -> bool:
    """Tell whether logits are scaled by d_model**-0.5: a head of its own never; a tied one unless config.json says no.

    transformers 5 sets `tie_word_embeddings` on every T5 and keeps what the flag meant in `scale_decoder_outputs`.
    """
    for path in weight_files(folder):
        with _open(path) as file:
            if "lm_head.weight" in file.keys():  # noqa: SIM118 - the handle is no mapping
                return False
    return bool(config.get("scale_decoder_outputs", config.get("tie_word_embeddings") is not False))


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
    wrong = sorted(report["missing_keys"]) + sorted(key for key, *_ in report["mismatched_keys"])
    if wrong:
        listed = ", ".join(wrong[:_SHOWN]) + (f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else "")
        raise ModelError(
            f"the weights in {folder} are not those of its config.json, missing or of another shape: {listed}. "
            "Download the checkpoint again"
        )
    return model.eval()


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="pt") as file:
            yield file
    except SafetensorError as cause:
        raise ModelError(f"{path} is damaged ({cause}): download the checkpoint again") from None


def _stored_dtype(folder: Path) -> torch.dtype:
    with _open(weight_files(folder)[0]) as file:
        name = next(iter(file.keys()))
        dtype = file.get_tensor(name).dtype
    return dtype if dtype in (torch.bfloat16, torch.float16) else torch.float32


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


def from_program(program: Program) -> Checkpoint:
    """Rebuild the transformers model of a program: the exporter's tensors, taken apart again.

    Buckets of the relative position bias that no distance within the contract's lengths reaches stay zero.
    """
    geometry, weights = program.contract.geometry, program.weights
    model = T5ForConditionalGeneration(config_of(geometry)).eval()
    # The configuration ties the head to the embedding; the program may hold one of its own.
    model.lm_head.weight = torch.nn.Parameter(torch.from_numpy(weights["decoder.head"]))
    model.shared.weight.data.copy_(torch.from_numpy(weights["encoder.embedding"]))
    with torch.no_grad():
        for name, stack in (("encoder", model.encoder), ("decoder", model.decoder)):
            _fill_stack(stack, name, weights, program.contract)
    return Checkpoint(model, program.contract, torch.float32)


def _fill_stack(stack: T5Stack, name: str, weights: dict[str, Any], contract: Contract) -> None:
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
