"""A trained model as the folder of a checkpoint, and the configuration that names its prefix and languages."""

import copy
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch
from transformers import GenerationConfig
from transformers.utils import logging

from g2p_batch.model.alphabet import ALPHABET, to_json
from g2p_batch.model.contract import EXCEPTIONS, Contract
from g2p_batch.storage.publish import publish, replace_folder
from g2p_compile.export.checkpoint import Checkpoint
from g2p_compile.train.recipe import Precision

CONFIG = "model.toml"
WEIGHTS = "model.safetensors"
HELD_OUT = "held-out.parquet"
"""The words that a training keeps back, in its folder."""
_FILES = ("config.json", "generation_config.json", WEIGHTS, ALPHABET, CONFIG, EXCEPTIONS)

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def save_checkpoint(checkpoint: Checkpoint, folder: Path, dtype: Precision) -> None:
    """Write config, weights, `alphabet.json` and `model.toml`, in place of earlier ones.

    `load_checkpoint` and `--model FOLDER` read the folder; `--model FOLDER/model.toml` also knows its languages.

    Args:
        checkpoint: the model, on any device.
        folder: appears whole.
        dtype: of the stored weights.

    Raises:
        OutputError: it cannot be written, or holds other files.
    """
    logging.disable_progress_bar()  # the training has one of its own
    model = copy.deepcopy(checkpoint.model).to("cpu", DTYPES[dtype]).eval()
    model.generation_config = GenerationConfig(
        decoder_start_token_id=0,
        eos_token_id=1,
        pad_token_id=0,
        max_new_tokens=checkpoint.contract.max_target_bytes,
    )
    text = _toml(checkpoint.contract, folder)

    def fill(draft: Path) -> None:
        model.save_pretrained(draft)
        for file in draft.iterdir():
            file.chmod(0o644)  # safetensors makes files that only their owner can read
        (draft / ALPHABET).write_bytes(to_json(checkpoint.contract.alphabets))
        (draft / CONFIG).write_text(text, encoding="utf-8")

    replace_folder(folder, fill, _FILES)


def write_held_out(folder: Path, words: pa.Table) -> None:
    """Write the words of schema `REFERENCE` that a training keeps back as `held-out.parquet`; variants are rows.

    Raises:
        OutputError: it cannot be written.
    """
    prons = words["prons"].combine_chunks()
    rows = words.select(["lang", "word"]).take(pc.list_parent_indices(prons))
    table = rows.append_column("pron", prons.flatten())
    publish(folder / HELD_OUT, lambda draft: pq.write_table(table, draft, compression="zstd"))


def _toml(contract: Contract, folder: Path) -> str:
    # Strings and lists of JSON are TOML.
    return (
        "# What the checkpoint's files do not say. Change `source` when the folder is moved.\n"
        f"source = {json.dumps(str(folder.resolve()), ensure_ascii=False)}\n"
        f"prefix = {json.dumps(contract.prefix)}\n"
        f"languages = {json.dumps(list(contract.languages))}\n"
        f"alphabet = {json.dumps(ALPHABET)}\n"
    )
