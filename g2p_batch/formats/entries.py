"""Lexicon files as numbered lines, and entries as Arrow batches."""

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, NamedTuple, cast

import pyarrow as pa

from g2p_batch.errors import InputError
from g2p_batch.formats.kind import Problem
from g2p_batch.formats.rules import BOM

ENTRIES = pa.schema(
    [
        pa.field("word", pa.string(), nullable=False),
        pa.field("lang", pa.string()),
        pa.field("rank", pa.int8(), nullable=False),
        pa.field("pron", pa.string(), nullable=False),
        pa.field("phones", pa.list_(pa.string())),
        pa.field("prob", pa.float32()),
        pa.field("line", pa.int64(), nullable=False),
        pa.field("alphabet", pa.string()),
        pa.field("passed_over", pa.string()),
    ]
)
"""What a file says: `lang` and `phones` are null where the format has none, `prob` is what the file calls probability.

`rank` counts the adjacent entries of a word from 1. Where only phones are given, `pron` is these without blanks. `line`
counts from 1, and rows of Parquet likewise. `alphabet` is the one that the file names, if it does. `passed_over` is why
an entry says nothing that can be used, and null where it does; its `rank` is 0.
"""

NO_PRONUNCIATION = "no_pronunciation"
"""Why an entry is passed over that has a word alone."""

_ROWS = 65536
_MOST_RANKS = 127
_PACKED = {b"\x1f\x8b": "gzip", b"\x28\xb5\x2f\xfd": "zstd"}
"""Compression by the first bytes of a file."""


class TextLine(NamedTuple):
    """One line of a text file."""

    number: int
    text: str
    """Without LF; U+FFFD stands for bytes that are not UTF-8."""
    is_utf8: bool
    ended: bool
    """Whether a LF follows."""


class Entry(NamedTuple):
    """One pronunciation of a word."""

    word: str
    pron: str
    phones: list[str] | None = None
    lang: str | None = None
    prob: float | None = None
    line: int = 1
    alphabet: str | None = None
    passed_over: str | None = None


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """Open a file, decompressed if it is gzip or Zstandard.

    Raises:
        InputError: it is absent, may not be read, or is damaged.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
            compression = next((name for magic, name in _PACKED.items() if start.startswith(magic)), None)
            file.seek(0)
            # pyarrow's stream is a raw file in all but name.
            yield io.BufferedReader(cast(io.RawIOBase, pa.input_stream(file, compression=compression)))
    except FileNotFoundError:
        raise InputError(f"{path} does not exist: check the path") from None
    except (OSError, pa.ArrowException) as cause:
        raise InputError(f"{path} cannot be read ({cause}): check its permissions, and that it is whole") from None


def text_lines(path: Path) -> Iterator[TextLine]:
    """Yield the lines of a file, gzip or Zstandard too, cut at LF only.

    Raises:
        InputError: the file cannot be read.
    """
    with opened(path) as file:
        for number, data in enumerate(file, 1):
            ended = data.endswith(b"\n")
            content = data[:-1] if ended else data
            try:
                yield TextLine(number, content.decode(), True, ended)
            except UnicodeDecodeError:
                yield TextLine(number, content.decode("utf-8", "replace"), False, ended)


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the lines that are not blank, by number, without CR and without a byte order mark.

    Raises:
        InputError: the file cannot be read, or a line is not UTF-8.
    """
    for line in text_lines(path):
        if not line.is_utf8:
            raise wrong(path, line.number, "is not UTF-8: convert the file with `iconv -t UTF-8`")
        text = line.text.removesuffix("\r")
        text = text.removeprefix(BOM) if line.number == 1 else text
        if text.strip():
            yield line.number, text


def encoding_problems(line: TextLine) -> Iterator[Problem]:
    """Yield what is wrong with a line in every text format."""
    if not line.is_utf8:
        yield Problem(line.number, "is not UTF-8")
    if line.number == 1 and line.text.startswith(BOM):
        yield Problem(line.number, "begins with a byte order mark, which becomes part of the first word")


def wrong(path: Path, number: int, what: str) -> InputError:
    """Return the error of a line that cannot be read."""
    return InputError(f"{path}, line {number}: {what}")


def batched(entries: Iterable[Entry]) -> Iterator[pa.RecordBatch]:
    """Yield entries as batches of schema `ENTRIES`."""
    batch: list[Entry] = []
    ranks: list[int] = []
    rank = 0
    before: tuple[str, str | None] = ("", None)
    for entry in entries:
        if not entry.pron and entry.passed_over is None:
            entry = entry._replace(passed_over=NO_PRONUNCIATION)
        if entry.passed_over is None:
            rank = min(rank + 1, _MOST_RANKS) if (entry.word, entry.lang) == before else 1
            before = (entry.word, entry.lang)
        ranks.append(0 if entry.passed_over else rank)
        batch.append(entry)
        if len(batch) == _ROWS:
            yield _batch(batch, ranks)
            batch, ranks = [], []
    if batch:
        yield _batch(batch, ranks)


def _batch(entries: list[Entry], ranks: list[int]) -> pa.RecordBatch:
    columns = dict(zip(Entry._fields, zip(*entries, strict=True), strict=True))
    columns["rank"] = tuple(ranks)
    return pa.record_batch([pa.array(columns[f.name], f.type) for f in ENTRIES], schema=ENTRIES)
