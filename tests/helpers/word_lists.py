"""Word lists written, read and refused."""

import gzip
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from g2p_batch.errors import InputError
from g2p_batch.words.wordlist import ROWS, WordLists, read

PLAIN = "hello\nˈstraße\nภาษา\n"
PLAIN_ROWS = [("hello", "eng-us", None), ("ˈstraße", "eng-us", None), ("ภาษา", "eng-us", None)]
PACKERS = {"": bytes, ".gz": gzip.compress, ".zst": lambda data: pa.compress(data, codec="zstd", asbytes=True)}


def rows(
    *inputs: str | Path, batch_rows: int = 65536, **options: Any
) -> list[tuple[str | None, str | None, str | None]]:
    """Read all rows and check their numbers."""
    batches = list(read(WordLists(tuple(str(name) for name in inputs), **options), batch_rows))
    assert all(batch.schema == ROWS and 0 < len(batch) <= batch_rows for batch in batches)
    table = pa.Table.from_batches(batches, ROWS)
    table.validate(full=True)
    assert table["row"].to_pylist() == list(range(1, len(table) + 1))
    return [(row["word"], row["lang"], row["reason"]) for row in table.to_pylist()]


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def failure(*inputs: str | Path, **options: Any) -> str:
    """Return how inputs are refused."""
    with pytest.raises(InputError) as error:
        rows(*inputs, **options)
    return str(error.value)
