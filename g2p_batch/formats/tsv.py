"""Tab-separated lexicons and rejects: a header, LF, no quoting."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.formats.lexicon import WriteOptions

PLAIN = ("word", "lang", "pron")
SCORED = (*PLAIN, "logprob", "status")
REJECTS = ("row", "lang", "word", "reason")

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_TAB = pa.scalar("\t", pa.large_string())
_LF = pa.scalar("\n", pa.large_string())


def write(batches: Iterable[pa.RecordBatch], path: Path, options: WriteOptions) -> None:
    """Write a lexicon as `word`, `lang`, `pron`, and with scores also `logprob` and `status`.

    Cells hold no tab and no line break: the plan rejects such words and `lexicon.entries` drops them from
    pronunciations.
    """
    columns = SCORED if options.scores else PLAIN
    with path.open("wb") as file:
        _write_header(file, columns)
        for batch in batches:
            _write_lines(file, [batch[name] for name in columns])


def write_rejects(rejects: Iterable[pa.RecordBatch], path: Path) -> None:
    r"""Write the rows that were left out.

    A word may have been rejected for its control characters: they are written as `\t`, `\n` or `\x00`, and an
    absent word or language as nothing.

    Args:
        rejects: batches of `row` int64, `lang` string, `word` string and `reason` string.
        path: the file to make.
    """
    with path.open("wb") as file:
        _write_header(file, REJECTS)
        for batch in rejects:
            _write_lines(file, [batch["row"], *(_printable(batch[name]) for name in REJECTS[1:])])


def _write_header(file: IO[bytes], columns: Sequence[str]) -> None:
    file.write(("\t".join(columns) + "\n").encode())


def _write_lines(file: IO[bytes], cells: Sequence[pa.Array]) -> None:
    """Write rows of cells without a Python object per row."""
    if not len(cells[0]):
        return
    lines = pc.binary_join_element_wise(*(pc.fill_null(cell.cast(pa.large_string()), "") for cell in cells), _TAB)
    whole = pa.LargeListArray.from_arrays([0, len(lines)], lines)
    file.write(pc.binary_join(whole, _LF)[0].as_buffer())
    file.write(b"\n")


def _printable(cells: pa.Array) -> pa.Array:
    bad = pc.fill_null(pc.match_substring_regex(cells, r"[\p{Cc}\p{Zl}\p{Zp}]"), False)
    shown = [_UNPRINTABLE.sub(_escape, cell) for cell in cells.filter(bad).to_pylist()]
    return pc.replace_with_mask(cells, bad, pa.array(shown, cells.type))


def _escape(match: re.Match[str]) -> str:
    return match[0].encode("unicode_escape").decode("ascii")
