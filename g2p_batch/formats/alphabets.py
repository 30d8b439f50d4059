"""Which alphabet of phones a lexicon is in: it has one."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, NamedTuple

import pyarrow as pa

from g2p_batch.errors import InputError
from g2p_batch.phones.arpabet import LANGUAGE as ARPABET_LANGUAGE
from g2p_batch.phones.notation import Notation, Told, reads_as_arpabet, told_by

Alphabet = Literal["auto", "ipa", "x-sampa", "arpabet", "own"]
"""What the phones of a lexicon are in: what they show, an alphabet, or phones of the user's own."""

ALPHABETS: dict[Told, str] = {"ipa": "IPA", "x-sampa": "X-SAMPA", "arpabet": "ARPAbet"}
"""Alphabets as people call them."""

_DECLARED: dict[str, Notation] = {"ipa": "ipa", "x-sampa": "x-sampa", "x-xsampa": "x-sampa"}
"""Alphabets by the names that files give them, in small letters."""


def declared(alphabet: str | None) -> Notation | None:
    """Return the alphabet that a file names, but for IPA: that it is, the phones have to show.

    Raises:
        KeyError: it is not known here.
    """
    notation = None if alphabet is None else _DECLARED[alphabet.lower()]
    return None if notation == "ipa" else notation


def alphabet_of(
    path: Path, batches: Iterable[pa.RecordBatch], lang: str | None = None, asked: Alphabet = "auto"
) -> Notation:
    """Return the alphabet of all entries that do not name another one.

    Args:
        path: the lexicon, for messages.
        batches: its entries, of schema `entries.ENTRIES`.
        lang: the language of those that do not name it.
        asked: the alphabet that it is to be in, if that is not to be guessed.

    Raises:
        InputError: it is in several alphabets, or in none that is known; names the line.
    """
    return _Recogniser(path, lang).notation(batches, asked)


class _Shown(NamedTuple):
    """An entry, and the alphabet that it shows."""

    line: int
    pron: str
    lang: str
    told: Told | None


class _Recogniser:
    """Finds the alphabet of a lexicon, which has one."""

    def __init__(self, path: Path, lang: str | None) -> None:
        self._path, self._lang = path, lang or ""
        self._counts: Counter[Told | None] = Counter()
        self._first: dict[Told | None, _Shown] = {}
        self._not_arpabet: _Shown | None = None
        self._not_american: _Shown | None = None
        self._could_be_arpabet = False
        """Whether an entry in small letters, several of them in one phone, can be ARPAbet."""
        """The first entries that cannot be ARPAbet, and that are, in another language than it writes."""

    def notation(self, batches: Iterable[pa.RecordBatch], asked: Alphabet) -> Notation:
        """Return the alphabet of all entries, which is the one asked for if that is no guess.

        Raises:
            InputError: there are several, or none that is known.
        """
        for batch in batches:
            self._count(batch)
        counts = self._counts
        if asked == "auto" and counts["unknown"] > counts["ipa"] + counts[None] + counts["arpabet"]:
            shown = self._first["unknown"]
            raise InputError(
                f"{self._path}, line {shown.line}: {shown.pron} is neither IPA, X-SAMPA nor ARPAbet: give a lexicon in "
                "one of them, or --lexicon-phones own with the --phone-map whose phones these are"
            )
        notation = asked if asked in ALPHABETS else self._guess()
        if odd := self._odd(notation):
            raise self._mixed(notation, odd)
        if notation == "arpabet" and self._not_american is not None:
            line, pron, lang, _ = self._not_american
            raise InputError(
                f"{self._path}, line {line}: {pron} is ARPAbet, which writes {ARPABET_LANGUAGE} only, and the word is "
                f"of {lang}: check the language, or give a lexicon in IPA"
            )
        return notation

    def _guess(self) -> Notation:
        if self._counts["arpabet"] or (self._could_be_arpabet and self._not_arpabet is None):
            return "arpabet"
        return "x-sampa" if self._counts["x-sampa"] > self._counts["ipa"] else "ipa"

    def _odd(self, notation: Notation) -> _Shown | None:
        """Return the first entry that cannot be of an alphabet; what is not IPA stays, and is counted as such later."""
        if notation == "arpabet":
            return self._not_arpabet
        others: tuple[Told, ...] = ("arpabet",) if notation == "ipa" else ("ipa", "unknown", "arpabet")
        return next((self._first[other] for other in others if other in self._first), None)

    def _count(self, batch: pa.RecordBatch) -> None:
        names = ("pron", "phones", "lang", "line", "alphabet", "passed_over")
        rows = zip(*(batch[name].to_pylist() for name in names), strict=True)
        for pron, phones, lang, line, alphabet, passed_over in rows:
            if passed_over is not None or self._declared(alphabet, line):
                continue
            apart, lang = phones if phones is not None else pron.split(), lang or self._lang
            told = told_by(apart, lang, apart=phones is not None)
            self._counts[told] += 1
            shown = _Shown(line, " ".join(apart), lang, told)
            self._first.setdefault(told, shown)
            if lang == ARPABET_LANGUAGE and len(apart) > 1 and any(len(phone) > 1 for phone in apart):
                self._could_be_arpabet |= reads_as_arpabet(apart)
            if self._not_arpabet is None and told != "arpabet" and not reads_as_arpabet(apart):
                self._not_arpabet = shown
            if self._not_american is None and lang != ARPABET_LANGUAGE:
                self._not_american = shown

    def _declared(self, alphabet: str | None, line: int) -> Notation | None:
        try:
            return declared(alphabet)
        except KeyError:
            raise InputError(
                f"{self._path}, line {line}: the alphabet {alphabet} is not known here: write it in ipa or x-sampa"
            ) from None

    def _mixed(self, notation: Notation, odd: _Shown) -> InputError:
        name = ALPHABETS[notation]
        like = self._first.get(notation)
        what = f"{odd.pron} is not {name}" if odd.told in (None, "unknown") else f"{odd.pron} is {ALPHABETS[odd.told]}"
        beside = f", and line {like.line}, {like.pron}, is {name}" if like else f", not {name}" if odd.told else ""
        return InputError(
            f"{self._path}, line {odd.line}: {what}{beside}: a lexicon has one alphabet of phones, so part it in "
            "two, or mend these lines"
        )
