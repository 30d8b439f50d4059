"""What a lexicon format is: a writer, a reader, a validator, and what it cannot hold."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa

from g2p_batch.errors import UsageError
from g2p_batch.formats.lexicon import WriteOptions


@dataclass(frozen=True)
class Problem:
    """A place where a file breaks a rule of its format."""

    line: int
    """From 1, a row of a Parquet file likewise; 0 where the whole file is meant."""
    what: str
    file: str = ""
    """The file, where a lexicon is a folder."""


@dataclass(frozen=True)
class Expected:
    """What a lexicon is checked against besides the rules of its format.

    Attributes:
        tokens: sherpa-onnx `tokens.txt` that has to hold every phone.
        lang: tag of the only language that the lexicon may name.
        reader: one of the format's `readers`, which is to read all of it.
    """

    tokens: Path | None = None
    lang: str | None = None
    reader: str | None = None


Writer = Callable[[Iterable[pa.RecordBatch], Path, WriteOptions], None]
"""Streams batches of schema `LEXICON` into a new file, or a folder that is new or empty.

The rows of a word follow one another, best first, none of them is one that the format refuses, and where the format
asks for it words are in bytewise order.
"""

Reader = Callable[[Path], Iterator[pa.RecordBatch]]
"""Yields batches of schema `entries.ENTRIES`; raises `InputError` naming file and line."""

Validator = Callable[[Path, Expected], Iterator[Problem]]
"""Yields what the readers of the format reject, whoever made the file; raises `InputError` where it is unreadable."""

Refuser = Callable[[pa.RecordBatch, WriteOptions], pa.Array]
"""Returns for each of N rows of schema `LEXICON` null, or the reason why the format cannot hold it; string [N]."""


@dataclass(frozen=True)
class Source:
    """A kind of lexicon of other tools, which is read and not written."""

    name: str
    read: Reader
    validate: Validator
    names_language: bool = False
    """Whether a file says which languages it is about."""
    readers: tuple[str, ...] = ()
    """As of a format."""


@dataclass(frozen=True)
class Format:
    """A kind of lexicon."""

    name: str
    suffix: str | None
    """How the names of its files end, where no other format's do."""
    write: Writer
    read: Reader
    validate: Validator
    refuse: Refuser
    order: Literal["any", "word"] = "any"
    """The order of words in which the writer wants rows: any, or bytewise by word."""
    languages: Literal["many", "one"] = "one"
    """Whether a file has a column of languages, or is about one."""
    names_language: bool = False
    """Whether a file says which languages it is about."""
    files: tuple[str, ...] = ()
    """Names of all files that it may have, where it is a folder."""
    best_only: bool = False
    """Whether readers take one pronunciation a word: the writer keeps the best."""
    phones: Literal["written", "beside", "joined"] = "written"
    """Whether it writes phones; or pronunciations, with phones beside them where they are asked for; or pronunciations
    only, which are the phones joined where those are asked for."""
    alphabet: Literal["arpabet"] | None = None
    """The alphabet of its phones, where its readers know one only."""
    unstressed: bool = False
    """Whether its readers' IPA has no stress marks: they are left out unless they are asked for."""
    repeats: Callable[[], Refuser] | None = None
    """Where readers take different words for one: makes what refuses all but the first. It is asked once about every
    batch of rows that are not refused yet, in their order."""
    tokens: bool = False
    """Whether phones may be checked against a `tokens.txt` as it is written."""
    readers: tuple[str, ...] = ()
    """Programs that take less than the format allows: a lexicon may be written for one of them, and checked for it."""


def require_reader(kind: Source | Format, name: str | None) -> None:
    """Check that a lexicon can be for the reader called `name`, if one is.

    Raises:
        UsageError: it cannot.
    """
    if name is not None and name not in kind.readers:
        others = f": choose --reader {' or '.join(kind.readers)}" if kind.readers else ": leave it out"
        raise UsageError(f"--reader {name} is not about lexicons of {kind.name}{others}")
