"""Exceptions: the words that a model was trained on and does not say as their dictionary does."""

import filecmp
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import torch

from g2p_batch.model.alphabet import ALPHABET, read_alphabets
from g2p_batch.model.contract import EXCEPTIONS, Contract
from g2p_batch.model.ids import Float32
from g2p_batch.storage.publish import publish, put
from g2p_batch.words.dictionary import EXCEPTION
from g2p_batch.words.spelling import SEPARATOR, Spelling
from g2p_compile.check.transformers_reference import load_reference
from g2p_compile.train.batches import IGNORED, batch_of
from g2p_compile.train.data import Examples, Int64, examples_of
from g2p_compile.train.network import Network
from g2p_compile.train.recipe import Recipe
from g2p_compile.train.save import CONFIG, DTYPES, WEIGHTS
from g2p_compile.train.threads import threads

_SURE = 0.3
"""Nats by which the right token has to lead everywhere. Number formats of compiled models move logits by less, but for
two words in 6,000 in int8 (the bundled model), so that what is no exception comes out the same in all of them."""

_BYTES = 10_000
"""Of the words and pronunciations of a batch, about."""


def exceptions(network: Network, device: str, dictionary: pa.Table, contract: Contract) -> pa.Table:
    """Return what a dictionary says of words that a model says otherwise, barely right, or in one way of several.

    A model that is told the right tokens up to a place, and finds the next one the most probable at each, is one that
    decodes them greedily: one pass over each word, no decoding.

    Args:
        network: the model.
        device: where it is.
        dictionary: words of schema `REFERENCE` that the model may be asked, each once.
        contract: the form of the prefix, and the alphabets, by which words are asked.

    Returns:
        Rows of schema `EXCEPTION`. A word that is not asked as it is written is among them also where it is asked like
        another exception, so that looking for what is asked never finds the wrong one; and one in several parts always.
    """
    words = dictionary.combine_chunks()
    word, lang, prons = (words[name].combine_chunks() for name in ("word", "lang", "prons"))
    asked = asked_of(words, contract)
    variants = pc.list_value_length(prons).to_numpy()
    first = pc.list_element(prons, 0)
    is_right = leads(network, device, asked, lang, first, contract) > _SURE
    is_parted = pc.match_substring(asked, SEPARATOR).to_numpy(zero_copy_only=False)
    is_exception = ~is_right | (variants > 1) | is_parted
    clashes = pc.is_in(named(lang, asked), named(lang, word).filter(pa.array(is_exception)))
    is_exception |= clashes.to_numpy(zero_copy_only=False)
    return exception_rows(words.filter(pa.array(is_exception)))


def asked_of(words: pa.Table, contract: Contract) -> pa.Array:
    """Return what a model is asked for words [N] of schema `REFERENCE`, with separators where it is several texts."""
    word, lang = (words[name].combine_chunks() for name in ("word", "lang"))
    return pc.coalesce(Spelling(contract.alphabets).ask(word, lang.dictionary_encode()).text, word)


def named(lang: Any, text: Any) -> Any:
    """Return texts [N] with their languages [N], as one text each."""
    return pc.binary_join_element_wise(lang, text, "\t")


def exception_rows(words: pa.Table) -> pa.Table:
    """Return words of schema `REFERENCE` as rows of schema `EXCEPTION`, sorted."""
    words = words.sort_by([("lang", "ascending"), ("word", "ascending")])
    prons = words["prons"].combine_chunks()
    rows = words.select(["lang", "word"]).take(pc.list_parent_indices(prons))
    return rows.append_column("pron", prons.flatten()).cast(EXCEPTION)


def keep_exceptions(folder: Path, recipe: Recipe, device: str, dictionary: pa.Table) -> int:
    """Write the exceptions of a trained checkpoint beside its weights, and return how many words they are.

    Args:
        folder: of the checkpoint, as `save_checkpoint` wrote it.
        recipe: that it was trained by.
        device: where to compute.
        dictionary: words of schema `REFERENCE` that it was trained on, as they are written.

    Raises:
        ModelError: the checkpoint is damaged.
        OutputError: the file cannot be written.
    """
    checkpoint = load_reference(str(folder / CONFIG))
    model = checkpoint.model.to(device).eval()
    network = Network(model, DTYPES[recipe.precision], checkpoint.contract.geometry.logit_scale)
    contract = replace(checkpoint.contract, alphabets=read_alphabets(folder / ALPHABET))
    rows = exceptions(network, device, dictionary, contract)
    write_exceptions(folder / EXCEPTIONS, rows)
    return len(rows.group_by(["lang", "word"]).aggregate([]))


def share_exceptions(last: Path, best: Path) -> bool:
    """Copy the exceptions of one checkpoint to another if both have the same weights, and return whether they have.

    Args:
        last: the checkpoint that has them.
        best: the other one.

    Raises:
        OutputError: the file cannot be written.
    """
    same = filecmp.cmp(last / WEIGHTS, best / WEIGHTS, shallow=False)
    if same:
        put(best / EXCEPTIONS, (last / EXCEPTIONS).read_bytes())
    return same


def write_exceptions(path: Path, rows: pa.Table) -> None:
    """Write rows of schema `EXCEPTION`, a row group a language.

    Raises:
        OutputError: the file cannot be written.
    """

    def write(draft: Path) -> None:
        # Sorted words share their beginnings with the one before.
        encodings = {"word": "DELTA_BYTE_ARRAY", "pron": "PLAIN", "lang": "PLAIN"}
        packing = {"compression": "zstd", "compression_level": 19, "use_dictionary": False}
        with pq.ParquetWriter(draft, EXCEPTION, column_encoding=encodings, **packing) as file:
            for tag in sorted(pc.unique(rows["lang"]).to_pylist()):
                file.write_table(rows.filter(pc.equal(rows["lang"], tag)))

    publish(path, write)


def leads(
    network: Network,
    device: str,
    words: pa.Array,
    langs: pa.Array,
    prons: pa.Array,
    contract: Contract,
) -> Float32:
    """Return how far the right token leads all others at the place where it leads least, in nats, [N] float32.

    Args:
        network: the model.
        device: where it is.
        words: [N], as they are asked.
        langs: [N], their tags.
        prons: [N], their pronunciations.
        contract: the form of the prefix.
    """
    examples = examples_of(pa.table({"lang": langs, "word": words, "pron": prons}), contract)
    sources, targets = examples.words.lengths, examples.prons.lengths
    order = np.lexsort((sources, targets))[::-1]  # what needs most memory first
    result = np.empty(len(words), np.float32)
    parts = np.array_split(order, max(1, int((sources + targets).sum()) // _BYTES))
    with threads(device) as workers:
        found = workers.lazily(lambda rows: _leads(network, device, examples, rows), parts)
        for rows, lead in zip(parts, found, strict=True):
            result[rows] = lead
    return result


def _leads(network: Network, device: str, examples: Examples, rows: Int64) -> Float32:
    batch = batch_of(examples, rows, examples.lang[rows].astype(np.int64))
    with torch.inference_mode():
        sources, inputs, labels = (
            torch.from_numpy(ids).to(device) for ids in (batch.sources, batch.inputs, batch.labels)
        )
        logits = network.logits(sources, inputs).float()
        at = labels.flatten().clamp(min=0)[:, None]
        right = logits.gather(1, at)[:, 0]
        logits.scatter_(1, at, -torch.inf)
        lead = torch.where(labels.flatten() == IGNORED, torch.inf, right - logits.amax(1))
        smallest: Float32 = lead.view(labels.shape).amin(1).cpu().numpy()
    return smallest
