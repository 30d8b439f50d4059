"""All formats, and which one is meant by a name, a suffix or the beginning of a file."""

from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import TypeVar

from g2p_batch.errors import InputError, UsageError
from g2p_batch.formats.charsiu import CHARSIU
from g2p_batch.formats.cmudict import CMUDICT, SYMBOLS
from g2p_batch.formats.entries import text_lines
from g2p_batch.formats.g2p_output import PHONETISAURUS, SEQUITUR
from g2p_batch.formats.icefall import ICEFALL
from g2p_batch.formats.ipa_dict import IPA_DICT, is_line
from g2p_batch.formats.jsonl import JSONL
from g2p_batch.formats.kaldi import KALDI, KALDI_PROB
from g2p_batch.formats.kaldi_dict import KALDI_DICT, LEXICON, PROBABILITIES
from g2p_batch.formats.kind import Format, Source
from g2p_batch.formats.mfa import MFA, MFA_PROB
from g2p_batch.formats.names import choice
from g2p_batch.formats.parquet import PARQUET
from g2p_batch.formats.pls import PLS
from g2p_batch.formats.rules import BOM
from g2p_batch.formats.sherpa import SHERPA
from g2p_batch.formats.tsv import TSV
from g2p_batch.formats.wikipron import WIKIPRON
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

SOURCES: dict[str, Source] = {one.name: one for one in (WIKIPRON, IPA_DICT, PHONETISAURUS, SEQUITUR)}
"""Kinds of lexicon that are read only."""

Readable = Format | Source
_Kind = TypeVar("_Kind", bound=Readable)

READABLE: dict[str, Readable] = {**FORMATS, **SOURCES}
"""All formats that are read."""

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
        return _called(name, FORMATS)
    for one in FORMATS.values():
        if one.suffix == path.suffix.lower():
            return one
    raise UsageError(f"{path} does not tell its format: end it in {_suffixes()}, or give --format {choice(FORMATS)}")


def readable_format(path: Path, name: str | None = None) -> Readable:
    """Return the format called `name`, or the one that the name and the beginning of a file tell.

    A `.dict` is of CMUdict if its lines are ARPAbet without tabs, of WikiPron if words before a tab hold blanks, else
    of MFA. A `.tsv` without the header of ours is of ipa-dict, WikiPron or CharsiuG2P. `lexicon.txt` and
    `lexiconp.txt` are Kaldi's. Whatever the suffix, lines in slashes are of ipa-dict, and a name that begins with
    `cmudict` is believed if the lines are ARPAbet.

    Raises:
        UsageError: there is no such format.
        InputError: the format cannot be told, or the file cannot be read.
    """
    if name is not None:
        return _called(name, READABLE)
    try:
        if not path.exists():
            raise InputError(f"{path} does not exist: check the path")
        if path.is_dir():
            return KALDI_DICT
    except PermissionError as cause:
        raise InputError(f"{path} cannot be read ({cause.strerror}): check its permissions") from None
    plain = path.with_suffix("") if path.suffix.lower() in PACKED else path
    suffix = plain.suffix.lower()
    if plain.name in _BY_FILE_NAME:
        return _BY_FILE_NAME[plain.name]
    if told := _BY_BEGINNING.get(suffix):
        return told(path, _beginning(path))
    for one in FORMATS.values():
        if one.suffix == suffix:
            return one
    beginning = _beginning(path)
    if plain.name.startswith(CMUDICT.name) and _is_arpabet(beginning):
        return CMUDICT
    if _is_ipa_dict(beginning):
        return IPA_DICT
    raise InputError(
        f"{path} does not tell its format: name it, as {MFA.name}:{path.name} does, one of "
        f"{', '.join(READABLE)}, or rename the file to end in {_suffixes()}"
    )


def _dictionary(path: Path, beginning: list[str]) -> Readable:
    """Tell which dictionary a `.dict` is."""
    if _is_arpabet(beginning) or (path.name.startswith(CMUDICT.name) and not any("\t" in one for one in beginning)):
        return CMUDICT
    parted = [line.partition("\t") for line in beginning]
    return WIKIPRON if any(tab and " " in word.strip() for word, tab, _ in parted) else MFA


def _tabular(path: Path, beginning: list[str]) -> Readable:
    """Tell which table a `.tsv` is."""
    rows = [line.split("\t") for line in beginning]
    if not rows or {"word", "pron"} <= set(rows[0]):
        return TSV
    if _is_ipa_dict(beginning):
        return IPA_DICT
    if all(len(cells) == 2 for cells in rows):
        return WIKIPRON if any(" " in pron.strip() for _, pron in rows) else CHARSIU
    raise InputError(
        f"{path} has no header with word and pron, and not two cells a line: name its format, as "
        f"{SEQUITUR.name}:{path.name} does, or {PHONETISAURUS.name} or {MFA_PROB.name}"
    )


_BY_BEGINNING = {MFA.suffix: _dictionary, TSV.suffix: _tabular}
"""What tells formats that share a suffix apart."""


def _is_ipa_dict(beginning: list[str]) -> bool:
    return bool(beginning) and all(map(is_line, beginning))


def _is_arpabet(beginning: list[str]) -> bool:
    entries = [line.split(" # ")[0] for line in beginning if not line.startswith(";;;")]
    phones = [[field for field in entry.split()[1:] if not field.isdecimal()] for entry in entries]
    return bool(entries) and "\t" not in "".join(entries) and all(some and {*some} <= SYMBOLS for some in phones)


def _beginning(path: Path) -> list[str]:
    """Return the first lines that are not blank, for a look: U+FFFD stands for what is not UTF-8."""
    texts = [line.text.removesuffix("\r").removeprefix(BOM) for line in islice(text_lines(path), _LINES_LOOKED_AT)]
    return [text for text in texts if text.strip()]


def _called(name: str, among: Mapping[str, _Kind]) -> _Kind:
    if name in among:
        return among[name]
    raise UsageError(f"there is no format {name!r}: choose {choice(among)}")


def _suffixes() -> str:
    return choice(one.suffix for one in FORMATS.values() if one.suffix)
