"""Word lists (text, TSV, CSV, Parquet, with headers or without) as one stream of Arrow batches."""

import codecs
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import BinaryIO

import numpy as np
import pyarrow as pa

from g2p_batch.errors import InputError, UsageError
from g2p_batch.storage.locations import STDIN
from g2p_batch.words import columnar, delimited, recognition
from g2p_batch.words.columnar import ColumnLayout
from g2p_batch.words.delimited import COMMA, LINE, TAB, Columns, LineLayout
from g2p_batch.words.files import PARQUET, InputFile
from g2p_batch.words.inputs import Sources, find_files

ROWS = pa.schema([("row", pa.int64()), ("word", pa.string()), ("lang", pa.string()), ("reason", pa.string())])
"""`row` counts data rows over all inputs from 1; `reason` is null, or one of `delimited.REASONS`."""

WORD_COLUMNS = ("word", "words", "grapheme", "graphemes", "orthography", "spelling")
LANG_COLUMNS = ("lang", "language", "tag", "lang_tag", "language_tag", "locale")
"""Column names known without options, in any case; the first of them that a header has is taken."""

_DELIMITERS = {".txt": LINE, ".dic": LINE, ".tsv": TAB, ".csv": COMMA}
KINDS = ("txt", "tsv", "csv", "parquet")
"""What a file may be said to be, whatever its name is."""
_SHOWN = 5
"""Cells that an error shows."""
_LINES_LOOKED_AT, _BYTES_LOOKED_AT = 20, 1 << 16
_LANGUAGE_LIKE = re.compile("[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]+)*")
"""What the second cell of a line without a header may be: a tag, known or not."""


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
        UsageError: `lang` and `lang_column` are both given, or there is no such kind or encoding.
    """

    inputs: tuple[str, ...]
    """Files, folders (searched to the bottom), globs, or `-` for standard input."""
    lang: str | None = None
    """The language of every word; without it each input needs a language column."""
    lang_column: str | None = None
    word_column: str | None = None
    """Name of a column, or its number from 1 where there is no header; `lang_column` likewise."""
    kind: str | None = None
    """One of `KINDS`; by default told by the name of each file."""
    encoding: str | None = None
    """Of text, as Python calls it; UTF-8 by default."""
    further: tuple[Further, ...] = ()
    """Columns to read besides, from inputs that have a header."""

    def __post_init__(self) -> None:
        if self.lang is not None and self.lang_column is not None:
            raise UsageError(
                "--lang and --lang-column exclude each other: name one language, or the column of languages"
            )
        if self.inputs.count(STDIN) > 1:
            raise UsageError("standard input can be read once: give - once")
        if self.encoding is not None:
            try:
                "a".encode(self.encoding)
            except (LookupError, ValueError):  # ValueError: a codec that encodes nothing, or a name that is none
                raise UsageError(
                    f"--encoding {self.encoding} is unknown: give utf-8, latin-1, cp1252, utf-16 ..."
                ) from None
            if STDIN in self.inputs:
                raise UsageError("--encoding is for files: pipe standard input through `iconv -t UTF-8`")

    @cached_property
    def sources(self) -> Sources:
        """What the inputs mean, to keep apart from it what is written."""
        return Sources(self.inputs)


@dataclass(frozen=True)
class _TextTable:
    file: InputFile
    head: bytes
    """All up to the end of the first line that is not blank."""
    layout: LineLayout
    rows_at: int
    """Where in `head` rows begin."""
    encoding: str | None

    def rows(self, most: int) -> Iterator[Columns]:
        with self.file.stream(self.encoding) as stream:
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
    empty: tuple[str, ...] = ()
    """Files of folders, as messages call them, that hold nothing and are passed over."""

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
    found = [*files]
    opened = [_open(file, lists) for file in found]
    empty = tuple(file.name for file, table in zip(found, opened, strict=True) if table is None)
    return OpenedLists(lists, tuple(table for table in opened if table is not None), empty)


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


def _open(file: InputFile, lists: WordLists) -> _TextTable | _ParquetTable | None:
    """Open a file; None if it holds nothing and is one of a folder's."""
    kind = f".{lists.kind}" if lists.kind else file.kind
    if kind == PARQUET:
        return _open_parquet(file, lists)
    with file.stream(lists.encoding) as stream:
        head = delimited.first_line(stream, codecs.BOM_UTF8)
    if what := recognition.foreign(head):
        raise InputError(f"{file.name} {what}")
    if not head.removeprefix(codecs.BOM_UTF8).strip() and file.name != file.source:
        return None
    return _TextTable(file, head, *_layout(file, kind, head, lists), lists.encoding)


def _layout(file: InputFile, kind: str | None, head: bytes, lists: WordLists) -> tuple[LineLayout, int]:
    """Tell from everything up to the first line that is not blank how a file is laid out and where its rows begin."""
    rows_at = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    line = head[rows_at:].strip(b"\r\n")
    named = [name for name in (lists.word_column, lists.lang_column) if name is not None]
    options = bool(named or lists.further)
    delimiter = _DELIMITERS[kind] if kind else TAB if options or TAB in line else LINE
    cells = _first_cells(file, line, delimiter)
    if delimiter == LINE:
        _check_plain(file, lists)
        return LineLayout(delimiter, 1, 0, None), rows_at
    if named and all(name.isdecimal() and name not in cells for name in named):
        return LineLayout(delimiter, len(cells), *_numbered(file, cells, lists)), rows_at
    if options or {*WORD_COLUMNS, *LANG_COLUMNS} & {cell.lower() for cell in cells}:
        return LineLayout(delimiter, len(cells), *_columns(file, cells, lists)), len(head)
    if not line or (lists.lang is not None and len(cells) == 1):
        return LineLayout(delimiter, len(cells), 0, None), rows_at
    if lists.lang is None and len(cells) == 2 and _LANGUAGE_LIKE.fullmatch(cells[1]):
        return LineLayout(delimiter, 2, 0, 1), rows_at
    raise InputError(f"{file.name} {_unnamed(cells, kind)}")


def _unnamed(cells: Sequence[str], kind: str | None) -> str:
    """Tell what is wrong with a first line in which no cell is the known name of a column, nor a language."""
    shown = ", ".join(map(repr, cells[:_SHOWN])) + (", ..." if len(cells) > _SHOWN else "")
    if kind == ".csv" and len(cells) == 1 and ";" in cells[0]:
        return f"begins with {shown}, separated by semicolons: save it with commas, or as .tsv with tabs"
    return (
        f"begins with {shown}, none of which is the known name of a column: name the column of words with "
        "--word-column and that of languages with --lang-column (or give --lang TAG), by name, or by number where "
        "there is no header"
    )


def _numbered(file: InputFile, cells: Sequence[str], lists: WordLists) -> tuple[int, int | None]:
    """Return the positions of columns that are named by their numbers."""
    word, lang = (None if name is None else int(name) for name in (lists.word_column, lists.lang_column))
    if lists.lang is None and lang is None:
        raise InputError(f"{file.name} has no header: give --lang TAG, or --lang-column with a number too")
    for number in (word, lang):
        if number is not None and not 1 <= number <= len(cells):
            raise InputError(f"{file.name} has {len(cells)} columns, and no column {number}: count from 1")
    return (word or 1) - 1, None if lang is None else lang - 1


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
    if not file.is_standard_input:
        with file.stream(lists.encoding) as stream:
            lines = stream.read(_BYTES_LOOKED_AT).removeprefix(codecs.BOM_UTF8).splitlines()
        if what := recognition.no_plain_list([line for line in lines if line.strip()][:_LINES_LOOKED_AT]):
            raise InputError(f"{file.name} {what}")


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
