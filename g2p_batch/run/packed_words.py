"""A word with what is asked for it as one text, by which words are sorted and compared.

Columns that are null for nearly all words would cost the sorting of all of them a third. What is asked comes first, so
that words that are asked the same are adjacent; the mark between sorts before all that a word can hold.
"""

from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.storage.tables import contents

MARK = "\x1e"
"""Stands between what is asked, the word and its doubt."""


class Unpacked(NamedTuple):
    """Columns of `filter.WORDS`, string [N] each; the last two may be null."""

    word: pa.Array
    asked: pa.Array
    doubt: pa.Array


def packed(words: pa.RecordBatch) -> pa.Array:
    """Return words [N] of schema `filter.WORDS` with what is asked and what is doubtful, string [N].

    A word that is asked as it is, and not doubtful, is itself.
    """
    if all(words[name].null_count == len(words) for name in ("asked", "doubt")):
        return words["word"]
    odd = pc.or_(words["asked"].is_valid(), words["doubt"].is_valid())
    word, asked, doubt = (words[name].filter(odd) for name in Unpacked._fields)
    texts = pc.binary_join_element_wise(pc.coalesce(asked, word), word, pc.fill_null(doubt, ""), MARK)
    return pc.replace_with_mask(words["word"], odd, texts)


def unpacked(texts: pa.Array) -> Unpacked:
    """Return what `packed` made of some words [N]."""
    none = pa.nulls(len(texts), pa.string())
    offsets, octets = contents(texts.cast(pa.large_string()))
    marks = np.flatnonzero(octets[offsets[0] : offsets[-1]] == ord(MARK)) + offsets[0]
    if not len(marks):
        return Unpacked(texts, none, none)
    at = np.searchsorted(offsets, marks[::2], side="right") - 1  # each packed word has two
    parts = pc.split_pattern(texts.take(pa.array(at)), MARK).flatten()
    asked, word, doubt = (parts.take(pa.array(np.arange(len(at)) * 3 + part)) for part in range(3))
    mask = np.zeros(len(texts), np.bool_)
    mask[at] = True
    return Unpacked(
        pc.replace_with_mask(texts, mask, word),
        pc.replace_with_mask(none, mask, pc.if_else(pc.equal(asked, word), pa.scalar(None, pa.string()), asked)),
        pc.replace_with_mask(none, mask, pc.if_else(pc.equal(doubt, ""), pa.scalar(None, pa.string()), doubt)),
    )
