"""Characters that mean the same, or nothing, to a reader: what Unicode's own data does not say in Python.

Sources: the Unicode Character Database 16 (`DerivedCoreProperties`, property Default_Ignorable_Code_Point), Unicode
Technical Standard 39 (`confusables`) for characters that look alike, CLDR for the letters of languages.
"""

import unicodedata
from functools import cache

JOINERS = "\u200c\u200d"
"""Zero-width non-joiner and joiner: ignorable, and yet spelling in Persian, Kurdish or Odia."""

_IGNORABLE_RANGES = (
    (0x00AD, 0x00AD),
    (0x034F, 0x034F),
    (0x061C, 0x061C),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x200B, 0x200F),
    (0x202A, 0x202E),
    (0x2060, 0x206F),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF),
    (0xFFA0, 0xFFA0),
    (0xFFF0, 0xFFF8),
    (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A),
    (0xE0000, 0xE0FFF),
)
IGNORABLE = frozenset(chr(code) for first, last in _IGNORABLE_RANGES for code in range(first, last + 1))
"""Default-ignorable code points: they show as nothing where they are not known."""

APOSTROPHES = (
    "'\u2019\u2018\u02bc\u02bb\u02bd\u02b9\u02bf\u02be\u201b\u2032\u0060\u00b4\uff07\ua78b\ua78c\u055a\u05f3"
    "\u1fbd\u1fbf"
)
HYPHENS = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe63\uff0d\u2043\u058a\u05be\u30a0"
DASHES = "\u2014\u2015"
"""Those of them that at the edge of a word belong to the text around it."""
BLANKS = " \u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000_"
"""The low line among them: many tools write it where a word may hold no blank."""

SPOKEN_MARKS = frozenset("#%&*@/\\\u00a7\u2030\u2031\u2020\u2021")
"""Punctuation, by its category, that stands for words of its own."""

VARIANTS = {
    "\u03c3": "\u03c2",  # Greek sigma, final or not
    "\u03c2": "\u03c3",
    "\u0219": "\u015f",  # s and t with comma (Romanian) or cedilla (Turkish, and old Romanian code pages)
    "\u015f": "\u0219",
    "\u021b": "\u0163",
    "\u0163": "\u021b",
    "\u0103": "\u01ce\u00e3",  # a with breve; caron and tilde stand for it in old code pages
    "\u0259": "\u01dd\u04d9",  # schwa of Azerbaijani, of African and of Cyrillic orthographies
    "\u04d9": "\u0259\u01dd",
    "\u0111": "\u00f0\u0256",  # d with stroke, eth, d with tail: one capital shape
    "\u00f0": "\u0111\u0256",
    "\u0256": "\u0111\u00f0",
    "\u014b": "\ua791",
    "\u00f6": "\u00f8",  # the Nordic alphabets' two ways to write the same vowels
    "\u00f8": "\u00f6",
    "\u00e4": "\u00e6",
    "\u00e6": "\u00e4",
    "\u04cf": "\u04c0I|l1\u01c0",  # palochka of the Caucasian languages, which keyboards lack
    "\u00b7": "\u2022\u2219\u22c5\u2027\u30fb\u0387\u1427",  # middle dot of Catalan
    "\u06cc": "\u064a\u0649\u06d2",  # Arabic and Persian yeh, kaf and heh
    "\u064a": "\u06cc\u0649",
    "\u06a9": "\u0643\u06aa",
    "\u0643": "\u06a9\u06aa",
    "\u0647": "\u06c1\u06d5\u06be",
    "\u06c1": "\u0647\u06d5",
    "\u06d5": "\u0647\u06c1",
    "ss": "\u00df",  # Swiss spelling
}
"""What an alphabet may hold, and what stands for it elsewhere."""

SEQUENCES = {
    "\u0e4d\u0e32": "\u0e33",  # Thai and Lao sara am, typed as its two halves
    "\u0ecd\u0eb2": "\u0eb3",
    "l.l": "l\u00b7l",  # Catalan, where a keyboard lacks the middle dot
    "L.L": "L\u00b7L",
}
"""Several characters that stand for what an alphabet may hold."""

STRESSED = {
    **dict.fromkeys(("bel", "bul", "ukr", "rus", "mac"), "\u0300\u0301"),
    **dict.fromkeys(("hbs-cyrl", "hbs-latn", "srp", "bos", "slv"), "\u0300\u0301\u0302\u0304\u030f\u0311"),
    **dict.fromkeys(("lit",), "\u0300\u0301\u0303\u0307"),
}
"""Marks that only dictionaries write, over the stressed vowel, by language. The dot above keeps the dot of a Lithuanian
i under an accent (Unicode `SpecialCasing`)."""

DOTLESS = frozenset({"tur", "aze", "tat", "bak", "kaz"})
"""Languages whose i has a dot as a capital too, and whose I has none in lower case, where they are written in Latin."""

SPELT_OUT = {
    "\u00e6": "ae",
    "\u0153": "oe",
    "\u00fe": "th",
    "\u00f0": "d",
    "\u014b": "ng",
    "\u0131": "i",
    "\u0237": "j",
    "\u0138": "k",
}
"""Latin letters without a base in their name or their decomposition."""

_LOOK_ALIKES = (
    "a\u0430\u03b1 c\u0441\u03f2 d\u0501 e\u0435 h\u04bb i\u0456\u03b9 j\u0458\u03f3 k\u043a\u03ba m\u043c n\u0578 "
    "o\u043e\u03bf\u0585 p\u0440\u03c1 q\u051b s\u0455 t\u0442 u\u03c5\u057d v\u03bd\u0475 w\u051d\u0461 x\u0445\u03c7 "
    "y\u0443\u03b3 A\u0410\u0391 B\u0412\u0392 C\u0421\u03f9 E\u0415\u0395 F\u03dc H\u041d\u0397 I\u0406\u0399\u04c0 "
    "J\u0408\u037f K\u041a\u039a M\u041c\u039c N\u039d O\u041e\u039f\u0555 P\u0420\u03a1 S\u0405\u054f T\u0422\u03a4 "
    "U\u054d V\u0474 W\u051c X\u0425\u03a7 Y\u04ae\u03a5\u0423 Z\u0396 \u00e9\u04d7 \u00eb\u0451 \u00cb\u0401 "
    "\u00ef\u0457 \u00cf\u0407 \u00f3\u03cc"
)
LOOK_ALIKES = {one: group.replace(one, "") for group in _LOOK_ALIKES.split() for one in group}
"""Letters of Latin, Cyrillic, Greek and Armenian, each with those of the other scripts that look like it."""

_VOWELS = frozenset(
    "aeiouy\u0131\u0259\u00e6\u0153\u00f8"
    "\u0430\u0435\u0438\u043e\u0443\u044b\u044d\u044e\u044f\u0456\u0454\u0451\u0457\u045e\u04d9\u04e9\u04af\u04b1"
    "\u03b1\u03b5\u03b7\u03b9\u03bf\u03c5\u03c9"
    "\u0561\u0565\u0567\u0568\u056b\u0578\u0585\u0578\u0582"
)
"""Vowel letters, without marks, of the scripts that have capitals: Latin, Cyrillic, Greek, Armenian."""


@cache
def is_mark(character: str) -> bool:
    """Tell whether a character combines with the one before it."""
    return unicodedata.category(character)[0] == "M"


@cache
def is_letter(character: str) -> bool:
    """Tell whether a character is a letter, or a mark on one; vowel signs of Indic scripts are marks.

    An apostrophe is none, although Unicode calls some of them letters.
    """
    return unicodedata.category(character)[0] in "LM" and character not in APOSTROPHES


def is_mute(character: str) -> bool:
    """Tell whether a character is punctuation, which around a word is no part of it."""
    if character in APOSTROPHES or character in HYPHENS or character in BLANKS:
        return True
    return unicodedata.category(character)[0] == "P" and character not in SPOKEN_MARKS


@cache
def mute_characters() -> str:
    """Return all characters that `is_mute` tells of in the Basic Multilingual Plane."""
    return "".join(filter(is_mute, map(chr, range(0xD800)))) + "".join(
        filter(is_mute, map(chr, range(0xF900, 0x10000)))
    )


@cache
def is_vowel(letter: str) -> bool:
    """Tell whether a letter of a script with capitals is a vowel letter, whatever its case and marks."""
    return unicodedata.normalize("NFD", letter.lower())[0] in _VOWELS


@cache
def script_of(letter: str) -> str:
    """Return the script of a letter, as the first word of its name says it; of a nameless character nothing."""
    return unicodedata.name(letter, "").partition(" ")[0]


def base_of(letter: str) -> str | None:
    """Return a letter without its marks, or None where it has none.

    Marks are those of its decomposition, or what its name tells behind WITH, such as the stroke of `ł`.
    """
    decomposed = unicodedata.normalize("NFD", letter)
    bare = "".join(part for part in decomposed if not is_mark(part))
    if bare != letter:
        return bare
    name, is_with, _ = unicodedata.name(letter, "").partition(" WITH ")
    try:
        return unicodedata.lookup(name) if is_with else SPELT_OUT.get(letter)
    except KeyError:
        return None


def lower(letter: str, lang: str) -> str:
    """Return the lower case of a letter by the rules of a language."""
    if letter == "I" and lang in DOTLESS:
        return "\u0131"
    return "i" if letter == "\u0130" else letter.lower()


def described(character: str) -> str:
    """Return a character as a message names it: itself, its code point and its script."""
    return f"{character} (U+{ord(character):04X}, {script_of(character).title()})"
