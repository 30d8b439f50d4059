"""All formats, and which one is meant by a name, a suffix or the beginning of a file."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pyarrow as pa

from g2p_batch.errors import InputError, UsageError
from g2p_batch.formats.charsiu import CHARSIU
from g2p_batch.formats.cmudict import CMUDICT, SYMBOLS
from g2p_batch.formats.entries import text_lines
from g2p_batch.formats.icefall import ICEFALL
from g2p_batch.formats.jsonl import JSONL
from g2p_batch.formats.kaldi import KALDI, KALDI_PROB
from g2p_batch.formats.kaldi_dict import KALDI_DICT, LEXICON, PROBABILITIES
from g2p_batch.formats.kind import Format
from g2p_batch.formats.mfa import MFA, MFA_PROB
from g2p_batch.formats.names import choice
from g2p_batch.formats.parquet import PARQUET
from g2p_batch.formats.pls import PLS
from g2p_batch.formats.rules import BOM
from g2p_batch.formats.sherpa import SHERPA
from g2p_batch.formats.tsv import TSV
from g2p_batch.storage.locations import Location

FORMATS = {
    one.name: one
    for one in (
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

_BY_FILE_NAME = {LEXICON: KALDI, PROBABILITIES: KALDI_PROB}
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
    for one in FORMATS.values():
        if one.suffix == path.suffix.lower():
            return one
    raise UsageError(f"{path} does not tell its format: end it in {_suffixes()}, or give --format {choice(FORMATS)}")


def read_lexicon(path: Path, name: str | None = None) -> Iterator[pa.RecordBatch]:
    """Read a lexicon in the format called `name`, or in the one that its name and beginning tell.

    Returns:
        Batches of schema `entries.ENTRIES`.

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
    if plain.name in _BY_FILE_NAME:
        return _BY_FILE_NAME[plain.name]
    if suffix == MFA.suffix:
        return CMUDICT if is_cmudict or _is_arpabet(_beginning(path)) else MFA
    if suffix == TSV.suffix:
        return _tabular(path)
    for one in FORMATS.values():
        if one.suffix == suffix:
            return one
    if is_cmudict:
        return CMUDICT
    raise InputError(
        f"{path} does not tell its format: name it, one of {', '.join(FORMATS)}, "
        f"or rename the file to end in {_suffixes()}"
    )


def _tabular(path: Path) -> Format:
    rows = [line.split("\t") for line in _beginning(path)]
    if not rows or {"word", "pron"} <= set(rows[0]):
        return TSV
    if all(len(cells) == 2 and not cells[1].count(" ") for cells in rows):
        return CHARSIU
    raise InputError(
        f"{path} has no header with word and pron, and blanks or further cells after the pronunciation: "
        f"name its format, such as {MFA.name} where phones are separated"
    )


def _is_arpabet(beginning: list[str]) -> bool:
    entries = [line.split(" # ")[0] for line in beginning if not line.startswith(";;;")]
    phones = [entry.split()[1:] for entry in entries]
    return bool(entries) and "\t" not in "".join(entries) and all(some and {*some} <= SYMBOLS for some in phones)


def _beginning(path: Path) -> list[str]:
    """Return the first lines that are not blank, for a look: U+FFFD stands for what is not UTF-8."""
    texts = [line.text.removesuffix("\r").removeprefix(BOM) for line in islice(text_lines(path), _LINES_LOOKED_AT)]
    return [text for text in texts if text.strip()]


def _called(name: str) -> Format:
    if name in FORMATS:
        return FORMATS[name]
    raise UsageError(f"there is no format {name!r}: choose --format {choice(FORMATS)}")


def _suffixes() -> str:
    return choice(one.suffix for one in FORMATS.values() if one.suffix)
