"""Where a checkpoint's files are, and which checkpoint they are; needs no torch."""

import hashlib
from pathlib import Path

import huggingface_hub
from huggingface_hub.errors import HFValidationError

from g2p_batch.errors import ModelError
from g2p_batch.model.contract import digest

_CONFIG = "config.json"
_FILES = [_CONFIG, "generation_config.json", "*.safetensors", "*.safetensors.index.json"]


def locate(source: str, revision: str | None = None) -> Path:
    """Return the folder of a checkpoint, fetched from the hub unless `source` is a folder.

    Raises:
        ModelError: it is neither a folder nor a hub id, the hub could not give it, or it is no checkpoint.
    """
    folder = Path(source) if Path(source).is_dir() else _fetched(source, revision)
    if not (folder / _CONFIG).is_file():
        raise ModelError(f"{folder} holds no {_CONFIG}: give the folder of a transformers checkpoint")
    return folder


def _fetched(source: str, revision: str | None) -> Path:
    try:
        return Path(huggingface_hub.snapshot_download(source, revision=revision, allow_patterns=_FILES))
    except HFValidationError:
        raise ModelError(
            f"{source} is neither a folder nor a hub id: give a folder that holds config.json and *.safetensors, "
            "or an id such as charsiu/g2p_multilingual_byT5_tiny_16_layers_100"
        ) from None
    except Exception as cause:  # the hub client raises its transport's errors as they are
        reason = (str(cause).strip() or type(cause).__name__).splitlines()[0]
        raise ModelError(
            f"{source} is not a folder here, and the model hub could not give it ({reason}): check the name and the "
            "network, or download the checkpoint elsewhere and pass its folder"
        ) from None


def weight_files(folder: Path) -> list[Path]:
    """Return the checkpoint's weight files; pickled ones are never read."""
    return sorted(folder.glob("*.safetensors"))


def checkpoint_digest(folder: Path) -> str:
    """Return one sha256 over config and weights, by name and content."""
    total = hashlib.sha256()
    for path in [folder / _CONFIG, *weight_files(folder)]:
        total.update(f"{path.name} {digest(path)}\n".encode())
    return total.hexdigest()
