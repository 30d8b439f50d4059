"""Arrow tables as the bytes of Parquet files, which a run stores whole; text columns as the bytes that they hold."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

_REPEATING = frozenset({"lang", "rank", "source", "status", "reason", "doubt"})
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


def _leaf(field: pa.Field) -> str:
    """Return what Parquet calls the values of a column."""
    return f"{field.name}.list.element" if pa.types.is_list(field.type) else str(field.name)


def decoded(data: bytes) -> pa.Table:
    """Return the table in what `encoded` made."""
    return pq.ParquetFile(pa.BufferReader(data)).read(use_threads=False)


def with_columns(rows: Any, schema: pa.Schema) -> Any:
    """Return a table or batch with the columns of a schema; those that it lacks are null."""
    has = set(rows.schema.names)
    columns = [rows[field.name] if field.name in has else pa.nulls(len(rows), field.type) for field in schema]
    return type(rows).from_arrays(columns, names=schema.names)


def contents(texts: pa.Array) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]]:
    """Return offsets [N + 1] int64 and data [bytes] uint8 of a large_string array [N], without a copy."""
    if not len(texts):  # an empty array may come without buffers
        return np.zeros(1, np.int64), np.zeros(0, np.uint8)
    _, offsets, data = texts.buffers()
    view: Any = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    return view, np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
