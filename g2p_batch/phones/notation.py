"""In which alphabet somebody else's phones are: IPA, X-SAMPA or ARPAbet; and those of the last two in IPA."""

import functools
from collections.abc import Sequence
from typing import Literal

from g2p_batch.phones import arpabet, xsampa
from g2p_batch.phones.clean import MENDINGS
from g2p_batch.phones.quirks import quirks_of
from g2p_batch.phones.reading import reading_of
from g2p_batch.phones.symbols import KNOWN
from g2p_batch.phones.unify import TIE

Notation = Literal["ipa", "x-sampa", "arpabet"]
Told = Literal["ipa", "x-sampa", "arpabet", "unknown"]

SILENCES = frozenset(["sil", "sp", "spn", "nsn", "laughter"])
"""Names that dictionaries give to what is no speech, in any case."""

_IPA_ALONE = frozenset(symbol for symbol in KNOWN if not symbol.isascii())


def told_by(phones: Sequence[str], lang: str, *, apart: bool) -> Told | None:
    """Return the alphabet that a pronunciation shows, or None where it is one in several.

    Small Latin letters are the same in IPA and X-SAMPA, so words of these alone tell nothing.

    Args:
        phones: the phones, or the whole pronunciation as one text.
        lang: tag of the language; what its own dictionary writes beside IPA tells nothing either.
        apart: whether each of `phones` is one phone.
    """
    if all(phone.lower() in SILENCES for phone in phones):
        return None
    # In small letters a digit has to be there: aa, by itself, is a long a as well.
    is_shown = any(len(phone) > 1 and (phone.isupper() or not phone.isalpha()) for phone in phones)
    if is_shown and reads_as_arpabet(phones):
        return "arpabet"
    text = "".join(phones)
    if not _IPA_ALONE.isdisjoint(text):
        return "ipa"
    if text.isascii() and all(c.islower() or c < " " or c in KNOWN or c in _beside(lang) for c in text):
        return None
    if any(map(xsampa.is_xsampa, phones)) and (not apart or all(map(_is_plain, phones))):
        return "x-sampa"
    return "unknown"


def reads_as_arpabet(phones: Sequence[str]) -> bool:
    """Tell whether phones could be ARPAbet, or are names of silence."""
    return all(arpabet.is_read(phone) or phone.lower() in SILENCES for phone in phones)


def in_ipa(phones: list[str], notation: Notation) -> list[str]:
    """Return phones [N] of an alphabet in IPA [N]; names of silence stay."""
    if notation == "ipa" or all(phone.lower() in SILENCES for phone in phones):
        return phones
    return arpabet.ipa_of(phones) if notation == "arpabet" else [*map(xsampa.ipa_of, phones)]


@functools.lru_cache(maxsize=1 << 12)
def _is_plain(phone: str) -> bool:
    """Tell whether a text can be one phone of X-SAMPA: a sound, or two that make an affricate or a diphthong."""
    if not xsampa.is_xsampa(phone) and not (phone.isascii() and phone.islower()):
        return False
    sounds = [part for part in reading_of("").split(xsampa.ipa_of(phone).replace(TIE, "")) if part not in "ˈˌ"]
    return 0 < len(sounds) <= 2


@functools.lru_cache(maxsize=256)
def _beside(lang: str) -> frozenset[str]:
    """Return the symbols beside IPA that the dictionary of a language is known to write."""
    quirks = quirks_of(lang)
    mended = MENDINGS[lang].rows if lang in MENDINGS else ()
    return frozenset("".join((quirks.marks, quirks.stress, *mended)))
