"""Columns of Parquet files to columns of text, a batch at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.words.delimited import INVALID_UTF8, Columns, decode

_TEXTS = (pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view())


@dataclass(frozen=True)
class ColumnLayout:
    """Names of the columns of one file that hold words and languages."""

    word: str
    lang: str | None
    further: tuple[str | None, ...] = ()
    """Other columns that are wanted; None is one that the file does not have."""


def is_readable(kind: pa.DataType, numbers: bool) -> bool:
    """Tell whether a column is text, or if that will do a floating number."""
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return value in _TEXTS or (numbers and pa.types.is_floating(kind))


def parse(file: Any, layout: ColumnLayout, rows: int) -> Iterator[Columns]:
    """Yield the rows of a `pyarrow.parquet.ParquetFile`, at most `rows` at a time."""
    wanted = [column for column in (layout.word, layout.lang, *layout.further) if column is not None]
    for batch in file.iter_batches(batch_size=rows, columns=wanted):
        words, invalid = decode(_bytes(batch.column(layout.word)))
        langs = None if layout.lang is None else decode(_bytes(batch.column(layout.lang)))[0]
        further = []
        for column in layout.further:
            cells = pa.nulls(len(words), pa.string()) if column is None else batch.column(column)
            text, bad = decode(_bytes(cells))
            further.append(text)
            invalid |= bad
        reasons = pc.if_else(pa.array(invalid), INVALID_UTF8, pa.scalar(None, pa.string()))
        yield Columns(words, langs, reasons, tuple(further))


def _bytes(column: pa.Array) -> pa.Array:
    """View text as bytes: readers of Parquet do not check that strings are UTF-8."""
    column = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    column = column.cast(pa.string()) if pa.types.is_floating(column.type) else column
    return column.cast(pa.binary())
