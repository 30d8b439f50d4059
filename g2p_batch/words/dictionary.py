"""What a model's dictionary says of words that the model itself says otherwise: its exceptions."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from g2p_batch.model.ids import Bool
from g2p_batch.words.filter import Indices
from g2p_batch.words.spelling import SEPARATOR

EXCEPTION = pa.schema([("lang", pa.string()), ("word", pa.string()), ("pron", pa.string())])
"""A row a pronunciation. Those of a word are adjacent, the usual one first; words are sorted by language."""


@dataclass(frozen=True)
class Found:
    """What a dictionary says of some of N words.

    Attributes:
        word: [V] int64, the place of each pronunciation's word, rising.
        pron: [V] string.
        rank: [V] int8, from 1.
        held: [N] bool, which of the words it has.
    """

    word: Indices
    pron: pa.Array
    rank: pa.Array
    held: Bool


class Dictionary:
    """The exceptions of a model, read when the first word of a language is asked for."""

    def __init__(self, path: Path) -> None:
        """Name the Parquet file, of schema `EXCEPTION`."""
        self._path = path
        self._languages: dict[str, _Entries] = {}

    def find(self, words: pa.Table) -> Found:
        """Look words [N] of schema `filter.WORDS` up: as they are written, else as a model would be asked."""
        which = np.full(len(words), -1, np.int64)
        langs = pa.concat_arrays(words["lang"].chunks).dictionary_encode() if len(words) else pa.array([])
        prons, ends = [pa.array([], pa.string())], [np.zeros(1, np.int64)]
        entries = prons_before = 0
        for code, tag in enumerate(langs.dictionary.to_pylist() if len(words) else ()):
            held = self._of(tag)
            at = np.flatnonzero(pc.equal(langs.indices, code))
            rows = words.take(pa.array(at))
            place = pc.coalesce(held.places(rows["word"]), held.places(_asked(rows["asked"])))
            which[at] = pc.fill_null(pc.add(place, entries), -1).to_numpy()
            prons.append(held.prons)
            ends.append(held.ends + prons_before)
            entries += len(held.ends)
            prons_before += len(held.prons)
        starts = np.concatenate(ends)
        found = np.flatnonzero(which >= 0)
        first, count = starts[which[found]], np.diff(starts)[which[found]]
        word = np.repeat(found, count)
        rank = np.arange(len(word)) - np.repeat(np.cumsum(count) - count, count)
        pron = pa.concat_arrays(prons).take(pa.array(np.repeat(first, count) + rank))
        return Found(word, pron, pa.array((rank + 1).astype(np.int8)), which >= 0)

    def _of(self, tag: str) -> "_Entries":
        if tag not in self._languages:
            table = pq.read_table(self._path, filters=[("lang", "=", tag)])
            self._languages[tag] = _Entries(table.combine_chunks())
        return self._languages[tag]


class _Entries:
    """The exceptions of a language: D words."""

    def __init__(self, rows: pa.Table) -> None:
        word = rows["word"].combine_chunks()
        first = np.ones(len(word), np.bool_)
        first[1:] = pc.not_equal(word[1:], word[:-1]).to_numpy(zero_copy_only=False)
        begins = np.flatnonzero(first)
        self.prons: pa.Array = rows["pron"].combine_chunks()
        self.ends: Indices = np.append(begins[1:], len(word))[: len(begins)]
        """[D], behind the pronunciations of each."""
        self._words = word.take(pa.array(begins))

    def places(self, words: pa.ChunkedArray) -> pa.ChunkedArray:
        """Return which of the D each of some words is, null where it is none."""
        return pc.index_in(words, value_set=self._words, skip_nulls=True)


def _asked(asked: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return what a model would be asked, null where that is the word, or several texts."""
    return pc.if_else(pc.match_substring(asked, SEPARATOR), pa.scalar(None, pa.string()), asked)
