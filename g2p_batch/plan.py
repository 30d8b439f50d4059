"""From rows to the words a model is asked for: normalised, checked, each once, in the order of decoding."""

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch import delimited, languages
from g2p_batch.contract import Contract
from g2p_batch.errors import OutputError, UsageError

EMPTY, CONTROL_CHARACTER, UNKNOWN_LANGUAGE, TOO_LONG = "empty", "control_character", "unknown_language", "too_long"
REASONS = (*delimited.REASONS, EMPTY, CONTROL_CHARACTER, UNKNOWN_LANGUAGE, TOO_LONG)
"""Why a row gets no pronunciation, in the order in which it is asked."""

WORDS = pa.schema(
    [("id", pa.int64()), ("lang", pa.string()), ("word", pa.string()), ("src_bytes", pa.int32()), ("row", pa.int64())]
)
"""`id` counts from 0 in the order of (lang, src_bytes, word), `src_bytes` is the length of prefix and word in UTF-8,
`row` is the first input row that asks for the word."""

REJECTS = pa.schema([("row", pa.int64()), ("lang", pa.string()), ("word", pa.string()), ("reason", pa.string())])
"""In the order of rows; `lang` and `word` are as the input has them."""

_STAGED = pa.schema([WORDS.field(name) for name in ("row", "lang", "word", "src_bytes")])

_DISTINCT = """
    SELECT row_number() OVER (ORDER BY lang, src_bytes, word) - 1 AS id, lang, word, src_bytes, "row"
    FROM (SELECT lang, word, any_value(src_bytes) AS src_bytes, min("row") AS "row" FROM staged GROUP BY lang, word)
    ORDER BY id
"""


@dataclass(frozen=True)
class PlanOptions:
    """How words are prepared."""

    normalize: Literal["nfc", "nfkc", "none"] = "nfc"
    """Unicode form given to words, but to those of languages that were trained without one."""
    memory: str = "1GiB"
    """Most memory for finding duplicates, as DuckDB reads it; what does not fit is spilled to temporary files."""


@dataclass(frozen=True)
class Plan:
    """What to ask the model, and what became of every row: rows_in == len(words) + duplicates + len(rejects)."""

    words: pa.Table
    """Of schema `WORDS`."""
    rejects: pa.Table
    """Of schema `REJECTS`."""
    rows_in: int
    duplicates: int


def plan(batches: Iterable[pa.RecordBatch], contract: Contract, options: PlanOptions) -> Plan:
    """Prepare the words of a model.

    Args:
        batches: rows of schema `wordlist.ROWS`, by rising `row`.
        contract: says which languages and lengths the model takes.
        options: how words are prepared.

    Raises:
        UsageError: `options.memory` is no amount of memory.
        OutputError: neither memory nor temporary files hold the words.
    """
    staged = rows_in = 0
    rejects = []
    with _database(options.memory) as database:
        for batch in batches:
            good, bad = _sift(batch, contract, options)
            database.register("good", good)
            database.execute("INSERT INTO staged SELECT * FROM good")
            rejects.append(bad)
            rows_in += len(batch)
            staged += len(good)
        words = database.sql(_DISTINCT).to_arrow_table().cast(WORDS)
    return Plan(words, pa.Table.from_batches(rejects, REJECTS), rows_in, staged - len(words))


@contextmanager
def _database(memory: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an empty database that spills to a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="g2p-batch-") as folder:
        config: dict[str, str | bool] = {"temp_directory": folder, "preserve_insertion_order": False}
        with duckdb.connect(config=config) as database:
            try:
                database.execute("SET memory_limit = ?", [memory])
            except duckdb.Error:
                raise UsageError(f"{memory!r} is no amount of memory: write it like 1GiB or 500MiB") from None
            database.execute('CREATE TABLE staged ("row" BIGINT, lang VARCHAR, word VARCHAR, src_bytes INTEGER)')
            try:
                yield database
            except (duckdb.OutOfMemoryException, duckdb.IOException) as cause:
                raise OutputError(
                    f"the words do not fit into {memory} of memory and the space left in {tempfile.gettempdir()}: "
                    f"allow more memory, or set TMPDIR to a folder with more space ({_first_line(cause)})"
                ) from None


def _first_line(cause: Exception) -> str:
    return str(cause).partition("\n")[0]


def _sift(batch: pa.RecordBatch, contract: Contract, options: PlanOptions) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """Part rows [N] into those to pronounce, prepared (`_STAGED`), and those to reject, as they were (`REJECTS`)."""
    row, given, asked, unread = batch.columns
    tags, exact, prefix_bytes = _languages(asked, contract)
    word = _prepared(given, exact, options)
    src_bytes = pc.add(prefix_bytes, pc.binary_length(word))
    verdicts = {
        EMPTY: pc.equal(pc.coalesce(pc.binary_length(word), 0), 0),
        CONTROL_CHARACTER: pc.match_substring_regex(word, r"\p{Cc}"),
        UNKNOWN_LANGUAGE: pc.is_null(tags),
        TOO_LONG: pc.greater(src_bytes, contract.max_source_bytes),
    }
    checks = pa.StructArray.from_arrays([pc.coalesce(verdict, False) for verdict in verdicts.values()], [*verdicts])
    reason = pc.coalesce(unread, pc.case_when(checks, *verdicts))
    good = pa.record_batch([row, tags, word, src_bytes], schema=_STAGED)
    bad = pa.record_batch([row, asked, given, reason], schema=REJECTS)
    return good.filter(pc.is_null(reason)), bad.filter(pc.is_valid(reason))


def _languages(asked: pa.Array, contract: Contract) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Look up languages [N]: the model's tags or null, whether words keep their form, and bytes of the prefix."""
    codes = asked.dictionary_encode()
    tags = [_tag(query, contract) for query in codes.dictionary.to_pylist()]
    exact = [tag is not None and languages.normalization(tag) is None for tag in tags]
    prefixes = [0 if tag is None else len(contract.prefix_for(tag).encode()) for tag in tags]
    columns = (pa.array(tags, pa.string()), pa.array(exact, pa.bool_()), pa.array(prefixes, pa.int32()))
    tag, keep, prefix = (column.take(codes.indices) for column in columns)
    return tag, keep, prefix


def _tag(query: str, contract: Contract) -> str | None:
    """Return the model's tag for a language, which may be one that only this model has."""
    if query in contract.languages:
        return query
    language = languages.lookup(query)
    return language.tag if language and language.tag in contract.languages else None


def _prepared(word: pa.Array, exact: pa.Array, options: PlanOptions) -> pa.Array:
    """Give words [N] their Unicode form where it is not to stay `exact`, without the blanks around them."""
    if options.normalize != "none":
        word = pc.if_else(pc.coalesce(exact, False), word, pc.utf8_normalize(word, form=options.normalize.upper()))
    return pc.utf8_trim_whitespace(word)
