"""Parquet lexicons: all columns, zstd, provenance in the file metadata."""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from g2p_batch.formats.lexicon import LEXICON, WriteOptions


def write(batches: Iterable[pa.RecordBatch], path: Path, options: WriteOptions) -> None:
    """Write a lexicon, one row group per batch; scores and status are always there."""
    schema = LEXICON.with_metadata(dict(options.provenance))
    with pq.ParquetWriter(path, schema, compression="zstd") as file:
        for batch in batches:
            file.write_batch(batch)
