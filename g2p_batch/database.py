"""DuckDB: sorts in bounded memory, and beyond it on disk. The only file that imports duckdb."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from g2p_batch.errors import OutputError, StoppedEarlyError, UsageError

MEMORY = "1GiB"
"""What sorting may use where nothing else is said."""

_AMOUNT = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[KMGT]?)(?P<binary>i?)B", re.IGNORECASE)
_SHARE = 0.5
"""What DuckDB is told to use of the memory allowed: it exceeds its limit by a third at times, and Arrow needs some."""
_THREAD_BYTES = 100 << 20
"""Memory that a thread needs to sort well."""
_KIBIBYTE = 1 << 10
_SHORTAGES = (duckdb.OutOfMemoryException, duckdb.IOException, pa.ArrowException, OSError)


def amount_of_memory(text: str) -> int:
    """Return the bytes that `1GiB` or `500MB` stand for.

    Raises:
        UsageError: it stands for none.
    """
    amount = _AMOUNT.fullmatch(text.strip())
    if amount is None:
        raise UsageError(f"{text!r} is no amount of memory: write it like 1GiB or 500MiB")
    base = 1024 if amount["binary"] else 1000
    return int(float(amount["number"]) * base ** " KMGT".index(amount["unit"].upper() or " "))


class Database:
    """Queries over Parquet files. Made by `database`.

    All queries raise `OutputError` where neither memory nor disk hold what they need, and `StoppedEarlyError` when they
    are interrupted.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection, memory: str, scratch: Path) -> None:
        self._connection = connection
        self._memory, self._scratch = memory, scratch
        self._interrupted = False

    def ordered(
        self, files: Sequence[Path], columns: Sequence[str], keys: Sequence[str], rows: int
    ) -> Iterator[pa.RecordBatch]:
        """Read some columns of all files, sorted by keys; text sorts by its bytes.

        Args:
            files: Parquet files of one schema, at least one.
            columns: names of the columns to read.
            keys: names of the columns to sort by.
            rows: most rows of a batch.
        """
        query = f"SELECT {_listed(columns)} FROM read_parquet($files) ORDER BY {_listed(keys)}"
        with self._told():
            relation = self._connection.sql(query, params={"files": [str(file) for file in files]})
            # Older releases know the method by another name.
            reader = iter((getattr(relation, "to_arrow_reader", None) or relation.fetch_arrow_reader)(rows))
        while True:
            with self._told():
                batch = next(reader, None)
            if batch is None:
                return
            yield batch

    def interrupt(self) -> None:
        """End the query that runs now; for signal handlers."""
        self._interrupted = True
        self._connection.interrupt()

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell in words what a query can meet; through Arrow's streams its errors come as Arrow's."""
        try:
            yield
        except (duckdb.Error, pa.ArrowException, OSError) as cause:
            if self._interrupted:
                raise StoppedEarlyError("stopped while sorting: run the same command again") from None
            if not isinstance(cause, _SHORTAGES):
                raise
            raise OutputError(
                f"the words do not fit into {self._memory} of memory and the space left in {self._scratch.parent}: "
                f"allow more memory, or put the run directory on a disk with more space ({_first_line(cause)})"
            ) from None


@contextmanager
def database(memory: str, scratch: Path) -> Iterator[Database]:
    """Open an empty database that spills to the folder `scratch`.

    Args:
        memory: most memory for the whole process, like `1GiB`.
        scratch: a folder for temporary files.

    Raises:
        UsageError: `memory` is no amount of memory.
    """
    limit = int(amount_of_memory(memory) * _SHARE)
    config: dict[str, str | bool | int] = {
        "temp_directory": str(scratch),
        "preserve_insertion_order": False,
        "memory_limit": f"{limit // _KIBIBYTE}KiB",
    }
    with duckdb.connect(config=config) as connection:
        usable = connection.sql("SELECT current_setting('threads')").fetchall()[0][0]
        connection.execute(f"SET threads = {max(1, min(usable, limit // _THREAD_BYTES))}")
        yield Database(connection, memory, scratch)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _first_line(cause: Exception) -> str:
    return str(cause).partition("\n")[0]
