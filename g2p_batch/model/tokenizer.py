"""ByT5 ids and back: Arrow string arrays to padded id matrices, a whole batch at a time."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.model.ids import BYTE_OFFSET, EOS, PAD, Bool, Int32
from g2p_batch.storage.tables import contents

_OCTETS = 256
_NOTHING = pa.scalar("", pa.large_string())


@dataclass(frozen=True)
class Tokens:
    """The ids of N words, end to end."""

    lengths: Int32
    """[N]."""
    _starts: npt.NDArray[np.int64]
    """[N]: where a word begins in `ids`."""
    _ids: Int32
    """As many more than all lengths as the longest word has: a row as wide as that may begin anywhere."""

    def rows(self, words: Any) -> tuple[Int32, Int32]:
        """Return ids [n, S] int32, padded with `PAD`, and lengths [n] int32 of some words: indices [n] or a slice.

        S is the longest length of these (0 without words).
        """
        lengths = self.lengths[words]
        columns = np.arange(lengths.max(initial=0))
        ids = self._ids[self._starts[words, None] + columns]
        if len(lengths) and lengths.min() < len(columns):
            ids[columns >= lengths[:, None]] = PAD
        return ids, lengths


def tokens_of(words: pa.Array, prefixes: pa.Array) -> Tokens:
    """Turn words into ids, from which padded rows can be taken; arguments as of `tokenize`."""
    joined = pc.binary_join_element_wise(_large(prefixes), _large(words), _NOTHING)
    offsets, data = contents(joined)
    lengths = np.diff(offsets).astype(np.int32)
    ids = np.full(offsets[-1] - offsets[0] + lengths.max(initial=0), PAD, np.int32)
    np.add(data[offsets[0] : offsets[-1]], BYTE_OFFSET, out=ids[: offsets[-1] - offsets[0]], dtype=np.int32)
    return Tokens(lengths, offsets[:-1] - offsets[0], ids)


def tokenize(words: pa.Array, prefixes: pa.Array) -> tuple[Int32, Int32]:
    """Turn words into the ids of prefix plus word, without EOS.

    Args:
        words: string [N], no nulls.
        prefixes: string [N], the text put before each word, no nulls.

    Returns:
        ids [N, S] int32, padded with `PAD`, where S is the longest length (0 without words), and lengths [N] int32.
    """
    return tokens_of(words, prefixes).rows(slice(None))


def detokenize(ids: Int32) -> tuple[pa.Array, Bool]:
    """Turn output ids into text.

    A row ends before its first `EOS`. Ids that stand for no byte are dropped, and so are bytes that are not UTF-8,
    as `bytes.decode(errors="ignore")` would.

    Args:
        ids: [N, T] int32.

    Returns:
        text string [N] without nulls, and invalid_utf8 [N] bool: rows that lost bytes.
    """
    texts, invalid = text_of(np.where(_columns(ids) < _ends(ids)[:, None], ids, PAD))
    return texts.cast(pa.string()), invalid


def text_of(ids: Int32) -> tuple[pa.Array, Bool]:
    """Turn output ids [N, T], which hold `PAD` behind their `EOS`, into large_string [N]; else as `detokenize`."""
    octet = ids - BYTE_OFFSET
    keep = octet.view(np.uint32) < _OCTETS  # below 0 is far above, without a sign
    data = octet.astype(np.uint8)[keep]
    offsets = np.zeros(len(ids) + 1, np.int64)
    np.cumsum(np.count_nonzero(keep, axis=1), out=offsets[1:])
    octets = pa.Array.from_buffers(pa.large_binary(), len(ids), [None, pa.py_buffer(offsets), pa.py_buffer(data)])
    try:
        return octets.cast(pa.large_string()), np.zeros(len(ids), np.bool_)
    except pa.ArrowInvalid:  # Arrow names no row: look at each of this batch
        return _salvage(octets)


def _large(texts: pa.Array) -> pa.Array:
    return texts.cast(pa.large_string())


def _columns(matrix: Int32) -> Int32:
    return np.arange(matrix.shape[1], dtype=np.int32)[None, :]


def _ends(ids: Int32) -> npt.NDArray[np.int64]:
    """Return the column of the first EOS of each row, or T."""
    after = np.concatenate([ids == EOS, np.ones((len(ids), 1), np.bool_)], axis=1)
    ends: npt.NDArray[np.int64] = after.argmax(axis=1)
    return ends


def _salvage(octets: pa.Array) -> tuple[pa.Array, Bool]:
    rows: list[bytes] = octets.to_pylist()
    texts = [row.decode("utf-8", errors="ignore") for row in rows]
    invalid = [len(text.encode()) != len(row) for text, row in zip(texts, rows, strict=True)]
    return pa.array(texts, pa.large_string()), np.array(invalid, np.bool_)
