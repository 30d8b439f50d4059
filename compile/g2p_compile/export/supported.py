"""Which checkpoints are supported, as far as that can be known of their files: needs neither torch nor a network."""

import json
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from g2p_batch.errors import ModelError
from g2p_batch.model.contract import Geometry
from g2p_compile.export.sources import CONFIG, require_config, require_hub_id, weight_files

_ACTIVATIONS = {"gated-gelu": ("gelu_new", True), "gated-gelu_new": ("gelu_new", True), "relu": ("relu", False)}
_FIXED = {
    "model_type": "t5",
    "is_encoder_decoder": True,
    "vocab_size": 384,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "decoder_start_token_id": 0,
}


def require_checkpoint(source: str, known: Collection[str] = ()) -> None:
    """Check that a source is the folder of a supported checkpoint, or could be the id of one on a hub.

    Args:
        source: what its user gave.
        known: names of models, of which the nearest is suggested.

    Raises:
        ModelError: it is neither; all reasons at once.
    """
    folder = Path(source)
    if folder.is_dir():
        require_config(folder)
        geometry_of(folder)
    else:
        require_hub_id(source, known)


def geometry_of(folder: Path) -> Geometry:
    """Return the geometry of the checkpoint in a folder.

    Raises:
        ModelError: it is not of the supported family (all reasons at once), or a file is damaged.
    """
    config = _config(folder)
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


def stored_dtype(folder: Path) -> str:
    """Return the type of the first weight of a checkpoint, as safetensors calls it: `F32`, `BF16` and so on."""
    with _open(weight_files(folder)[0]) as file:
        name = next(iter(file.keys()))
        return str(file.get_slice(name).get_dtype())


def _config(folder: Path) -> dict[str, Any]:
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as cause:
        raise ModelError(f"{path} cannot be read ({cause}): download the checkpoint again") from None
    if not isinstance(config, dict):
        raise ModelError(f"{path} is not a JSON object: download the checkpoint again")
    return config


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


@contextmanager
def _open(path: Path) -> Iterator[Any]:
    try:
        with safe_open(path, framework="np") as file:
            yield file
    except SafetensorError as cause:
        raise ModelError(f"{path} is damaged ({cause}): download the checkpoint again") from None
