"""The International Phonetic Alphabet by role: what a code point does in a transcription.

Source: the IPA chart of 2020, and the extended symbols (extIPA, superscript letters) that the dictionaries use.
"""

import functools
import re
import unicodedata

VOWELS = frozenset("iyɨʉɯuɪʏʊeøɘɵɤoəɛœɜɞʌɔæɐaɶɑɒɚɝ")

CONSONANTS = frozenset("pbtdʈɖcɟkɡgqɢʔʡmɱnɳɲŋɴʙrʀⱱɾɽɸβfvθðszʃʒʂʐçʝxɣχʁħʕhɦʜʢɕʑɧɬɮʋɹɻjɰlɫɭʎʟɺʍwɥɓɗᶑʄɠʛʘǀǃǂǁʦʣʧʤʨʥ")
"""The chart, with `g` as written on keyboards and the affricate ligatures that the IPA withdrew in 1989."""

DIACRITICS = frozenset(
    "\u0325\u030a\u032c\u0339\u0357\u031c\u0351\u031f\u0320\u0308\u033d\u0329\u030d\u032f\u0311\u0324\u0330\u033c"
    "\u032a\u033a\u033b\u0303\u031d\u031e\u0318\u0319\u0334\u031a\u0306\u030b\u0301\u0304\u0300\u030f\u030c\u0302"
    "\u1dc4\u1dc5\u1dc8\u0348"
)
"""Combining marks; U+0348 (strong articulation, Korean) is extIPA."""

TIES = frozenset("\u0361\u035c")

MODIFIERS = frozenset("ʰʱʲʷˠˤⁿˡʼ˞ːˑˀˢᵊᵐᵑᵝᶣ˭")
"""Modifier letters and length marks; those after ˑ are extensions that the dictionaries use."""

STRESS = frozenset("ˈˌ")

TONES = frozenset("˥˦˧˨˩ꜛꜜ↗↘⁰¹²³⁴⁵⁶⁷⁸⁹⁻")
"""Tone letters and arrows of the chart; superscript digits, with ⁻ between a citation tone and its sandhi (`nan`)."""

BREAKS = frozenset(".|‖‿-' ")
"""Between syllables, feet, words: the chart's, and the hyphen, apostrophe and blank of the words themselves."""

_NON_SYLLABIC = frozenset("\u032f\u0311")
_SYLLABIC = frozenset("\u0329\u030d")
_BARE = frozenset("mnrl")
"""Consonants that carry tone as nuclei: Croatian `ř`, Sanskrit `ŕ̩`. A caron on `s` is spelling, not IPA."""


def decomposed(text: str) -> str:
    """Return `text` in NFD, but with the letter ç whole: its cedilla is no diacritic of the IPA."""
    return unicodedata.normalize("NFD", text).replace("c\u0327", "ç")


def _composed() -> frozenset[str]:
    """Return the precomposed letters that stand for a vowel or sonorant with diacritics."""
    latin = map(chr, (*range(0x00C0, 0x0250), *range(0x1E00, 0x1F00)))
    parts = {letter: unicodedata.normalize("NFD", letter) for letter in latin}
    return frozenset(
        letter
        for letter, part in parts.items()
        if len(part) > 1 and part[0] in VOWELS | _BARE and DIACRITICS.issuperset(part[1:])
    )


KNOWN = VOWELS | CONSONANTS | DIACRITICS | TIES | MODIFIERS | STRESS | TONES | BREAKS | _composed()
"""Every code point that is IPA. All others still come out as phones, and are counted."""


def attaches(symbol: str) -> bool:
    """Tell whether a code point belongs to the letter before it: combining marks, modifier letters, length."""
    if symbol in MODIFIERS:
        return True
    if symbol in STRESS | TONES | TIES or symbol.isascii():
        return False
    return unicodedata.category(symbol) in {"Mn", "Mc", "Me", "Lm", "Sk"}


@functools.lru_cache(maxsize=1 << 14)
def is_nucleus(phone: str) -> bool:
    """Tell whether a phone can carry a syllable: a vowel that is not marked non-syllabic, or a syllabic consonant."""
    return _NUCLEUS.search(decomposed(phone)) is not None


def class_of(symbols: frozenset[str]) -> str:
    """Return the inside of a character class of a regular expression, for Python and RE2 alike; never empty."""
    codes = set(map(ord, symbols))
    starts = sorted(code for code in codes if code - 1 not in codes)
    ends = sorted(code for code in codes if code + 1 not in codes)
    return "".join(
        re.escape(chr(start)) + ("" if start == end else "-" + re.escape(chr(end)))
        for start, end in zip(starts, ends, strict=True)
    )


_NUCLEUS = re.compile(
    f"[{class_of(VOWELS)}](?![{class_of(DIACRITICS)}]*[{class_of(_NON_SYLLABIC)}])|[{class_of(_SYLLABIC)}]"
)
