"""Parquet in memory: what a run stores is encoded whole, named by its digest, and put at once."""

import pyarrow as pa
import pyarrow.parquet as pq

_REPEATING = frozenset({"lang", "rank", "source", "status", "reason"})
"""Columns of few values. A dictionary of others, words above all, takes more time than all else and more space."""
_SORTED = frozenset({"word"})
"""Columns whose neighbours begin alike."""


def encoded(table: pa.Table) -> bytes:
    """Return a table as the bytes of a Parquet file with one row group."""
    sink = pa.BufferOutputStream()
    pq.write_table(
        table,
        sink,
        compression="zstd",
        use_dictionary=[name for name in table.column_names if name in _REPEATING],
        column_encoding={name: "DELTA_BYTE_ARRAY" for name in table.column_names if name in _SORTED},
        write_statistics=False,  # whoever reads, reads all
        row_group_size=max(1, len(table)),
    )
    data: bytes = sink.getvalue().to_pybytes()
    return data


def decoded(data: bytes) -> pa.Table:
    """Return the table in what `encoded` made."""
    return pq.read_table(pa.BufferReader(data), use_threads=False)
