"""One sound, one spelling: the ways in which a pronunciation may be written that mean the same, made one.

Affricates follow the language's own dictionary, which writes most of them with the tie bar or without; which ones it
writes so is in `quirks`. Letters are composed (NFC), as nearly all dictionaries have them.
"""

import functools
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from g2p_batch.phones.quirks import Quirks, quirks_of

TIE, _TIE_BELOW = "\u0361", "\u035c"
_LIGATURES = {"ʦ": "ts", "ʣ": "dz", "ʧ": "tʃ", "ʤ": "dʒ", "ʨ": "tɕ", "ʥ": "dʑ"}
"""Letters that the IPA withdrew in 1989."""
_LETTERS = {"g": "ɡ", "ǝ": "ə", _TIE_BELOW: TIE} | dict.fromkeys("\u200b\u200c\u200d\u200e\u200f\ufeff", "")
"""Other code points for the same letter, and what cannot be seen."""
_PLOSIVES, _FRICATIVES = "pbtdʈɖcɟkɡqɢɗ", "ɸβfvθðszʃʒʂʐɕʑçʝxɣχʁɬɮ"
_ONE_PHONE = re.compile(f"([ˈˌ]*[{_PLOSIVES}][\u0300-\u0360\u0362-\u036f]*)([{_FRICATIVES}].*)", re.DOTALL)
_SEQUENCE = re.compile(r"[^\u0300-\u036f]?[\u0300-\u036f]+")


@dataclass(frozen=True)
class Unifier:
    """How the pronunciations of one language are written in one way.

    Attributes:
        find: what is written otherwise.
        rows: how it is written instead.
        untied: affricates without a tie bar.
    """

    find: re.Pattern[str]
    rows: Mapping[str, str]
    untied: tuple[str, ...]

    def __call__(self, pron: str) -> str:
        """Return a pronunciation with each sound written in one way."""
        return self.find.sub(lambda match: self.rows[match[0]], unicodedata.normalize("NFC", pron))

    def of_phone(self, phone: str) -> str:
        """Return a phone likewise; a plosive and a fricative that are one phone are an affricate."""
        text = self(phone)
        parts = _ONE_PHONE.fullmatch(text)
        if parts is None or text.lstrip("ˈˌ").startswith(self.untied):
            return text
        return f"{parts[1]}{TIE}{parts[2]}"

    def changes(self, pron: str) -> Iterator[tuple[str, str]]:
        """Yield what is written otherwise in a pronunciation, with how it is written instead."""
        composed = unicodedata.normalize("NFC", pron)
        if composed != pron:
            for sequence in _SEQUENCE.findall(pron):
                if (one := unicodedata.normalize("NFC", sequence)) != sequence:
                    yield sequence, one
        for text in self.find.findall(composed):
            yield text, self.rows[text]


@functools.lru_cache(maxsize=256)
def unifier_of(lang: str) -> Unifier:
    """Return how pronunciations of the language with the tag `lang` are written."""
    return _unifier(quirks_of(lang))


def _unifier(quirks: Quirks) -> Unifier:
    untied = tuple(pair for pair in quirks.joined if pair not in quirks.tied)
    rows = {**_LETTERS, **{letter: _written(pair, untied) for letter, pair in _LIGATURES.items()}}
    rows |= {f"{pair[0]}{tie}{pair[1:]}": pair for pair in untied for tie in (TIE, _TIE_BELOW)}
    rows |= {pair: f"{pair[0]}{TIE}{pair[1:]}" for pair in quirks.tied}
    find = re.compile("|".join(re.escape(text) for text in sorted(rows, key=len, reverse=True)))
    return Unifier(find, rows, untied)


def _written(pair: str, untied: tuple[str, ...]) -> str:
    return pair if pair in untied else f"{pair[0]}{TIE}{pair[1:]}"
