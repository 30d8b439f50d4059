"""Parquet lexicons: all columns, zstd, provenance in the file metadata."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from g2p_batch.errors import InputError
from g2p_batch.formats.entries import ENTRIES, NO_PRONUNCIATION
from g2p_batch.formats.kind import Expected, Format, Problem
from g2p_batch.formats.lexicon import LEXICON, WriteOptions, with_prob
from g2p_batch.formats.rules import refuse_nothing
from g2p_batch.words.delimited import decode

_NEEDED = ("word", "pron")
_READ = ("word", "lang", "rank", "pron", "phones")


def write(batches: Iterable[pa.RecordBatch], path: Path, options: WriteOptions) -> None:
    """Write a lexicon, one row group per batch; scores and status are always there."""
    nothing = with_prob(pa.RecordBatch.from_pylist([], LEXICON), options)
    with pq.ParquetWriter(path, nothing.schema.with_metadata(dict(options.provenance)), compression="zstd") as file:
        for batch in batches:
            file.write_batch(with_prob(batch, options))


def read(path: Path) -> Iterator[pa.RecordBatch]:
    """Read the columns `word` and `pron`, and `lang`, `rank` and `phones` where they are there.

    Without the column `rank` every rank is 1.

    Raises:
        InputError: the file cannot be read, lacks a column or a word, or holds something else than text.
    """
    with _reading(path), pq.ParquetFile(path) as file:
        if what := next(_schema_faults(file.schema_arrow, lang=False), None):
            raise InputError(f"{path} {what}: write the columns word and pron as text")
        names = [name for name in _READ if name in file.schema_arrow.names]
        row = 1
        for batch in file.iter_batches(columns=names):
            batch.validate(full=True)
            if batch["word"].null_count:
                raise InputError(f"{path} has rows without a word: leave them out")
            told = {f.name: batch[f.name].cast(f.type) for f in ENTRIES if f.name in names}
            is_silent = pc.fill_null(pc.equal(told["pron"], ""), True)
            told |= {
                "pron": pc.fill_null(told["pron"], ""),
                "line": pa.array(np.arange(row, row + len(batch))),
                "passed_over": pc.if_else(is_silent, NO_PRONUNCIATION, pa.scalar(None, pa.string())),
            }
            columns = [told[f.name] if f.name in told else _absent(f, len(batch)) for f in ENTRIES]
            yield pa.RecordBatch.from_arrays(columns, schema=ENTRIES)
            row += len(batch)


def validate(path: Path, expected: Expected) -> Iterator[Problem]:
    """Check columns and texts; a problem's line is a row."""
    with _reading(path), pq.ParquetFile(path) as file:
        faults = list(_schema_faults(file.schema_arrow, lang=bool(expected.lang)))
        yield from (Problem(0, what) for what in faults)
        if not faults:
            yield from _row_problems(file, expected.lang)


def _row_problems(file: pq.ParquetFile, lang: str | None) -> Iterator[Problem]:
    names = [*_NEEDED, *(["lang"] if lang else [])]
    row = 1
    for batch in file.iter_batches(columns=names):
        for name in names:
            text, is_damaged = decode(batch[name].cast(pa.binary()))
            checks = [
                ("has no {}", pc.fill_null(pc.equal(text, ""), True) if name == "word" else text.is_null()),
                ("has a {} that is not UTF-8", pa.array(is_damaged)),
            ]
            if name == "lang":
                checks.append((f"is not of the language {lang}", pc.fill_null(pc.not_equal(text, lang), True)))
            for what, bad in checks:
                for at in pc.indices_nonzero(bad).to_pylist():
                    yield Problem(row + at, what.format(name))
        row += len(batch)


def _schema_faults(schema: pa.Schema, lang: bool) -> Iterator[str]:
    for name in (*_NEEDED, *(["lang"] if lang else [])):
        if name not in schema.names:
            yield f"has no column {name}"
    for name in ("word", "pron", "lang"):
        if name in schema.names and not _is_text(schema.field(name).type):
            yield f"has {schema.field(name).type}, not text, in its column {name}"
    if "phones" in schema.names and not _is_texts(schema.field("phones").type):
        yield f"has {schema.field('phones').type}, not lists of text, in its column phones"
    if "rank" in schema.names and not pa.types.is_integer(schema.field("rank").type):
        yield f"has {schema.field('rank').type}, not whole numbers, in its column rank"


def _is_text(kind: pa.DataType) -> bool:
    return kind in (pa.string(), pa.large_string(), pa.string_view()) or (
        pa.types.is_dictionary(kind) and _is_text(kind.value_type)
    )


def _is_texts(kind: pa.DataType) -> bool:
    return (pa.types.is_list(kind) or pa.types.is_large_list(kind)) and _is_text(kind.value_type)


def _absent(field: pa.Field, rows: int) -> pa.Array:
    return pa.nulls(rows, field.type) if field.nullable else pa.repeat(pa.scalar(1, field.type), rows)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: check the path") from None
    except (OSError, pa.ArrowException) as cause:
        raise InputError(f"{path} cannot be read ({cause}): check its permissions, and that it is whole") from None


PARQUET = Format("parquet", ".parquet", write, read, validate, refuse_nothing, languages="many", names_language=True)
