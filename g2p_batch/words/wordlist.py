"""Word lists (text, TSV, CSV, Parquet, with headers or without) as one stream of Arrow batches."""

import codecs
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from g2p_batch.errors import InputError, UsageError
from g2p_batch.words import columnar, delimited
from g2p_batch.words.columnar import ColumnLayout
from g2p_batch.words.delimited import COMMA, LINE, TAB, Columns, LineLayout
from g2p_batch.words.files import PARQUET, SUFFIXES, InputFile
from g2p_batch.words.inputs import find_files

ROWS = pa.schema([("row", pa.int64()), ("word", pa.string()), ("lang", pa.string()), ("reason", pa.string())])
"""`row` counts data rows over all inputs from 1; `reason` is null, or one of `delimited.REASONS`."""

WORD_COLUMNS = ("word", "words", "grapheme", "graphemes", "orthography", "spelling")
LANG_COLUMNS = ("lang", "language", "tag", "lang_tag", "language_tag", "locale")
"""Column names known without options, in any case; the first of them that a header has is taken."""

_DELIMITERS = {".txt": LINE, ".tsv": TAB, ".csv": COMMA}

_ENCODINGS = {  # the longer marks first: one of them begins like a shorter one
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
"""Encodings that are not read, by the mark that a file begins with."""


@dataclass(frozen=True)
class Further:
    """A column wanted beside word and language."""

    names: tuple[str, ...]
    """What it may be called, in any case; the first of these that a header has is taken."""
    required: bool = True
    """An input without it is refused; otherwise its cells are null."""


@dataclass(frozen=True)
class WordLists:
    """Which word lists to read, and where their words and languages are found.

    Raises:
        UsageError: `lang` and `lang_column` are both given.
    """

    inputs: tuple[str, ...]
    """Files, folders (searched to the bottom), globs, or `-` for standard input."""
    lang: str | None = None
    """The language of every word; without it each input needs a language column."""
    lang_column: str | None = None
    word_column: str | None = None
    further: tuple[Further, ...] = ()
    """Columns to read besides, from inputs that have a header."""

    def __post_init__(self) -> None:
        if self.lang is not None and self.lang_column is not None:
            raise UsageError(
                "--lang and --lang-column exclude each other: name one language, or the column of languages"
            )


@dataclass(frozen=True)
class _TextTable:
    file: InputFile
    head: bytes
    """All up to the end of the first line that is not blank."""
    layout: LineLayout
    rows_at: int
    """Where in `head` rows begin."""

    def rows(self, most: int) -> Iterator[Columns]:
        with self.file.stream() as stream:
            if not self.file.is_standard_input:  # which goes on where the head ended
                stream.read(len(self.head))
            yield from delimited.parse(delimited.whole_lines(stream, self.head[self.rows_at :]), self.layout, most)


@dataclass(frozen=True)
class _ParquetTable:
    file: InputFile
    layout: ColumnLayout

    def rows(self, most: int) -> Iterator[Columns]:
        with self.file.parquet() as parquet:
            yield from columnar.parse(parquet, self.layout, most)


@dataclass(frozen=True)
class OpenedLists:
    """Word lists that are known to have the columns they need, since their heads were read.

    Files are opened again for their rows, since folders can hold more of them than may be open at once.
    """

    lists: WordLists
    tables: tuple[_TextTable | _ParquetTable, ...]
    """In the order in which they are read."""

    def batches(self, batch_rows: int = 65536) -> Iterator[pa.RecordBatch]:
        """Yield all rows, in order, as batches of schema `ROWS`; standard input has them only once.

        Columns of `WordLists.further` follow those of the schema, as strings, each by the first of its names. A row
        that cannot be read is a row with a `reason`; its neighbours are not touched. Only LF and CRLF end a row, in
        CSV quotes too.

        Args:
            batch_rows: most rows of a batch.

        Raises:
            InputError: an input cannot be read further, or holds no words.
        """
        schema = pa.schema([*ROWS, *((column.names[0], pa.string()) for column in self.lists.further)])
        lang = pa.scalar(self.lists.lang, pa.string())
        row = 1
        for source, tables in groupby(self.tables, key=lambda table: table.file.source):
            first = row
            for table in tables:
                for cells in table.rows(batch_rows):
                    numbers = np.arange(row, row + len(cells.word), dtype=np.int64)
                    langs = pa.repeat(lang, len(numbers)) if cells.lang is None else cells.lang
                    yield pa.record_batch([numbers, cells.word, langs, cells.reason, *cells.further], schema=schema)
                    row += len(numbers)
            if row == first:
                raise InputError(f"{source} holds no words: fill it, or leave it out")


def open_word_lists(lists: WordLists, files: Iterable[InputFile]) -> OpenedLists:
    """Read the head of every file, and find its columns.

    Args:
        lists: where words and languages are found.
        files: what `find_files` found for `lists.inputs`.

    Raises:
        InputError: a file is unreadable, of unknown kind, or lacks a column.
    """
    return OpenedLists(lists, tuple(_open(file, lists) for file in files))


def read(lists: WordLists, batch_rows: int = 65536, stdin: BinaryIO | None = None) -> Iterator[pa.RecordBatch]:
    """Find, open and read word lists, as `OpenedLists.batches` does; all are looked at before this returns.

    Args:
        lists: the word lists.
        batch_rows: most rows of a batch.
        stdin: what the input `-` reads; standard input by default.

    Raises:
        UsageError: an input is a URL of another kind.
        InputError: an input is missing, unreadable, empty, of unknown kind, or lacks a column.
    """
    return open_word_lists(lists, find_files(lists.inputs, stdin)).batches(batch_rows)


def _open(file: InputFile, lists: WordLists) -> _TextTable | _ParquetTable:
    if file.kind == PARQUET:
        return _open_parquet(file, lists)
    if file.kind is None and not file.is_standard_input:
        raise InputError(f"{file.name} is of no known kind: let its name end in one of {', '.join(SUFFIXES)}")
    with file.stream() as stream:
        head = delimited.first_line(stream, codecs.BOM_UTF8)
    return _TextTable(file, head, *_layout(file, head, lists))


def _layout(file: InputFile, head: bytes, lists: WordLists) -> tuple[LineLayout, int]:
    """Tell from everything up to the first line that is not blank how a file is laid out and where its rows begin."""
    if encoding := next((name for mark, name in _ENCODINGS.items() if head.startswith(mark)), None):
        raise InputError(f"{file.name} is {encoding}: convert it with `iconv -f {encoding} -t UTF-8`")
    rows_at = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    line = head[rows_at:].strip(b"\r\n")
    options = lists.word_column is not None or lists.lang_column is not None or bool(lists.further)
    delimiter = _DELIMITERS[file.kind] if file.kind else TAB if options or TAB in line else LINE
    cells = _first_cells(file, line, delimiter)
    if delimiter == LINE:
        _check_plain(file, lists)
    elif options or {*WORD_COLUMNS, *LANG_COLUMNS} & {cell.lower() for cell in cells}:
        return LineLayout(delimiter, len(cells), *_columns(file, cells, lists)), len(head)
    elif lists.lang is None and len(cells) != 2:
        raise InputError(
            f"{file.name} has no header, and in its first line the number of cells is not 2 but {len(cells)}: "
            "begin it with a line that names the columns word and lang, or give --lang TAG"
        )
    return LineLayout(delimiter, len(cells), 0, 1 if lists.lang is None else None), rows_at


def _first_cells(file: InputFile, line: bytes, delimiter: bytes) -> list[str]:
    cells = delimited.split_line(line, delimiter)
    if cells is None:
        raise InputError(f"{file.name} has a stray quote in its first line: write it as RFC 4180 asks, or as .tsv")
    return [cell.decode("utf-8", "replace").strip() for cell in cells]


def _check_plain(file: InputFile, lists: WordLists) -> None:
    if lists.further:
        raise InputError(
            f"{file.name} is a plain list of words: give .tsv, .csv or .parquet with {_named(lists.further)}"
        )
    if lists.word_column is not None or lists.lang_column is not None:
        raise InputError(f"{file.name} is a plain list of words without columns: give --lang TAG and no column names")
    if lists.lang is None:
        raise InputError(f"{file.name} is a plain list of words: name their language with --lang TAG")


def _named(further: Sequence[Further]) -> str:
    names = " and ".join(column.names[0] for column in further if column.required)
    return f"a header that names word, lang and {names}"


def _columns(file: InputFile, names: Sequence[str], lists: WordLists) -> tuple[int, int | None, tuple[int | None, ...]]:
    """Return the positions of the word column, of the language column unless the language is fixed, and of others."""
    word = _column(file, names, lists.word_column, WORD_COLUMNS, _remedy(lists, "words", "word"))
    further = tuple(_further(file, names, column) for column in lists.further)
    if lists.lang is not None:
        return word, None, further
    remedy = f"{_remedy(lists, 'languages', 'lang')}, or give --lang TAG"
    return word, _column(file, names, lists.lang_column, LANG_COLUMNS, remedy), further


def _remedy(lists: WordLists, what: str, name: str) -> str:
    """Say what to do about a missing column; commands that read further ones have no option for it."""
    return f"call it {name} in the header" if lists.further else f"name the column of {what} with --{name}-column"


def _further(file: InputFile, names: Sequence[str], column: Further) -> int | None:
    if column.required or {*column.names} & {name.lower() for name in names}:
        return _column(file, names, None, column.names, f"call it {column.names[0]} in the header")
    return None


def _column(file: InputFile, names: Sequence[str], wanted: str | None, usual: tuple[str, ...], remedy: str) -> int:
    """Return the position of the column asked for, or of the first usual one."""
    lowered = [name.lower() for name in names]
    listing = ", ".join(names)
    if wanted is None:
        wanted = next((names[lowered.index(name)] for name in usual if name in lowered), None)
        missing = f"none of the columns {', '.join(usual)}"
    else:
        missing = f"no column {wanted!r}"
    if wanted is None or wanted not in names:
        raise InputError(f"{file.name} has {missing} but {listing}: {remedy}")
    if names.count(wanted) > 1:
        raise InputError(f"{file.name} has more than one column {wanted!r} among {listing}: rename all but one")
    return names.index(wanted)


def _open_parquet(file: InputFile, lists: WordLists) -> _ParquetTable:
    with file.parquet() as parquet:
        schema = parquet.schema_arrow
    word, lang, further = _columns(file, schema.names, lists)
    for position in (word, lang, *further):
        if position is None:
            continue
        field = schema.field(position)
        if not columnar.is_readable(field.type, numbers=position in further):
            raise InputError(
                f"{file.name} has {field.type}, not text, in its column {field.name!r}: write it as strings"
            )
    names = [None if position is None else schema.names[position] for position in (lang, *further)]
    return _ParquetTable(file, ColumnLayout(schema.names[word], names[0], tuple(names[1:])))
