"""Arrow tables as the bytes of Parquet files, which a run stores whole; text columns as the bytes that they hold."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from g2p_batch.storage.publish import reading

_REPEATING = frozenset({"lang", "rank", "source", "status", "reason"})
"""Columns of few values. A dictionary of others, words above all, takes more time than all else and more space."""
_NUMBERS = frozenset({"row", "input_row"})
"""Columns of scattered numbers: what zstd gains over lz4 is not worth twice the time."""


def encoded(table: pa.Table) -> bytes:
    """Return a table as the bytes of a Parquet file with one row group."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression={_leaf(field): "lz4" if field.name in _NUMBERS else "zstd" for field in table.schema},
        use_dictionary=[name for name in table.column_names if name in _REPEATING],
        write_statistics=False,  # whoever reads, reads all
        row_group_size=max(1, len(table)),
    )
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _encoded_bytes(file: Path) -> int:
    """Return how many bytes the rows of a file are before they are compressed: about as many as in memory, or less."""
    with reading(file):
        facts = pq.read_metadata(file)
    return sum(facts.row_group(number).total_byte_size for number in range(facts.num_row_groups))


def _leaf(field: pa.Field) -> str:
    """Return what Parquet calls the values of a column."""
    return f"{field.name}.list.element" if pa.types.is_list(field.type) else str(field.name)


def decoded(data: bytes) -> pa.Table:
    """Return the table in what `encoded` made."""
    return pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)


def held(files: Sequence[Path], repeating: Sequence[str], most_bytes: int) -> pa.RecordBatch | None:
    """Return the rows of files of one schema, or None if they are more bytes.

    Args:
        files: at least one.
        repeating: columns of few values, to be dictionaries.
        most_bytes: what may be held.

    Raises:
        OutputError: the disk failed.
    """
    if sum(map(_encoded_bytes, files)) > most_bytes:  # none is read for nothing
        return None
    tables: list[pa.Table] = []
    for file in files:
        with reading(file), pq.ParquetFile(file, read_dictionary=repeating) as data:
            tables.append(data.read(use_threads=False))
        most_bytes -= tables[-1].nbytes
        if most_bytes < 0:
            return None
    columns = pa.concat_tables(tables).unify_dictionaries().combine_chunks().columns
    return pa.record_batch([column.chunk(0) for column in columns], names=tables[0].column_names)


def contents(texts: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Return offsets [N + 1] int64 and data [bytes] uint8 of a large_string array [N], without a copy."""
    if not len(texts):  # an empty array may come without buffers
        return np.zeros(1, np.int64), np.zeros(0, np.uint8)
    _, offsets, data = texts.buffers()
    view: Any = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return view, np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
