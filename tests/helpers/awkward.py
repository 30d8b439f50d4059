"""Rows for readers that others wrote: golden words of several scripts, and words that formats find hard."""

from collections.abc import Iterator

from g2p_batch.formats.lexicon import WriteOptions
from tests.helpers.lexicons import PLAIN, Row, accepted, batch, golden, reasons

LANGUAGES = ("eng-us", "fra", "ger", "gre", "pol", "tur", "ukr")

AWKWARD = (
    *("don't", "'tis", "rock'n'roll", "l’eau", "(s)he", "word(s)", "x(2)", "()", "x()", "C++", "AT&T", "and/or", "%"),
    *('"Ngā"', '5"', '"', '""', "=mc²", "=", "=x", "+1", "-1", "@home", "#tag", "#0", "##", ";;", ";;;", ";x", "a;b"),
    *("Straße", "ÉTÉ", "été", "niño", "œuf", "são", "gęś", "ﬁn", "e\u0301", "naïve", "x-ray", "-", "?", "İzmir"),
    *("<s>", "</s>", "<sil>", "<eps>", "<unk>", "<UNK>", "!SIL", "<cutoff>", "[cutoff]", "[LAUGHTER]", "[NOISE]"),
    *("NA", "null", "None", "nan", "true", "TRUE", "1", "01", "1e5", "0.5", "3/4", "7:30", "#N/A", "\\N", "\\", "a\\b"),
    *("a_b", "a|b", "a}b", "_", "a,b", "中", "中国", "안녕", "привет", "я", "Ελλάδα", "שלום", "สวัสดี", "😀"),
)
"""Quotes, signs of formulas, marks of formats, reserved words, missing values, capitals, and many scripts."""

_SOUNDS = ("a", "e", "iː", "oʊ", "p", "tʃ", "k", "ʁ")


def awkward(lang: str = "eng-us", sounds: tuple[str, ...] = _SOUNDS) -> list[Row]:
    """Return the awkward words, no two with the same phones."""
    phones = [[*_numeral(number, sounds)] for number in range(len(AWKWARD))]
    return [Row(word, "".join(some), some, lang=lang) for word, some in zip(AWKWARD, phones, strict=True)]


def real(lang: str) -> list[Row]:
    """Return the golden words of a language and the awkward words, once each, in bytewise order."""
    rows = {row.word: row for row in (*awkward(lang), *golden(lang))}
    return sorted(rows.values(), key=lambda row: row.word.encode())


def held(name: str, rows: list[Row], options: WriteOptions = PLAIN) -> list[Row]:
    """Return the rows that a format holds."""
    fields = accepted(name, batch(rows), options).to_pylist()
    return [Row(*(row[field] for field in Row._fields)) for row in fields]


def refused(name: str, reason: str, rows: list[Row], options: WriteOptions = PLAIN) -> list[Row]:
    """Return the rows that a format refuses for this reason."""
    return [row for row, found in zip(rows, reasons(name, rows, options), strict=True) if found == reason]


def said(rows: list[Row]) -> list[tuple[str, list[str]]]:
    """Return words with their phones, as readers are to get them."""
    return [(row.word, row.phones or []) for row in rows]


def _numeral(number: int, sounds: tuple[str, ...]) -> Iterator[str]:
    """Yield a number, the lowest place first, with sounds for digits."""
    while True:
        yield sounds[number % len(sounds)]
        number //= len(sounds)
        if not number:
            return
