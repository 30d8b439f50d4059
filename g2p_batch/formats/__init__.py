"""Lexicon formats: a writer, a reader and a validator each, chosen by name or by the file."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa

from g2p_batch.errors import InputError, UsageError
from g2p_batch.formats.charsiu import CHARSIU
from g2p_batch.formats.cmudict import CMUDICT, SYMBOLS
from g2p_batch.formats.entries import lines
from g2p_batch.formats.icefall import ICEFALL
from g2p_batch.formats.jsonl import JSONL
from g2p_batch.formats.kaldi import KALDI, KALDI_PROB
from g2p_batch.formats.kaldi_dict import KALDI_DICT, LEXICON, PROBABILITIES
from g2p_batch.formats.kind import Format
from g2p_batch.formats.mfa import MFA, MFA_PROB
from g2p_batch.formats.parquet import PARQUET
from g2p_batch.formats.pls import PLS
from g2p_batch.formats.rules import BOM
from g2p_batch.formats.sherpa import SHERPA
from g2p_batch.formats.tsv import TSV
from g2p_batch.storage.locations import Location

__all__ = ["FORMATS", "PACKED", "Format", "format_for", "read_lexicon", "readable_format"]

FORMATS = {
    known.name: known
    for known in (
        TSV,
        CHARSIU,
        PARQUET,
        JSONL,
        MFA,
        MFA_PROB,
        KALDI,
        KALDI_PROB,
        KALDI_DICT,
        ICEFALL,
        SHERPA,
        CMUDICT,
        PLS,
    )
}

_NAMED = {LEXICON: KALDI, PROBABILITIES: KALDI_PROB}
"""Formats by the whole name of a file, of those that are read."""
PACKED = (".gz", ".zst")
"""Suffixes behind that of a format."""
_LINES_LOOKED_AT = 20


def format_for(path: Location, name: str | None = None) -> Format:
    """Return the format called `name`, or without a name the one that the suffix of `path` stands for.

    Raises:
        UsageError: there is no such format, or the suffix tells none.
    """
    if name is not None:
        return _called(name)
    for known in FORMATS.values():
        if known.suffix == path.suffix.lower():
            return known
    raise UsageError(f"{path} does not tell its format: end it in {_suffixes()}, or give --format {_choice(FORMATS)}")


def read_lexicon(path: Path, name: str | None = None) -> Iterator[pa.RecordBatch]:
    """Read a lexicon in the format called `name`, or in the one that its name and beginning tell.

    Returns:
        Batches of schema `reading.ENTRIES`.

    Raises:
        UsageError: there is no such format.
        InputError: the format cannot be told, or the file cannot be read; names file and line.
    """
    return readable_format(path, name).read(path)


def readable_format(path: Path, name: str | None = None) -> Format:
    """Return the format called `name`, or the one that the name and the beginning of a file tell.

    A `.dict` is of CMUdict if its lines are ARPAbet without tabs, else of MFA. A `.tsv` without the header of ours is
    of CharsiuG2P, unless its phones are separated. `lexicon.txt` and `lexiconp.txt` are Kaldi's.

    Raises:
        UsageError: there is no such format.
        InputError: the format cannot be told, or the file cannot be read.
    """
    if name is not None:
        return _called(name)
    try:
        if not path.exists():
            raise InputError(f"{path} does not exist: check the path")
        if path.is_dir():
            return KALDI_DICT
    except PermissionError as cause:
        raise InputError(f"{path} cannot be read ({cause.strerror}): check its permissions") from None
    plain = path.with_suffix("") if path.suffix.lower() in PACKED else path
    suffix = plain.suffix.lower()
    is_cmudict = plain.name.startswith(CMUDICT.name)
    if plain.name in _NAMED:
        return _NAMED[plain.name]
    if suffix == MFA.suffix:
        return CMUDICT if is_cmudict or _is_arpabet(_beginning(path)) else MFA
    if suffix == TSV.suffix:
        return _tabular(path)
    for known in FORMATS.values():
        if known.suffix == suffix:
            return known
    if is_cmudict:
        return CMUDICT
    raise InputError(
        f"{path} does not tell its format: name it, one of {', '.join(FORMATS)}, "
        f"or rename the file to end in {_suffixes()}"
    )


def _tabular(path: Path) -> Format:
    head = [line.split("\t") for line in _beginning(path)]
    if not head or {"word", "pron"} <= set(head[0]):
        return TSV
    if all(len(cells) == 2 and not cells[1].count(" ") for cells in head):
        return CHARSIU
    raise InputError(
        f"{path} has no header with word and pron, and blanks or further cells after the pronunciation: "
        f"name its format, such as {MFA.name} where phones are separated"
    )


def _is_arpabet(head: list[str]) -> bool:
    entries = [line.split(" # ")[0] for line in head if not line.startswith(";;;")]
    phones = [entry.split()[1:] for entry in entries]
    return bool(entries) and "\t" not in "".join(entries) and all(some and {*some} <= SYMBOLS for some in phones)


def _beginning(path: Path) -> list[str]:
    """Return the first lines that are not blank, for a look: U+FFFD stands for what is not UTF-8."""
    some = [line.text.removesuffix("\r").removeprefix(BOM) for line in islice(lines(path), _LINES_LOOKED_AT)]
    return [text for text in some if text.strip()]


def _called(name: str) -> Format:
    if name in FORMATS:
        return FORMATS[name]
    raise UsageError(f"there is no format {name!r}: choose --format {_choice(FORMATS)}")


def _suffixes() -> str:
    return _choice(known.suffix for known in FORMATS.values() if known.suffix)


def _choice(names: Iterable[str]) -> str:
    *some, last = names
    return f"{', '.join(some)} or {last}"
