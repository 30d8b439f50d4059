"""Word lists (text, TSV, CSV, Parquet, compressed, folders, standard input) as one stream of Arrow batches."""

import codecs
import glob
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from g2p_batch.errors import InputError, UsageError
from g2p_batch.storage import remote
from g2p_batch.storage.locations import Location, Url, inside, located
from g2p_batch.words import delimited
from g2p_batch.words.delimited import COMMA, LINE, TAB, Columns, LineLayout

ROWS = pa.schema([("row", pa.int64()), ("word", pa.string()), ("lang", pa.string()), ("reason", pa.string())])
"""`row` counts data rows over all inputs from 1; `reason` is null, or one of `delimited.REASONS`."""

WORD_COLUMNS = ("word", "words", "grapheme", "graphemes", "orthography", "spelling")
LANG_COLUMNS = ("lang", "language", "tag", "lang_tag", "language_tag", "locale")
"""Column names known without options, in any case; the first of them that a header has is taken."""

STDIN = "-"

_PARQUET = ".parquet"
_TEXT: dict[str, tuple[bytes, str | None]] = {
    kind + packed: (delimiter, compression)
    for kind, delimiter in ((".txt", LINE), (".tsv", TAB), (".csv", COMMA))
    for packed, compression in (("", None), (".gz", "gzip"), (".zst", "zstd"))
}
"""Delimiter and compression by the end of a file's name."""

_ENCODINGS = {  # the longer marks first: one of them begins like a shorter one
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
"""Encodings that are not read, by the mark that a file begins with."""

SUFFIXES = (*_TEXT, _PARQUET)
"""How the names of readable files end, in any case."""

_DAMAGED = "cannot be read ({}): the file is damaged or not what its name says"
_CAUSES: tuple[tuple[type[Exception], str], ...] = (
    (FileNotFoundError, "does not exist: check the path"),
    (PermissionError, "may not be read: change its permissions"),
    (OSError, _DAMAGED),
    (pa.ArrowException, _DAMAGED),
)

_Rows = Callable[[int], Iterator[Columns]]
"""Reads an input whose layout is known, at most so many rows at a time."""


@dataclass(frozen=True)
class Further:
    """A column wanted beside word and language."""

    names: tuple[str, ...]
    """What it may be called, in any case; the first of these that a header has is taken."""
    required: bool = True
    """An input without it is refused; otherwise its cells are null."""


@dataclass(frozen=True)
class WordLists:
    """Which word lists to read, and where their words and languages are found."""

    inputs: tuple[str, ...]
    """Files, folders (searched to the bottom), globs, or `-` for standard input."""
    lang: str | None = None
    """The language of every word; without it each input needs a language column."""
    lang_column: str | None = None
    word_column: str | None = None
    further: tuple[Further, ...] = ()
    """Columns to read besides, from inputs that have a header."""


def standard_input() -> BinaryIO:
    """Return standard input, empty where it is closed."""
    return sys.stdin.buffer if sys.stdin is not None else io.BytesIO()


def files_of(source: WordLists) -> list[str]:
    """Return the files that the inputs mean, in the order in which they are read.

    Raises:
        InputError: an input does not exist or may not be read.
    """
    return [file for name in source.inputs for file in _files(name)]


def require_unread(source: WordLists, place: Location, remedy: str) -> None:
    """Check that what is written at a place is no part of an input, and would be none once it is there.

    Raises:
        UsageError: it is; the message ends with `remedy`.
    """
    for name in source.inputs:
        if name != STDIN and _reads(name, place):
            raise UsageError(f"{place} would be read as part of the input {name}: {remedy}")


def _reads(name: str, place: Location) -> bool:
    given = located(name)
    if isinstance(given, Url) or isinstance(place, Url) or not _is_pattern(name):
        return inside(place, given)
    parts, pattern = place.absolute().parts, given.absolute().parts
    if "**" in pattern:
        return fnmatch(str(place.absolute()), str(given.absolute()))
    # A folder that the pattern means is read to its bottom.
    return len(parts) >= len(pattern) and all(map(fnmatch, parts, pattern))


def _is_pattern(name: str) -> bool:
    return glob.has_magic(name) and not os.path.lexists(name)


def read(source: WordLists, batch_rows: int = 65536, stdin: BinaryIO | None = None) -> Iterator[pa.RecordBatch]:
    """Read word lists in the order given and yield their rows as batches of schema `ROWS`.

    Columns of `source.further` follow those of the schema, as strings, each by the first of its names.

    All inputs are looked at before this returns: that they exist and have the columns they need. A row that cannot
    be read is a row with a `reason`; its neighbours are not touched. Only LF and CRLF end a row, in CSV quotes too.

    Args:
        source: the word lists.
        batch_rows: most rows of a batch.
        stdin: what the input `-` reads; standard input by default.

    Raises:
        UsageError: the options of `source` exclude each other.
        InputError: an input is missing, unreadable, empty, of unknown kind, or lacks a column.
    """
    if source.lang is not None and source.lang_column is not None:
        raise UsageError("--lang and --lang-column exclude each other: name one language, or the column of languages")
    pipe = stdin or standard_input()
    opened = [(name, [_open(file, source, pipe) for file in _files(name)]) for name in source.inputs]
    return _numbered(opened, source, batch_rows)


def _numbered(opened: list[tuple[str, list[_Rows]]], source: WordLists, batch_rows: int) -> Iterator[pa.RecordBatch]:
    schema = pa.schema([*ROWS, *((column.names[0], pa.string()) for column in source.further)])
    lang = source.lang
    row = 1
    for name, inputs in opened:
        first = row
        for cells in (cells for rows in inputs for cells in rows(batch_rows)):
            numbers = np.arange(row, row + len(cells.word), dtype=np.int64)
            langs = pa.repeat(pa.scalar(lang, pa.string()), len(numbers)) if cells.lang is None else cells.lang
            yield pa.record_batch([numbers, cells.word, langs, cells.reason, *cells.further], schema=schema)
            row += len(numbers)
        if row == first:
            raise InputError(f"{_shown(name)} holds no words: fill it, or leave it out")


def _files(name: str) -> list[str]:
    """Return the files that one input means: itself, the word lists of a folder, or the matches of a glob."""
    place = located(name)
    if isinstance(place, Url):
        return _bucket(place)
    if name == STDIN:
        return [name]
    if not _is_pattern(name):
        with _reading(name):
            is_folder = Path(name).is_dir()
        return _folder(name) if is_folder else [_file(name)]
    found = sorted(glob.glob(name, recursive=True))  # noqa: PTH207  (Path.glob takes no absolute pattern)
    if not found:
        raise InputError(f"{name} matches no file: check the pattern")
    return [file for match in found for file in _files(match)]


def _file(name: str) -> str:
    """Return the name of a file, which is read more than once and kept in the plan by its name."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise InputError(f"{name!a} has a name that is not UTF-8: rename it, or give - and pipe it in") from None
    with _reading(name):
        if Path(name).exists() and not Path(name).is_file():
            raise InputError(f"{name} is a pipe or a device: give - and pipe it in")
    return name


def _folder(name: str) -> list[str]:
    """Return the word lists at any depth below a folder, sorted; hidden ones and markers like `_SUCCESS` are not."""
    found: list[str] = []
    with _reading(name):
        for folder, folders, files in os.walk(name, onerror=_raise):
            folders[:] = filter(_visible, folders)
            lists = (file for file in filter(_visible, files) if file.lower().endswith(SUFFIXES))
            found += [_file(str(Path(folder, file))) for file in lists]
    if not found:
        raise InputError(f"{name} holds no word list: their names end in {', '.join(SUFFIXES)}")
    return sorted(found)


def _bucket(url: Url) -> list[str]:
    """Return the word lists at or below a URL; the same names as in a folder are left out."""
    if glob.has_magic(url.key):
        raise InputError(f"{url} is a pattern, which buckets do not know: give the name above it, or each file")
    found = remote.files_at(url)
    if found == [str(url)]:
        return found
    below = len(str(url)) + 1
    lists = [name for name in found if name.lower().endswith(SUFFIXES) and all(map(_visible, name[below:].split("/")))]
    if not lists:
        raise InputError(f"{url} holds no word list: their names end in {', '.join(SUFFIXES)}")
    return lists


def _visible(name: str) -> bool:
    return not name.startswith((".", "_"))


def _raise(error: OSError) -> None:
    raise error


def _shown(name: str) -> str:
    return "standard input" if name == STDIN else name


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Turn what reading can raise into an `InputError` that names the input."""
    try:
        yield
    except (OSError, pa.ArrowException) as cause:
        if isinstance(located(name), Url):
            raise InputError(f"{name} {remote.said(cause)}") from None
        text = next(text for kind, text in _CAUSES if isinstance(cause, kind))
        raise InputError(f"{_shown(name)} {text.format(cause)}") from None


def _open(name: str, source: WordLists, stdin: BinaryIO) -> _Rows:
    """Find out what an input is and where its columns are.

    A file is read twice at its beginning rather than kept open: folders can hold more files than may be open at once.
    """
    if name.lower().endswith(_PARQUET):
        return partial(_parquet_rows, name, _parquet_columns(name, source))
    suffix = next((suffix for suffix in _TEXT if name.lower().endswith(suffix)), None)
    if suffix is None and name != STDIN:
        raise InputError(f"{name} is of no known kind: let its name end in one of {', '.join(SUFFIXES)}")
    delimiter, compression = (None, None) if suffix is None else _TEXT[suffix]
    with _stream(name, compression, stdin) as stream:
        head = delimited.first_line(stream, codecs.BOM_UTF8)
    layout, rows_at = _layout(_shown(name), head, delimiter, source)
    return partial(_text_rows, name, compression, stdin, head, rows_at, layout)


@contextmanager
def _stream(name: str, compression: str | None, stdin: BinaryIO) -> Iterator[BinaryIO]:
    with _reading(name):
        if name == STDIN:
            yield stdin
            return
        place = located(name)
        with remote.stream(place) if isinstance(place, Url) else place.open("rb") as file:
            # pyarrow's stream is a raw file in all but name.
            packed = cast(io.RawIOBase, pa.input_stream(file, compression=compression))
            yield cast(BinaryIO, io.BufferedReader(packed))


def _text_rows(
    name: str, compression: str | None, stdin: BinaryIO, head: bytes, rows_at: int, layout: LineLayout, rows: int
) -> Iterator[Columns]:
    with _stream(name, compression, stdin) as stream:
        if name != STDIN:
            stream.read(len(head))
        yield from delimited.parse(delimited.whole_lines(stream, head[rows_at:]), layout, rows)


def _layout(shown: str, head: bytes, delimiter: bytes | None, source: WordLists) -> tuple[LineLayout, int]:
    """Tell from everything up to the first line that is not blank how a file is laid out and where its rows begin."""
    if encoding := next((name for mark, name in _ENCODINGS.items() if head.startswith(mark)), None):
        raise InputError(f"{shown} is {encoding}: convert it with `iconv -f {encoding} -t UTF-8`")
    rows_at = len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0
    line = head[rows_at:].strip(b"\r\n")
    options = source.word_column is not None or source.lang_column is not None or bool(source.further)
    if delimiter is None:
        delimiter = TAB if options or TAB in line else LINE
    cells = _first_cells(shown, line, delimiter)
    if delimiter == LINE:
        _check_plain(shown, source)
    elif options or {*WORD_COLUMNS, *LANG_COLUMNS} & {cell.lower() for cell in cells}:
        return LineLayout(delimiter, len(cells), *_columns(shown, cells, source)), len(head)
    elif source.lang is None and len(cells) != 2:
        raise InputError(
            f"{shown} has no header, and in its first line the number of cells is not 2 but {len(cells)}: "
            "begin it with a line that names the columns word and lang, or give --lang TAG"
        )
    return LineLayout(delimiter, len(cells), 0, 1 if source.lang is None else None), rows_at


def _first_cells(shown: str, line: bytes, delimiter: bytes) -> list[str]:
    cells = delimited.split_line(line, delimiter)
    if cells is None:
        raise InputError(f"{shown} has a stray quote in its first line: write it as RFC 4180 asks, or as .tsv")
    return [cell.decode("utf-8", "replace").strip() for cell in cells]


def _check_plain(shown: str, source: WordLists) -> None:
    if source.further:
        raise InputError(f"{shown} is a plain list of words: give .tsv, .csv or .parquet with {_named(source.further)}")
    if source.word_column is not None or source.lang_column is not None:
        raise InputError(f"{shown} is a plain list of words without columns: give --lang TAG and no column names")
    if source.lang is None:
        raise InputError(f"{shown} is a plain list of words: name their language with --lang TAG")


def _named(further: Sequence[Further]) -> str:
    names = " and ".join(column.names[0] for column in further if column.required)
    return f"a header that names word, lang and {names}"


def _columns(shown: str, names: Sequence[str], source: WordLists) -> tuple[int, int | None, tuple[int | None, ...]]:
    """Return the positions of the word column, of the language column unless the language is fixed, and of others."""
    word = _column(shown, names, source.word_column, WORD_COLUMNS, _remedy(source, "words", "word"))
    further = tuple(_further(shown, names, column) for column in source.further)
    if source.lang is not None:
        return word, None, further
    remedy = f"{_remedy(source, 'languages', 'lang')}, or give --lang TAG"
    return word, _column(shown, names, source.lang_column, LANG_COLUMNS, remedy), further


def _remedy(source: WordLists, what: str, name: str) -> str:
    """Say what to do about a missing column; commands that read further ones have no option for it."""
    return f"call it {name} in the header" if source.further else f"name the column of {what} with --{name}-column"


def _further(shown: str, names: Sequence[str], column: Further) -> int | None:
    if column.required or {*column.names} & {name.lower() for name in names}:
        return _column(shown, names, None, column.names, f"call it {column.names[0]} in the header")
    return None


def _column(shown: str, names: Sequence[str], wanted: str | None, known: tuple[str, ...], remedy: str) -> int:
    """Return the position of the column asked for, or of the first known one."""
    lowered = [name.lower() for name in names]
    listing = ", ".join(names)
    if wanted is None:
        wanted = next((names[lowered.index(name)] for name in known if name in lowered), None)
        missing = f"none of the columns {', '.join(known)}"
    else:
        missing = f"no column {wanted!r}"
    if wanted is None or wanted not in names:
        raise InputError(f"{shown} has {missing} but {listing}: {remedy}")
    if names.count(wanted) > 1:
        raise InputError(f"{shown} has more than one column {wanted!r} among {listing}: rename all but one")
    return names.index(wanted)


def _parquet_columns(name: str, source: WordLists) -> tuple[str, str | None, tuple[str | None, ...]]:
    """Return the names of the word column, of the language column unless the language is fixed, and of others."""
    with _reading(name), _parquet(name) as file:
        schema = file.schema_arrow
    word, lang, further = _columns(name, schema.names, source)
    for place, field in ((place, schema.field(place)) for place in (word, lang, *further) if place is not None):
        if not (_is_text(field.type) or (place in further and pa.types.is_floating(field.type))):
            raise InputError(f"{name} has {field.type}, not text, in its column {field.name!r}: write it as strings")
    known = [None if place is None else schema.names[place] for place in (lang, *further)]
    return schema.names[word], known[0], tuple(known[1:])


def _parquet_rows(name: str, columns: tuple[str, str | None, tuple[str | None, ...]], rows: int) -> Iterator[Columns]:
    word, lang, further = columns
    wanted = [column for column in (word, lang, *further) if column is not None]
    with _reading(name), _parquet(name) as file:
        for batch in file.iter_batches(batch_size=rows, columns=wanted):
            words, invalid = delimited.decode(_bytes(batch.column(word)))
            langs = None if lang is None else delimited.decode(_bytes(batch.column(lang)))[0]
            others = []
            for column in further:
                cells = pa.nulls(len(words), pa.string()) if column is None else batch.column(column)
                text, bad = delimited.decode(_bytes(cells))
                others.append(text)
                invalid |= bad
            reasons = pc.if_else(pa.array(invalid), delimited.INVALID_UTF8, pa.scalar(None, pa.string()))
            yield Columns(words, langs, reasons, tuple(others))


def _parquet(name: str) -> Any:
    place = located(name)
    return pq.ParquetFile(remote.opened(place) if isinstance(place, Url) else place)


def _is_text(kind: Any) -> bool:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    return kind in (pa.string(), pa.large_string(), pa.string_view(), pa.binary(), pa.large_binary(), pa.binary_view())


def _bytes(column: pa.Array) -> pa.Array:
    """View text as bytes: readers of Parquet do not check that strings are UTF-8."""
    column = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
    column = column.cast(pa.string()) if pa.types.is_floating(column.type) else column
    return column.cast(pa.binary())
