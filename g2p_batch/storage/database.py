"""DuckDB: sorts in bounded memory, and beyond it on disk. The only file that imports duckdb."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from g2p_batch.errors import OutputError, StoppedEarlyError
from g2p_batch.storage.memory import Memory

_SHARE = 0.5
"""What DuckDB is told to use of the memory allowed: it exceeds its limit by a third at times, and Arrow needs some."""
_THREAD_BYTES = 100 << 20
"""Memory that a thread needs to sort well."""
_KIBIBYTE = 1 << 10
_SHORTAGES = (duckdb.OutOfMemoryException, duckdb.IOException, pa.ArrowException, OSError)


class Database:
    """Queries over Parquet files. Made by `database`.

    All queries raise `OutputError` where neither memory nor disk hold what they need, and `StoppedEarlyError` when they
    are interrupted.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, memory: Memory, scratch: Path) -> None:
        self._connection, self._memory, self._scratch = connection, memory, scratch
        self._interrupted = False

    def ordered(
        self,
        files: Sequence[Path],
        columns: Sequence[str],
        keys: Sequence[str],
        rows: int,
        without: Path | None = None,
    ) -> Iterator[pa.RecordBatch]:
        """Read some columns of all files, sorted by keys; text sorts by its bytes.

        Args:
            files: Parquet files of one schema, at least one.
            columns: names of the columns to read.
            keys: names of the columns to sort by.
            rows: most rows of a batch.
            without: a Parquet file; rows whose `key` and `word` it holds are left out.
        """
        exclusion = "" if without is None else "ANTI JOIN read_parquet($without) AS w USING (key, word)"
        query = f"SELECT {_listed(columns)} FROM read_parquet($files) AS f {exclusion} ORDER BY {_listed(keys)}"
        paths = {"files": [str(file) for file in files]} | ({} if without is None else {"without": str(without)})
        yield from self._batches(query, paths, rows)

    def first_variants(self, entries: Path, into: Path) -> None:
        """Keep what the first lexicon that holds a word says of it, each variant once, ranked from 1.

        The likelier comes first, and of those that are alike, or have no probability, the earlier.

        Args:
            entries: Parquet of `order` int64, `lexicon` int16, `key` int64, `word`, and what is told of it, in which
                `order` rises with falling preference.
            into: the new file, without `order`, with `rank` int8.
        """
        query = f"""
            COPY (
                SELECT * EXCLUDE ("order"), least(127, row_number() OVER variants)::TINYINT AS rank
                FROM (
                    SELECT * EXCLUDE ("order", first), min("order") AS "order"
                    FROM (
                        SELECT *, min(lexicon) OVER (PARTITION BY key, word) AS first
                        FROM read_parquet({_quoted(entries)})
                    )
                    WHERE lexicon = first GROUP BY ALL
                )
                WINDOW variants AS (PARTITION BY key, word ORDER BY coalesce(logprob, 0) DESC, "order")
            ) TO {_quoted(into)} (FORMAT parquet)
        """
        with self._errors_in_words():
            self._connection.execute(query)

    def match(
        self, words: Path, entries: Path, loose: int, language: str, mark: str, into: Path
    ) -> list[tuple[int, int, int]]:
        """Find the entry of each word: the same, else one that differs in case, else one that is asked the same.

        Args:
            words: Parquet of `row` int64, `key` int64 and packed `word`.
            entries: what `first_variants` made of packed words.
            loose: so many lexicons, the first, may answer to words that are not the same as theirs.
            language: the language of a `key`, in SQL.
            mark: stands between what is asked, a word, and its doubt in a packed word.
            into: the new file: `row`, `key` and `word` of each word that has an entry, once, by its first row, with
                `entry_key` and `entry_word`.

        Returns:
            Lexicon, how (0 the same, 1 by case, 2 as asked), and how many words.
        """
        asked, written = (
            f"split_part(word, '{mark}', 1)",
            f"coalesce(nullif(split_part(word, '{mark}', 2), ''), word)",
        )
        columns = f"key, word, {language} AS lang, lower({written}) AS folded, {asked} AS asked"
        query = f"""
            COPY (
                WITH w AS (SELECT "row", {columns} FROM read_parquet({_quoted(words)})),
                e AS (SELECT lexicon, {columns} FROM read_parquet({_quoted(entries)}) WHERE rank = 1),
                found AS (
                    SELECT w."row", w.key, w.word, e, ((w.key, w.word) <> (e.key, e.word))::INTEGER AS how
                    FROM w JOIN e USING (lang, folded)
                    WHERE e.lexicon < {loose} OR (w.key, w.word) = (e.key, e.word)
                    UNION ALL
                    SELECT w."row", w.key, w.word, e, 2 AS how FROM w JOIN e USING (lang, asked)
                    WHERE e.lexicon < {loose}
                )
                SELECT "row", key, word, how, e.key AS entry_key, e.word AS entry_word, e.lexicon AS lexicon
                FROM (
                    SELECT min("row") AS "row", key, word, min(how) AS how,
                        arg_min(e, (how, e.lexicon, e.key, e.word)) AS e
                    FROM found GROUP BY key, word
                )
            ) TO {_quoted(into)} (FORMAT parquet)
        """
        counts = f"SELECT lexicon, how, count(*) FROM read_parquet({_quoted(into)}) GROUP BY ALL ORDER BY ALL"
        with self._errors_in_words():
            self._connection.execute(query)
            found: list[tuple[int, int, int]] = self._connection.sql(counts).fetchall()
        return found

    def look_up(self, matches: Path, entries: Path, rows: int) -> Iterator[pa.RecordBatch]:
        """Yield all variants of the entry of each word, by the first row that asks for the word.

        Args:
            matches: what `match` made.
            entries: what `first_variants` made.
            rows: most rows of a batch.

        Yields:
            `row`, `key`, `word` and all else that `entries` has, by `row` and `rank`.
        """
        query = """
            SELECT m."row", m.key, m.word, e.* EXCLUDE (key, word)
            FROM read_parquet($matches) AS m JOIN read_parquet($entries) AS e
            ON m.entry_key = e.key AND m.entry_word = e.word
            ORDER BY m."row", e.rank
        """
        yield from self._batches(query, {"matches": str(matches), "entries": str(entries)}, rows)

    def first_rows(self, words: Path, rows: int, without: Path) -> Iterator[pa.RecordBatch]:
        """Yield `row`, `key` and `word` of each word that another file does not hold, once, by its first `row`.

        Args:
            words: Parquet of these columns.
            rows: most rows of a batch.
            without: Parquet with `key` and `word`.
        """
        query = """
            SELECT min("row") AS "row", key, word
            FROM read_parquet($words) AS w ANTI JOIN read_parquet($without) AS o USING (key, word)
            GROUP BY key, word ORDER BY "row"
        """
        yield from self._batches(query, {"words": str(words), "without": str(without)}, rows)

    def _batches(self, query: str, paths: Mapping[str, Any], rows: int) -> Iterator[pa.RecordBatch]:
        with self._errors_in_words():
            relation = self._connection.sql(query, params=paths)
            # Older releases know the method by another name.
            reader = iter((getattr(relation, "to_arrow_reader", None) or relation.fetch_arrow_reader)(rows))
        while True:
            with self._errors_in_words():
                batch = next(reader, None)
            if batch is None:
                return
            yield batch

    def interrupt(self) -> None:
        """End the query that runs now; for signal handlers."""
        self._interrupted = True
        self._connection.interrupt()

    @contextmanager
    def _errors_in_words(self) -> Iterator[None]:
        """Tell in words what a query can meet; through Arrow's streams its errors come as Arrow's."""
        try:
            yield
        except (duckdb.Error, pa.ArrowException, OSError) as cause:
            if self._interrupted:
                raise _stopped() from None
            if not isinstance(cause, _SHORTAGES):
                raise
            raise OutputError(
                f"the words do not fit into {self._memory.text} of memory and the space left in "
                f"{self._scratch.parent}: allow more memory, or use a disk with more space, for the run directory "
                f"or, where that is in a bucket, named by TMPDIR ({_first_line(cause)})"
            ) from None


@contextmanager
def database(memory: Memory, scratch: Path) -> Iterator[Database]:
    """Open an empty database that spills to the folder `scratch`.

    Args:
        memory: most memory for the whole process.
        scratch: a folder for temporary files.

    Raises:
        OutputError: the folder's name is not UTF-8, which DuckDB cannot open.
    """
    try:
        str(scratch).encode()
    except UnicodeEncodeError:
        raise OutputError(f"{str(scratch.parent)!r} has a name that is not UTF-8: choose another folder") from None
    limit = int(memory.size_bytes * _SHARE)
    config: dict[str, str | bool | int] = {
        "temp_directory": str(scratch),
        "preserve_insertion_order": False,
        "memory_limit": f"{limit // _KIBIBYTE}KiB",
    }
    with duckdb.connect(config=config) as connection:
        usable = connection.sql("SELECT current_setting('threads')").fetchall()[0][0]
        connection.execute(f"SET threads = {max(1, min(usable, limit // _THREAD_BYTES))}")
        yield Database(connection, memory, scratch)


def _stopped() -> StoppedEarlyError:
    return StoppedEarlyError("stopped while sorting: run the same command again")


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _first_line(cause: Exception) -> str:
    return str(cause).partition("\n")[0]
