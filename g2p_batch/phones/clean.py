"""What `clean` mends: notation of single dictionaries that is not IPA. Off unless asked for.

Counts are rows of the training split, or of the 50 development rows for `swe`. Dictionaries made with espeak-ng carry
names of its phonemes, which follow E. Kirshenbaum's ASCII IPA (1993): `u"` is ʉ, `` t` `` an ejective, `r.` a
retroflex flap, `X` χ, `S` ʃ.
"""

import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Mending:
    """What is written instead of what in one language, longest first, in one pass; and why."""

    reason: str
    rows: Mapping[str, str]


def _pairs(text: str) -> dict[str, str]:
    return dict(pair.split("=", 1) for pair in text.split())


MENDINGS = {
    "amh": Mending("` for ejectives (621)", {"`": "ʼ"}),
    "egy": Mending("a footnote (1); š", {"[1]": "", "š": "ʃ"}),
    "epo": Mending("the letter ŭ (3)", {"ŭ": "u\u032f"}),
    "est": Mending("^ for palatalisation (5,094)", {"^": "ʲ"}),
    "fas": Mending("the letter ŝ of a transliteration (20)", {"ŝ": "ʃ"}),
    "fin": Mending("the letters š ž (73)", {"š": "ʃ", "ž": "ʒ"}),
    "isl": Mending("# and _ between parts of compounds (8)", {"#": "", "_": ""}),
    "kur": Mending(
        "Hawar spelling in place of IPA, throughout; values as of Sorani",
        _pairs("a=aː c=d͡ʒ ç=t͡ʃ e=ɛ ê=eː i=ɪ î=iː j=ʒ o=oː r=ɾ ř=r ş=ʃ u=ʊ û=uː y=j ł=ɫ ḧ=ħ ẍ=ɣ ƹ=ʕ [= ]="),
    ),
    "ltz": Mending("X (1,027)", {"X": "χ"}),
    "mri": Mending('u" (1,996)', {'u"': "ʉ"}),
    "ron": Mending("a breve for non-syllabic vowels (3,486)", {"ĕ": "e\u032f", "ŏ": "o\u032f"}),
    "rus": Mending("optional palatalisation (4 forms, 50 rows)", {"⁽ʲ⁾": "ʲ"}),
    "snd": Mending("r. for the retroflex flap (434)", {"r.": "ɽ"}),
    "swa": Mending(
        "capitals of names, spelt and not transcribed (1,271); the rest of the word tells the values",
        _pairs(
            "A=a B=ɓ Ch=tʃ D=ɗ Dh=ð E=e F=f G=ɠ H=h I=i J=ʄ K=k Kh=x L=l M=m N=n Nj=ɲ O=o P=p R=ɾ S=s Sh=ʃ T=t Th=θ U=u"
            " V=v W=w Y=j Z=z"
        ),
    ),
    "swe": Mending(
        "SAMPA throughout, in the variety of the NST lexicon (s' and u0 are its own)",
        _pairs('A=ɑ E=ɛ I=ɪ O=ɔ U=ʊ Y=ʏ {=æ }=ʉ 2=ø 9=œ u0=ɵ N=ŋ S=ɧ s\'=ɕ t`=ʈ d`=ɖ n`=ɳ l`=ɭ s`=ʂ :=ː %=ˌ "=ˈ ""=ˈ'),
    ),
    "tts": Mending(
        ": for length (1,140), and a romanisation of Thai: h for aspiration, j for t͡ɕ, y for j",
        {":": "ː", "ph": "pʰ", "th": "tʰ", "kh": "kʰ", "j": "t͡ɕ", "y": "j"},
    ),
    "urd": Mending("r. for the retroflex flap (714)", {"r.": "ɽ"}),
    "uzb": Mending("t͡S (948)", {"S": "ʃ"}),
    "yue": Mending(": for length (42,210)", {":": "ː"}),
    "zho-t": Mending("a stray 2 (2)", {"2": ""}),
}
"""By tag. What has no row here (V in `egy`; digits, ~ and capitals in `isl`; stray letters) stays, and is counted."""


@functools.lru_cache(maxsize=256)
def cleaner_of(lang: str) -> Callable[[str], str]:
    """Return the function that mends pronunciations of the language with the tag `lang`."""
    if lang not in MENDINGS:
        return lambda pron: pron
    rows = MENDINGS[lang].rows
    find = re.compile("|".join(re.escape(text) for text in sorted(rows, key=len, reverse=True)))
    return lambda pron: find.sub(lambda match: rows[match[0]], pron)
