"""Parquet in memory: what a run stores is encoded whole, named by its digest, and put at once."""

import pyarrow as pa
import pyarrow.parquet as pq


def encoded(table: pa.Table) -> bytes:
    """Return a table as the bytes of a Parquet file with one row group."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", row_group_size=max(1, len(table)))
    data: bytes = sink.getvalue().to_pybytes()
    return data


def decoded(data: bytes) -> pa.Table:
    """Return the table in what `encoded` made."""
    return pq.read_table(pa.BufferReader(data), use_threads=False)
