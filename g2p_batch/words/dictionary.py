"""What a model's dictionary says of words that the model itself says otherwise: its exceptions."""

from dataclasses import dataclass
from itertools import repeat
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
        said: list[tuple[Indices, Indices, pa.Array]] = [_NOTHING]
        langs = words["lang"].combine_chunks().dictionary_encode()
        codes = langs.indices.to_numpy()
        for code, tag in enumerate(langs.dictionary.to_pylist()):
            at = np.flatnonzero(codes == code)
            said.append(self._of(tag).find(_rows(words.select(["word", "asked"]), at), at))
        word, rank = (np.concatenate([one[part] for one in said]) for part in (0, 1))
        order = np.argsort(word, kind="stable")
        held = np.zeros(len(words), np.bool_)
        held[word] = True
        pron = pa.concat_arrays([one[2] for one in said]).take(pa.array(order))
        return Found(word[order], pron, pa.array((rank[order] + 1).astype(np.int8)), held)

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
        self._prons: pa.Array = rows["pron"].combine_chunks()
        self._starts: Indices = np.append(begins, len(word))
        # Arrow would hash all D anew for each shard, of which a language has thousands. 150 bytes a word.
        self._places = {text: place for place, text in enumerate(word.take(pa.array(begins)).to_pylist())}

    def find(self, words: pa.Table, at: Indices) -> tuple[Indices, Indices, pa.Array]:
        """Return of each pronunciation of words `at` [W] its word, its rank from 0, and itself."""
        place = self._places_of(words["word"])
        asked = _asked(words["asked"])
        rest = np.flatnonzero(asked.is_valid().to_numpy() & (place < 0))
        place[rest] = self._places_of(asked.take(pa.array(rest)))
        held = np.flatnonzero(place >= 0)
        first = self._starts[place[held]]
        count = self._starts[place[held] + 1] - first
        rank = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        return np.repeat(at[held], count), rank, self._prons.take(pa.array(np.repeat(first, count) + rank))

    def _places_of(self, words: pa.ChunkedArray) -> Indices:
        """Return which of the D each of some words is, -1 where it is none."""
        return np.fromiter(map(self._places.get, words.to_numpy(), repeat(-1)), np.int64, len(words))


_NOTHING = (np.zeros(0, np.int64), np.zeros(0, np.int64), pa.array([], pa.string()))


def _rows(table: pa.Table, at: Indices) -> pa.Table:
    """Return the rows `at`, rising, of a table; without a copy where they are adjacent, as those of a shard are."""
    adjacent = at[-1] - at[0] + 1 == len(at)
    return table.slice(at[0], len(at)) if adjacent else table.take(pa.array(at))


def _asked(asked: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return what a model would be asked, null where that is the word, or several texts."""
    return pc.if_else(pc.match_substring(asked, SEPARATOR), pa.scalar(None, pa.string()), asked)
