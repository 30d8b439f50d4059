"""Tab-separated lexicons and rejects: a header, LF, no quoting."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.formats.entries import Entry, batched, text_lines, texts, wrong
from g2p_batch.formats.kind import Expected, Format, Problem
from g2p_batch.formats.lexicon import REVIEW, WriteOptions, with_prob
from g2p_batch.formats.rules import BOM, CONTROL_RULES, first_reason
from g2p_batch.formats.word_lines import write_lines
from g2p_batch.words.control_characters import has_control

PLAIN = ("word", "lang", "pron")
PHONES = ("phones",)
SCORES = ("logprob", "status", "asked")
VARIANTS = ("rank", "prob")
"""Before the scores, where words have several pronunciations."""
REJECTS = ("row", "lang", "word", "reason")

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def write(batches: Iterable[pa.RecordBatch], path: Path, options: WriteOptions) -> None:
    """Write a lexicon as `word`, `lang`, `pron`, then if asked for `phones`, and the scores.

    Cells hold no tab and no line break, which `refuse` sees to.
    """
    scores = (VARIANTS if options.variants else ()) + SCORES
    columns = PLAIN + PHONES * options.phones + scores * options.scores
    with path.open("wb") as file:
        _write_header(file, columns)
        for batch in batches:
            batch = with_prob(batch, options)
            write_lines(file, [_text(batch[name]) for name in columns], "\t")


def refuse(rows: pa.RecordBatch, options: WriteOptions) -> pa.Array:
    """Refuse control characters, which would end a cell or a line."""
    return first_reason(rows, options, CONTROL_RULES)


def read(path: Path) -> Iterator[pa.RecordBatch]:
    """Read the columns `word`, `pron` and, if it is there, `lang`, found by the header.

    Raises:
        InputError: the file cannot be read, or lacks a column or a cell.
    """
    return batched(_entries(path))


def validate(path: Path, expected: Expected) -> Iterator[Problem]:
    """Check the header, and that each line has its cells."""
    header: list[str] = []
    for line in text_lines(path):
        cells = line.text.removesuffix("\r").split("\t")
        if not line.is_utf8:
            yield Problem(line.number, "is not UTF-8")
        if not header:
            header = [cells[0].removeprefix(BOM), *cells[1:]]
            for name in sorted({"word", "pron", *(["lang"] if expected.lang else [])} - set(header)):
                yield Problem(line.number, f"names no column {name}")
        elif len(cells) != len(header):
            yield Problem(line.number, f"has {len(cells)} cells, not {len(header)}")
        else:
            row = dict(zip(header, cells, strict=True))
            if not row.get("word", "?"):
                yield Problem(line.number, "has no word")
            if expected.lang and row.get("lang", expected.lang) != expected.lang:
                yield Problem(line.number, f"is of the language {row['lang']}, not {expected.lang}")
    if not header:
        yield Problem(0, "has no header")


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
            write_lines(file, [batch["row"], *(_printable(batch[name]) for name in REJECTS[1:])], "\t")


def write_review(rows: Iterable[pa.RecordBatch], path: Path) -> None:
    """Write the words whose pronunciation is to be looked at.

    Args:
        rows: batches of schema `lexicon.REVIEW`.
        path: the file to make.
    """
    with path.open("wb") as file:
        _write_header(file, ("row", *REVIEW.names[1:]))
        for batch in rows:
            write_lines(file, batch.columns, "\t")


def _entries(path: Path) -> Iterator[Entry]:
    header: list[str] = []
    for number, line in texts(path):
        cells = line.split("\t")
        if not header:
            header = cells
            if not {"word", "pron"} <= set(header):
                raise wrong(path, number, "is no header with word and pron: is this a lexicon of format charsiu?")
            continue
        if len(cells) != len(header):
            raise wrong(path, number, f"{len(cells)} cells, not {len(header)} as in the header")
        row = dict(zip(header, cells, strict=True))
        yield Entry(row["word"], row["pron"], lang=row.get("lang"), line=number)


def _write_header(file: IO[bytes], columns: Sequence[str]) -> None:
    file.write(("\t".join(columns) + "\n").encode())


def _text(column: pa.Array) -> pa.Array:
    return pc.binary_join(column, " ") if pa.types.is_list(column.type) else column


def _printable(cells: pa.Array) -> pa.Array:
    bad = pa.array(has_control(cells, separators=True))
    shown = cells.filter(bad)
    for mark in sorted(set(_UNPRINTABLE.findall("".join(shown.to_pylist())))):
        shown = pc.replace_substring(shown, mark, mark.encode("unicode_escape").decode("ascii"))
    return pc.replace_with_mask(cells, bad, shown)


TSV = Format("tsv", ".tsv", write, read, validate, refuse, languages="many", names_language=True, phones="beside")
