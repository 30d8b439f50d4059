"""Where a checkpoint's files are, and which checkpoint they are; needs no torch."""

import difflib
import hashlib
import re
from collections.abc import Collection
from pathlib import Path

from g2p_batch.errors import ModelError
from g2p_batch.model.contract import CONTRACT, MANIFEST, digest

CONFIG = "config.json"
_FILES = [CONFIG, "generation_config.json", "*.safetensors", "*.safetensors.index.json"]


def locate(source: str, revision: str | None = None) -> Path:
    """Return the folder of a checkpoint, fetched from the hub unless `source` is a folder.

    Raises:
        ModelError: it is neither a folder nor a hub id, the hub could not give it, or it is no checkpoint.
    """
    folder = Path(source) if Path(source).is_dir() else _fetched(source, revision)
    require_config(folder)
    return folder


def require_config(folder: Path) -> None:
    """Check that a folder has the file by which one knows a checkpoint.

    Raises:
        ModelError: it has not.
    """
    if not (folder / CONFIG).is_file():
        raise ModelError(
            f"{folder} holds no model, neither {MANIFEST} of a compiled one, {CONTRACT} of a program nor {CONFIG} of a "
            "checkpoint: give the folder that has one of them"
        )


def require_hub_id(source: str, known: Collection[str] = ()) -> None:
    """Check that what is no folder could be the id of a checkpoint on a hub: OWNER/NAME.

    Args:
        source: what its user gave.
        known: names of models, of which the nearest is suggested.

    Raises:
        ModelError: it could not.
    """
    if Path(source).exists():
        raise ModelError(f"{source} is a file, and no model: {_WANTED}")
    if not _HUB_ID.fullmatch(source):
        names = {name.lower(): name for name in known}
        nearest = [names[name] for name in difflib.get_close_matches(source.lower(), names, n=1)]
        hint = f"did you mean {nearest[0]}? Or {_WANTED}" if nearest else _WANTED
        raise ModelError(f"{source} is neither a folder nor a hub id: {hint}")


_HUB_ID = re.compile(r"(?!.*(?:--|\.\.))\w[\w.-]{0,95}/\w[\w.-]{0,95}", re.ASCII)
"""Ids without an owner, which hubs know too, are of their first models, none of which reads bytes."""
_WANTED = (
    "give a folder that holds config.json and *.safetensors, or an id such as "
    "charsiu/g2p_multilingual_byT5_tiny_16_layers_100"
)


def _fetched(source: str, revision: str | None) -> Path:
    require_hub_id(source)
    import huggingface_hub  # comes with transformers

    try:
        return Path(huggingface_hub.snapshot_download(source, revision=revision, allow_patterns=_FILES))
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
    for path in [folder / CONFIG, *weight_files(folder)]:
        total.update(f"{path.name} {digest(path)}\n".encode())
    return total.hexdigest()
