"""Lines of bytes to columns of text, a block at a time: one bad row never costs another."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

INVALID_UTF8, RAGGED, BAD_QUOTING = REASONS = ("invalid_utf8", "ragged", "bad_quoting")
"""Why a row cannot be read: bytes that are no text; another number of cells than the first line; a stray CSV quote."""

LINE, TAB, COMMA = b"\n", b"\t", b","

_BLOCK_BYTES = 1 << 22
_LONGEST_LINE_BYTES = 1 << 25
"""A longer line keeps only its beginning, to be rejected as ragged or too long, so that memory stays bounded."""

_LF, _CR, _QUOTE = b'\n\r"'
_QUOTED_CELL = re.compile(rb'(?:"(?P<quoted>[^"]*(?:""[^"]*)*)"|(?P<bare>[^",][^,]*|))(?:,|(?P<last>\Z))')

Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]
Reasons = npt.NDArray[np.int8]
"""An index into `REASONS` for each row, or `_GOOD`."""
Span = tuple[Positions, Positions]

_GOOD = -1


@dataclass(frozen=True)
class LineLayout:
    """How the lines of one file hold words and languages."""

    delimiter: bytes
    """`COMMA` with the quoting of RFC 4180, `TAB` without quoting, or `LINE` where a line is a word."""
    columns: int
    word: int
    lang: int | None
    further: tuple[int | None, ...] = ()
    """Other columns that are wanted; None is one that the file does not have."""


class Columns(NamedTuple):
    """Some rows, as string arrays of one length; `lang` is None where the file does not say it."""

    word: pa.Array
    lang: pa.Array | None
    reason: pa.Array
    """Null, or one of `REASONS`."""
    further: tuple[pa.Array, ...] = ()
    """One per column of `LineLayout.further`; null where the file does not have it or the row cannot be split."""


def whole_lines(stream: BinaryIO, head: bytes = b"") -> Iterator[bytes]:
    """Yield `head` and then the stream as runs of whole lines."""
    while chunk := stream.read(_BLOCK_BYTES):
        cut = chunk.rfind(b"\n") + 1
        if cut:
            yield head + chunk[:cut]
            head = chunk[cut:]
        elif len(head) < _LONGEST_LINE_BYTES:
            head += chunk
    if head:
        yield head


def first_line(stream: BinaryIO, skip: bytes) -> bytes:
    """Read up to the end of the first line that holds more than `skip`, and return all that was read."""
    read = []
    while line := stream.readline(_LONGEST_LINE_BYTES):
        read.append(line)
        if line.removeprefix(skip).strip(b"\r\n"):
            break
    return b"".join(read)


def split_line(line: bytes, delimiter: bytes) -> list[bytes] | None:
    """Return the cells of one line, or None where its quotes are wrong."""
    if delimiter != COMMA:
        return line.split(delimiter)
    spans = _quoted_spans(line)
    return None if spans is None else [line[start:end].replace(b'""', b'"') for start, end in spans]


def parse(blocks: Iterable[bytes], layout: LineLayout, rows: int) -> Iterator[Columns]:
    """Yield the rows of runs of whole lines, at most `rows` at a time; blank lines at the very end are not rows.

    A row that cannot be split has its whole line as word and no language.
    """
    for block, starts, ends in _lines(blocks):
        for at in range(0, len(starts), rows):
            some = slice(at, at + rows)
            base, end = starts[some][0], ends[some][-1]
            yield _cells(block[base:end], starts[some] - base, ends[some] - base, layout)


def decode(cells: pa.Array) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """Turn binary cells [N] into text, U+FFFD in place of what is no UTF-8, and tell which cells [N] had that."""
    try:
        return cells.cast(pa.string()), np.zeros(len(cells), np.bool_)
    except pa.ArrowInvalid:
        raw = cells.to_pylist()
    text = [cell if cell is None else cell.decode("utf-8", "replace") for cell in raw]
    wrong = [shown is not None and shown.encode() != cell for shown, cell in zip(text, raw, strict=True)]
    return pa.array(text, pa.string()), np.array(wrong, np.bool_)


def _lines(blocks: Iterable[bytes]) -> Iterator[tuple[Bytes, Positions, Positions]]:
    """Yield blocks with the start and end of each line; blank lines wait until another line follows them."""
    blank = 0
    for block in blocks:
        data = np.frombuffer(block, np.uint8)
        ends = np.flatnonzero(data == _LF)
        if data[-1] != _LF:
            ends = np.append(ends, len(data))
        starts = np.concatenate([[0], ends[:-1] + 1])
        ends = ends - ((ends > starts) & (data[ends - 1] == _CR))
        full = np.flatnonzero(ends > starts)
        kept = int(full[-1]) + 1 if len(full) else 0
        if kept:
            before = np.zeros(blank, np.int64)
            yield data, np.concatenate([before, starts[:kept]]), np.concatenate([before, ends[:kept]])
            blank = 0
        blank += len(starts) - kept


def _cells(block: Bytes, starts: Positions, ends: Positions, layout: LineLayout) -> Columns:
    """Cut lines into rows.

    Args:
        block: bytes of all the lines.
        starts: [N], where each line begins in `block`, rising.
        ends: [N], where it ends, its line break excluded.
        layout: which cells are wanted.
    """
    if (even := _even(block, ends, layout)) is not None:
        return even
    spans, reasons = _spans(block, starts, ends, layout)
    unknown = pa.array((reasons != _GOOD) | (starts == ends))
    lang = None
    if layout.lang is not None:
        lang = pc.if_else(unknown, None, decode(_cut(block, *spans[layout.lang]))[0])
    word, invalid = decode(_cut(block, *spans[layout.word]))
    further = []
    for column in layout.further:
        if column is None:
            further.append(pa.nulls(len(word), pa.string()))
            continue
        cells, bad = decode(_cut(block, *spans[column]))
        further.append(pc.if_else(unknown, None, cells))
        invalid |= bad
    reasons[invalid & (reasons == _GOOD)] = REASONS.index(INVALID_UTF8)
    return Columns(word, lang, _reason_names(reasons), tuple(further))


def _reason_names(reasons: Reasons) -> pa.Array:
    return pa.array(REASONS).take(pa.array(reasons, mask=reasons == _GOOD))


def _even(block: Bytes, ends: Positions, layout: LineLayout) -> Columns | None:
    """Cut lines that all have the cells that they should have, none of them quoted; None where one is otherwise.

    All cells are cut at once, and a column is every so many of them.
    """
    apart = block == _LF
    if layout.delimiter != LINE:
        apart |= block == ord(layout.delimiter)
    at = np.append(np.flatnonzero(apart), len(block))
    if len(at) != len(ends) * layout.columns or not np.array_equal(at[layout.columns - 1 :: layout.columns], ends):
        return None
    if layout.delimiter == COMMA and (block == _QUOTE).any():
        return None
    offsets = np.zeros(len(at) + 1, np.int32)
    offsets[1:] = at - np.arange(len(at))
    cells = pa.Array.from_buffers(pa.binary(), len(at), [None, pa.py_buffer(offsets), pa.py_buffer(block[~apart])])

    def column(number: int | None) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
        if number is None:
            return pa.nulls(len(ends), pa.string()), np.zeros(len(ends), np.bool_)
        return decode(cells.take(pa.array(np.arange(number, len(at), layout.columns))))

    lang = None if layout.lang is None else column(layout.lang)[0]
    columns, wrong = zip(*map(column, (layout.word, *layout.further)), strict=True)
    reasons = np.where(np.any(wrong, axis=0), np.int8(REASONS.index(INVALID_UTF8)), np.int8(_GOOD))
    return Columns(columns[0], lang, _reason_names(reasons), columns[1:])


def _spans(block: Bytes, starts: Positions, ends: Positions, layout: LineLayout) -> tuple[dict[int, Span], Reasons]:
    """Find where each wanted cell begins and ends [N, N]; a line that cannot be split is one cell."""
    reasons = np.full(len(starts), _GOOD, np.int8)
    wanted = {layout.word, layout.lang, *layout.further}
    spans = {column: (starts.copy(), ends.copy()) for column in wanted if column is not None}
    quoted = _quoted_lines(block, starts) if layout.delimiter == COMMA else np.zeros(0, np.int64)
    _split_plain(block, layout, spans, reasons, quoted)
    for line in quoted:
        _split_quoted(block, layout, spans, reasons, line)
    return spans, reasons


def _split_plain(block: Bytes, layout: LineLayout, spans: dict[int, Span], reasons: Reasons, quoted: Positions) -> None:
    """Narrow the spans of all lines but the quoted ones, which begin as whole lines."""
    starts, ends = (positions.copy() for positions in spans[layout.word])
    marks = np.flatnonzero(block == ord(layout.delimiter))
    first = np.searchsorted(marks, starts)
    plain = np.ones(len(starts), np.bool_)
    plain[quoted] = False
    regular = plain & (np.searchsorted(marks, ends) - first == layout.columns - 1)
    reasons[plain & ~regular & (ends > starts)] = REASONS.index(RAGGED)
    for column, (start, end) in spans.items():
        if column > 0:
            start[regular] = marks[first[regular] + column - 1] + 1
        if column < layout.columns - 1:
            end[regular] = marks[first[regular] + column]


def _quoted_lines(block: Bytes, starts: Positions) -> Positions:
    """Return which lines hold a quote: they are few, and split one by one."""
    return np.unique(np.searchsorted(starts, np.flatnonzero(block == _QUOTE), side="right") - 1)


def _split_quoted(block: Bytes, layout: LineLayout, spans: dict[int, Span], reasons: Reasons, line: np.int64) -> None:
    start, end = (int(positions[line]) for positions in spans[layout.word])
    cells = _quoted_spans(block[start:end].tobytes())
    if cells is None:
        reasons[line] = REASONS.index(BAD_QUOTING)
    elif len(cells) != layout.columns:
        reasons[line] = REASONS.index(RAGGED)
    else:
        for column, (starts, ends) in spans.items():
            starts[line], ends[line] = start + cells[column][0], start + cells[column][1]


def _quoted_spans(line: bytes) -> list[tuple[int, int]] | None:
    """Return where the cells of a CSV line begin and end inside their quotes, or None where its quotes are wrong."""
    spans, at = [], 0
    while cell := _QUOTED_CELL.match(line, at):
        spans.append(cell.span("bare" if cell["quoted"] is None else "quoted"))
        if cell["last"] is not None:
            return spans
        at = cell.end()
    return None


def _cut(block: Bytes, starts: Positions, ends: Positions) -> pa.Array:
    """Gather ranges of bytes, rising and apart, into a binary array [N], two quotes inside quotes becoming one."""
    lengths = ends - starts
    full = lengths > 0
    edges = np.zeros(len(block) + 1, np.int8)
    edges[starts[full]] += 1
    edges[ends[full]] -= 1
    inside = np.cumsum(edges[:-1], dtype=np.int8).view(np.bool_)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(block[inside])]
    cells = pa.Array.from_buffers(pa.binary(), len(lengths), buffers)
    quoted = (starts > 0) & (block[starts - 1] == _QUOTE) if len(block) else full
    if not quoted.any():
        return cells
    return pc.if_else(pa.array(quoted), pc.replace_substring(cells, '""', '"'), cells)
