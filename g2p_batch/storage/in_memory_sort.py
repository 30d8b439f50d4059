"""Sorting in memory, for what fits there: quicker than a database by what is known of the rows."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from g2p_batch.storage.tables import contents

_BITS = 64
Indices = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


def distinct_words(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Sort words by key and bytes, and keep the first row of each.

    Args:
        batches: `row` int64, rising; `key` int64, at least 0; and `word` string, at least one byte each. The words of a
            key have as many bytes.

    Yields:
        The same columns, a batch for each key.
    """
    pieces: dict[int, list[tuple[Indices, Bytes]]] = {}
    for batch in filter(len, batches):
        for key, rows, words in _by_key(batch):
            pieces.setdefault(key, []).append((rows, words))
    for key, some in sorted(pieces.items()):
        rows, octets = (np.concatenate(columns) for columns in zip(*some, strict=True))
        words = octets.reshape(len(rows), -1)
        first = _distinct(words)
        columns = [rows[first], np.full(len(first), key), _texts(words[first])]
        yield pa.record_batch(columns, names=["row", "key", "word"])


def _by_key(batch: pa.RecordBatch) -> Iterator[tuple[int, Indices, Bytes]]:
    """Yield each key of a batch, with the rows [n] of its words and all their bytes, in the order of rows."""
    key = batch["key"].to_numpy()
    order = np.argsort(key.astype(np.uint16) if key.max() < 1 << 16 else key, kind="stable")
    key, rows = key[order], batch["row"].to_numpy()[order]
    offsets, data = contents(batch["word"].take(pa.array(order)).cast(pa.large_string()))
    starts = np.flatnonzero(_begins(key))
    ends = np.append(starts[1:], len(key))
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        yield int(key[start]), rows[start:end], data[offsets[start] : offsets[end]]


def by_input_row(rows: pa.RecordBatch, schema: pa.Schema, most: int) -> Iterator[pa.RecordBatch]:
    """Sort the rows of a lexicon by `input_row` and `rank`, and yield at most so many at a time.

    Args:
        rows: the columns of `schema`, which may be dictionaries.
        schema: what is yielded.
        most: rows of a batch.
    """
    rank = rows["rank"].to_numpy()
    order = np.argsort(rows["input_row"].to_numpy() * (int(rank.max()) + 1) + rank)
    for at in range(0, len(order), most):
        places = pa.array(order[at : at + most])
        yield pa.record_batch([_taken(rows[field.name], places, field.type) for field in schema], schema=schema)


def _taken(column: pa.Array, places: pa.Array, kind: pa.DataType) -> pa.Array:
    return pa.nulls(len(places), kind) if column.null_count == len(column) else column.take(places).cast(kind)


def _texts(words: Bytes) -> pa.Array:
    """Return words [n, width] as string [n]."""
    count, width = words.shape
    offsets = np.arange(count + 1, dtype=np.int32) * np.int32(width)
    return pa.Array.from_buffers(pa.string(), count, [None, pa.py_buffer(offsets), pa.py_buffer(words)])


def _distinct(words: Bytes) -> Indices:
    """Sort words [n, width] by their bytes, and return the place of the first of equal ones each.

    A few bytes and the place make one number, for nothing is sorted as fast as numbers by themselves. Those that begin
    alike are sorted again by their next bytes, below the number of their group.
    """
    order, first = np.arange(len(words)), np.ones(len(words), np.bool_)
    # Where in `order` words are that begin alike, how many bytes they share, and the numbers of their groups.
    open_, at, group = np.arange(len(words)), 0, np.zeros(len(words), np.uint64)
    while len(open_):
        place_bits = int(len(open_) - 1).bit_length()
        end = min(words.shape[1], at + (_BITS - place_bits - int(group[-1]).bit_length()) // 8)
        members = order[open_]
        octets = np.zeros((len(open_), 8), np.uint8)
        octets[:, 8 - (end - at) :] = words[members, at:end]
        packed = group << np.uint64(8 * (end - at)) | octets.view(">u8")[:, 0]
        packed = packed << np.uint64(place_bits) | np.arange(len(open_), dtype=np.uint64)
        packed.sort()
        order[open_] = members[(packed & np.uint64((1 << place_bits) - 1)).astype(np.int64)]
        begins = _begins(packed >> np.uint64(place_bits))
        if end == words.shape[1]:
            first[open_] = begins
            break
        alike = ~(begins & np.append(begins[1:], True))
        open_, at, group = open_[alike], end, np.cumsum(begins[alike], dtype=np.uint64)
    return order[first]


def _begins(values: Any) -> npt.NDArray[np.bool_]:
    """Tell where in sorted values [N] each distinct one begins."""
    begins = np.ones(len(values), np.bool_)
    np.not_equal(values[1:], values[:-1], out=begins[1:])
    return begins
