"""The 100 languages of CharsiuG2P: their tags, names and codes, and what to know before using them."""

import difflib
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from g2p_batch.errors import UnknownLanguageError


@dataclass(frozen=True)
class Language:
    """One language as the model knows it."""

    tag: str
    """What the model reads in the prefix: mostly ISO 639-2/B, with suffixes of its own for varieties."""
    name: str
    bcp47: str
    """The shortest BCP-47 tag that says the same; a few varieties have none of their own and share one."""
    script: str
    """ISO 15924 code of the script that the words were written in at training."""
    warning: str | None = None


_LONGEST_QUERY = 64
"""Characters of a misspelt query that are compared; the rest of a stray paragraph is not."""

_SEGMENT = "words must be segmented first: this script does not separate them"
_SPELT_TWICE = "the same language as {}, trained on another dictionary: compare both on your words"

_TABLE = (
    Language("ady", "Adyghe", "ady", "Cyrl"),
    Language("afr", "Afrikaans", "af", "Latn"),
    Language("amh", "Amharic", "am", "Ethi"),
    Language("ang", "English, Old", "ang", "Latn"),
    Language("ara", "Arabic", "ar", "Arab"),
    Language("arg", "Aragonese", "an", "Latn"),
    Language("arm-e", "Armenian, Eastern", "hy", "Armn"),
    Language("arm-w", "Armenian, Western", "hyw", "Armn"),
    Language("aze", "Azerbaijani", "az", "Latn"),
    Language("bak", "Bashkir", "ba", "Cyrl"),
    Language("bel", "Belarusian", "be", "Cyrl"),
    Language("bos", "Bosnian", "bs", "Latn"),
    Language("bul", "Bulgarian", "bg", "Cyrl"),
    Language("bur", "Burmese", "my", "Mymr", _SEGMENT),
    Language("cat", "Catalan", "ca", "Latn"),
    Language("cze", "Czech", "cs", "Latn"),
    Language("dan", "Danish", "da", "Latn"),
    Language("dut", "Dutch", "nl", "Latn"),
    Language("egy", "Egyptian, Ancient", "egy-Latn", "Latn", "words must be transliterated, as in nfr"),
    Language("eng-uk", "English, British", "en-GB", "Latn"),
    Language("eng-us", "English, American", "en-US", "Latn"),
    Language("enm", "English, Middle", "enm", "Latn"),
    Language("epo", "Esperanto", "eo", "Latn"),
    Language("est", "Estonian", "et", "Latn"),
    Language("eus", "Basque", "eu", "Latn"),
    Language("fas", "Persian", "fa", "Arab"),
    Language("fin", "Finnish", "fi", "Latn"),
    Language("fra", "French", "fr", "Latn"),
    Language("fra-qu", "French, Quebec", "fr-CA", "Latn"),
    Language("geo", "Georgian", "ka", "Geor"),
    Language("ger", "German", "de", "Latn"),
    Language("gle", "Irish", "ga", "Latn"),
    Language("glg", "Galician", "gl", "Latn"),
    Language("grc", "Greek, Ancient", "grc", "Grek"),
    Language("gre", "Greek, Modern", "el", "Grek"),
    Language("hbs-cyrl", "Serbo-Croatian, Cyrillic", "sh-Cyrl", "Cyrl"),
    Language("hbs-latn", "Serbo-Croatian, Latin", "sh-Latn", "Latn"),
    Language("hin", "Hindi", "hi", "Deva"),
    Language("hun", "Hungarian", "hu", "Latn"),
    Language("ice", "Icelandic", "is", "Latn", _SPELT_TWICE.format("isl")),
    Language("ido", "Ido", "io", "Latn"),
    Language("ina", "Interlingua", "ia", "Latn"),
    Language("ind", "Indonesian", "id", "Latn"),
    Language("isl", "Icelandic", "is", "Latn", _SPELT_TWICE.format("ice")),
    Language("ita", "Italian", "it", "Latn"),
    Language("jpn", "Japanese", "ja", "Jpan", _SEGMENT),
    Language("kaz", "Kazakh", "kk", "Cyrl"),
    Language("khm", "Khmer", "km", "Khmr", _SEGMENT),
    Language("kor", "Korean", "ko", "Hang"),
    Language("kur", "Kurdish, Central", "ckb", "Arab", "pronunciations are a romanisation, not IPA"),
    Language("lat-clas", "Latin, Classical", "la", "Latn"),
    Language("lat-eccl", "Latin, Ecclesiastical", "la", "Latn"),
    Language("lit", "Lithuanian", "lt", "Latn"),
    Language("ltz", "Luxembourgish", "lb", "Latn"),
    Language("mac", "Macedonian", "mk", "Cyrl"),
    Language("mlt", "Maltese", "mt", "Latn"),
    Language("mri", "Māori", "mi", "Latn"),
    Language("msa", "Malay", "ms", "Latn"),
    Language("nan", "Chinese, Min Nan", "nan", "Hant", _SEGMENT),
    Language("nob", "Norwegian Bokmål", "nb", "Latn"),
    Language("ori", "Odia", "or", "Orya"),
    Language("pap", "Papiamento", "pap", "Latn"),
    Language("pol", "Polish", "pl", "Latn"),
    Language("por-bz", "Portuguese, Brazilian", "pt-BR", "Latn"),
    Language("por-po", "Portuguese, European", "pt-PT", "Latn"),
    Language("ron", "Romanian", "ro", "Latn"),
    Language("rus", "Russian", "ru", "Cyrl"),
    Language("san", "Sanskrit", "sa", "Deva"),
    Language("slk", "Slovak", "sk", "Latn", _SPELT_TWICE.format("slo")),
    Language("slo", "Slovak", "sk", "Latn", _SPELT_TWICE.format("slk")),
    Language("slv", "Slovenian", "sl", "Latn"),
    Language("sme", "Sámi, Northern", "se", "Latn"),
    Language("snd", "Sindhi", "sd", "Arab"),
    Language("spa", "Spanish", "es", "Latn"),
    Language("spa-latin", "Spanish, Latin American", "es-419", "Latn"),
    Language("spa-me", "Spanish, Mexican", "es-MX", "Latn"),
    Language("sqi", "Albanian", "sq", "Latn"),
    Language("srp", "Serbian", "sr", "Cyrl"),
    Language("swa", "Swahili", "sw", "Latn"),
    Language(
        "swe",
        "Swedish",
        "sv",
        "Latn",
        "upstream's checkpoints give SAMPA, and learnt words in capitals; the bundled one gives IPA",
    ),
    Language("syc", "Syriac, Classical", "syc", "Syrc"),
    Language("tam", "Tamil", "ta", "Taml"),
    Language("tat", "Tatar", "tt", "Cyrl"),
    Language("tgl", "Tagalog", "tl", "Latn"),
    Language("tha", "Thai", "th", "Thai", _SEGMENT),
    Language("tts", "Isan", "tts", "Thai", f"{_SEGMENT}; pronunciations are a romanisation, not IPA"),
    Language("tuk", "Turkmen", "tk", "Latn"),
    Language("tur", "Turkish", "tr", "Latn"),
    Language("uig", "Uyghur", "ug", "Arab"),
    Language("ukr", "Ukrainian", "uk", "Cyrl"),
    Language("urd", "Urdu", "ur", "Arab"),
    Language("uzb", "Uzbek", "uz", "Latn", "the dictionary is known to be wrong upstream: check every pronunciation"),
    Language("vie-c", "Vietnamese, Central", "vi", "Latn"),
    Language("vie-n", "Vietnamese, Northern", "vi", "Latn"),
    Language("vie-s", "Vietnamese, Southern", "vi", "Latn"),
    Language("wel-nw", "Welsh, North", "cy", "Latn"),
    Language("wel-sw", "Welsh, South", "cy", "Latn"),
    Language("yue", "Chinese, Cantonese", "yue", "Hant", _SEGMENT),
    Language("zho-s", "Chinese, Mandarin, simplified", "zh-Hans", "Hans", _SEGMENT),
    Language("zho-t", "Chinese, Mandarin, traditional", "zh-Hant", "Hant", _SEGMENT),
)

LANGUAGES: dict[str, Language] = {language.tag: language for language in _TABLE}
"""The languages by tag, in the order of their tags."""

_SAME = {
    "arm-e": "hye",
    "bur": "mya",
    "cze": "ces",
    "dut": "nld",
    "eng-uk": "en-UK",
    "eus": "baq",
    "fas": "per pes",
    "fra": "fre fr-FR",
    "geo": "kat",
    "ger": "deu",
    "gre": "ell",
    "kur": "ku",
    "mac": "mkd",
    "mri": "mao",
    "msa": "may zsm",
    "ron": "rum",
    "spa": "es-ES",
    "sqi": "alb",
    "swa": "swh",
    "zho-s": "zh-CN zh-SG cmn-Hans",
    "zho-t": "zh-TW cmn-Hant",
}
"""Further codes (ISO 639, BCP-47) that mean exactly this tag."""

_NEAR = {
    "arm": "arm-e arm-w",
    "chi": "zho-s zho-t",
    "cmn": "zho-s zho-t",
    "cym": "wel-nw wel-sw",
    "eng": "eng-uk eng-us",
    "fil": "tgl",
    "hbs": "hbs-cyrl hbs-latn",
    "hr": "hbs-latn bos",
    "hrv": "hbs-latn bos",
    "lat": "lat-clas lat-eccl",
    "nn": "nob",
    "nno": "nob",
    "no": "nob",
    "nor": "nob",
    "por": "por-bz por-po",
    "sr-latn": "hbs-latn bos",
    "vie": "vie-c vie-n vie-s",
    "wel": "wel-nw wel-sw",
    "zh-hk": "yue zho-t",
    "zho": "zho-s zho-t",
}
"""Codes that mean several tags, or none but a neighbour: suggested, never chosen silently."""


COMMA_JOINED = frozenset(
    (
        *("ara", "eng-uk", "eng-us", "fas", "fra", "jpn", "khm", "kor", "kur"),
        *("nob", "ori", "ron", "spa-latin", "tha", "tts", "yue", "zho-s", "zho-t"),
    )
)
"""Tags whose dictionaries write the variants of a word into one cell, with commas between; others repeat the row.

From the files of CharsiuG2P's `dicts/`; in its training split a comma stands in pronunciations of these tags only.
"""


def lookup(query: str) -> Language | None:
    """Return the one language meant by a tag of the model or a BCP-47 tag, in any case, or None.

    A region that does not matter (`de-AT`) is passed over; a code that leaves the variety open (`en`) is not guessed.
    """
    tags = _meant(_key(query))
    return LANGUAGES[tags[0]] if len(tags) == 1 else None


def resolve(query: str) -> Language:
    """Return the language that `lookup` finds.

    Raises:
        UnknownLanguageError: no language, or more than one, is meant; the message names the nearest tags.
    """
    language = lookup(query)
    if language:
        return language
    nearest = ", ".join(f"{tag} ({LANGUAGES[tag].name})" for tag in _nearest(_key(query)))
    hint = f"did you mean {nearest}? " if nearest else ""
    shown = repr(query[:_LONGEST_QUERY])
    raise UnknownLanguageError(f"no language has the tag {shown}: {hint}`g2p-batch languages` lists all tags")


def suggested(query: str, tags: Collection[str]) -> str | None:
    """Return the likeliest of some tags for what somebody called a language, or None."""
    return next((tag for tag in _nearest(_key(query)) if tag in tags), None)


def search(text: str) -> list[Language]:
    """Return the languages whose tag, name, code or script holds `text`, in the order of their tags; all for ''."""
    key = _key(text)
    by_code = (*_CODES.get(key, ()), *_suggested(key))
    return [
        language
        for language in _TABLE
        if language.tag in by_code
        or any(key in part.lower() for part in (language.tag, language.name, language.bcp47, language.script))
    ]


def normalization(tag: str) -> Literal["NFC"] | None:
    """Return the Unicode form that a language's words had at training; None where they had no single form.

    Counted in CharsiuG2P's training split: 12.5 % of the words of `grc` are not NFC, and the others are. Of `gre` it is
    0.35 %, of `zho-t`, `zho-s` and `yue` less than 0.05 % (compatibility ideographs), of the other tags there none.
    """
    return None if tag == "grc" else "NFC"


def _key(query: str) -> str:
    return query.strip().lower().replace("_", "-")


def _index(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Collect the tags of every spelling, in the order given."""
    index: dict[str, tuple[str, ...]] = {}
    for spelling, tag in pairs:
        index[spelling] = (*index.get(spelling, ()), tag)
    return index


_CODES = _index(
    [(language.bcp47.lower(), language.tag) for language in _TABLE]
    + [(code.lower(), tag) for tag, codes in _SAME.items() for code in codes.split()]
)
"""Tags by code; a code of one tag is accepted, a code of several asks back."""

_VARIETIES = _index(
    [(language.bcp47.lower().split("-")[0], language.tag) for language in _TABLE]
    + [(code, tag) for tag, codes in _SAME.items() for code in codes.split() if "-" not in code]
)
"""Tags by primary language subtag."""

_SPELLINGS = _index(
    [(tag, tag) for tag in LANGUAGES]
    + [(code, tag) for code, tags in _CODES.items() for tag in tags]
    + [(word, lang.tag) for lang in _TABLE for word in lang.name.lower().replace(",", "").split()]
)
"""What a misspelt query is compared with: tags, codes and the words of names."""


def _meant(key: str) -> tuple[str, ...]:
    """Return the tags that a query may mean: exactly, or with its region passed over (`zh-hant-tw`, `de-at`)."""
    if key in LANGUAGES:
        return (key,)
    if key in _CODES or key in _NEAR:
        return _CODES.get(key, ())
    primary, *subtags = key.split("-")
    scripts = {subtag for subtag in subtags if len(subtag) == 4 and subtag.isalpha()}
    return tuple(tag for tag in _VARIETIES.get(primary, ()) if scripts <= {LANGUAGES[tag].script.lower()})


def _suggested(key: str) -> tuple[str, ...]:
    return tuple(_NEAR.get(key, "").split())


def _nearest(key: str) -> tuple[str, ...]:
    """Return the tags to suggest for a query without an answer, the likeliest first."""
    tags = _meant(key) or _suggested(key) or _VARIETIES.get(key.split("-")[0])
    if tags:
        return tags
    spellings = difflib.get_close_matches(key[:_LONGEST_QUERY], _SPELLINGS, n=3, cutoff=0.6)
    return tuple(dict.fromkeys(tag for spelling in spellings for tag in _SPELLINGS[spelling]))[:4]
