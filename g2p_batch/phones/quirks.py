"""How single dictionaries deviate from the IPA's reading rules, with the evidence.

Counts are rows of the CharsiuG2P training and development splits (50 development rows only for ara, fra, fra-qu, ger,
jpn, rus, spa, spa-me, swe). The model writes what the dictionary of a tag wrote.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Quirks:
    """What is read otherwise in one language.

    Attributes:
        joined: letters that are one phone without a tie bar.
        tied: those of them that the dictionary writes with a tie bar more often.
        marks: symbols that belong to the letter before them.
        leads: modifier letters that belong to the letter after them.
        stress: symbols that are stress marks.
        after_tone: a letter that is part of the tone before it.
    """

    joined: tuple[str, ...] = ()
    tied: tuple[str, ...] = ()
    marks: str = ""
    leads: str = ""
    stress: str = ""
    after_tone: str = ""


# A pair is joined where a tag writes no tie bar for it, and nearly every row that has it is spelt with the letter of
# the affricate, not with two. Not joined, because most rows are two sounds: pol tʂ (622 of 655 spelt trz or strz; cz is
# written t͡ʂ), srp hbs-* slk ts (-tsk-, -dsk-), kaz tʃ (-т + ш-), fas tʃ, mlt tʃ (spelt tx), ice isl ts, eng-* ts dz
# (plurals). Not joined, because the spelling does not tell: gre ts dz; or a tenth is two sounds: bak kaz tat ts.
_ENGLISH = Quirks(joined=("tʃ", "dʒ"))  # no tie in 192,251 rows; 4,519 of 4,579 tʃ spelt ch, tu, ti, te
_MANDARIN = Quirks(joined=("ts", "tɕ", "ʈʂ"))  # no tie in 92,018 rows, and no consonant clusters
_PORTUGUESE = ("tʃ", "dʒ")  # t and d before i: 501 of 545
_SERBO_CROATIAN = ("tʃ", "tɕ", "dʑ")  # all spelt č ć đ; 523 without the tie, 6,360 with it
_SPANISH = Quirks(joined=("tʃ",))  # ʃ only after t
_RETROFLEX = Quirks(marks=".")  # r. is ɽ: every . follows r (719 and 440)
_TONE_WITH_STOP = Quirks(after_tone="ʔ")  # nặng: ʔ occurs after ˩ only (16,463 and 27,954 times)

_NONE = Quirks()

QUIRKS = {
    "amh": Quirks(joined=("ts",), marks="`"),  # ts is ጸ or ፀ (117 of 117); ` makes k t p ʃ ejective (748 of 748)
    "ara": Quirks(joined=("dʒ",)),  # ʒ only after d; spelt ج
    "bak": Quirks(joined=("tɕ",)),  # all 60 spelt ч
    "bel": Quirks(joined=("dz", "dʐ")),  # all 4,546 spelt дз дж; only their voiceless partners have the tie
    "bul": Quirks(joined=("ts", "tʃ", "dʒ"), tied=("ts",)),  # spelt ц ч дж but for 4 of 5,854; two sounds are t̪s
    "eng-uk": _ENGLISH,
    "eng-us": _ENGLISH,
    "enm": _ENGLISH,  # a tie in 7 of 637 rows that have either
    "est": Quirks(marks="^"),  # palatalises s t d (5,696 of 5,696)
    "ger": Quirks(joined=("ts", "tʃ", "pf", "dʒ")),  # ts spelt z or c in 12 of 13; WikiPron ties a part of each
    "hbs-cyrl": Quirks(joined=_SERBO_CROATIAN, tied=_SERBO_CROATIAN),
    "hbs-latn": Quirks(joined=_SERBO_CROATIAN, tied=_SERBO_CROATIAN),
    "jpn": Quirks(joined=("ts", "tɕ", "dz", "dʑ")),  # no consonant clusters
    "kaz": Quirks(joined=("dʒ",)),  # all 156 spelt дж
    "mlt": Quirks(joined=("ts",)),  # spelt z in 1,439 of 1,465
    "mri": Quirks(marks='"'),  # after u only (2,542)
    "msa": Quirks(joined=("tʃ", "dʒ")),  # ʃ only after t (2,765), ʒ only after d (1,526)
    "por-bz": Quirks(joined=_PORTUGUESE, tied=_PORTUGUESE),  # 1,419 with the tie, 403 without
    "por-po": Quirks(joined=_PORTUGUESE),
    "ron": Quirks(joined=("ts", "tʃ", "dʒ")),  # spelt ț, ce ci, ge gi but for 44 of 15,497
    "rus": Quirks(marks="⁽⁾"),  # optional palatalisation: s⁽ʲ⁾ (4 forms in 50 rows)
    "snd": _RETROFLEX,
    "spa": _SPANISH,
    "spa-me": _SPANISH,
    "swa": Quirks(joined=("tʃ", "ɗʒ"), leads="ᵐᵑⁿ"),  # ch, nj; a superscript nasal stands before its stop
    "swe": Quirks(marks=":`'0", stress='%"'),  # SAMPA: e: long, s` retroflex, s' = ɕ, u0 = ɵ, % secondary stress
    "tat": Quirks(joined=("tɕ",)),  # all 154 spelt ч
    "tts": Quirks(joined=("ph", "th", "kh"), marks=":"),  # aspirated: syllables end in dots
    "urd": _RETROFLEX,
    "vie-c": _TONE_WITH_STOP,
    "vie-n": _TONE_WITH_STOP,
    "yue": Quirks(joined=("ts",), marks=":"),  # no tie in 55,689 rows, and no consonant clusters
    "zho-s": _MANDARIN,
    "zho-t": _MANDARIN,
}
"""By tag; all others follow the rules of the IPA."""

SAMPA = frozenset(["swe"])
"""Languages whose dictionary upstream is not in IPA at all, but in SAMPA."""


def quirks_of(lang: str) -> Quirks:
    """Return what is read otherwise in the language with the tag `lang`."""
    return QUIRKS.get(lang, _NONE)
