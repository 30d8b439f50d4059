"""Ways in which people write a word that a model learnt, each by its name."""

import unicodedata
from collections.abc import Callable, Iterator, Mapping

from g2p_batch.words.spelling import characters as ch

Respelling = Callable[[str, str, Mapping[str, int]], Iterator[str]]
"""Yields how people write a word of a language with an alphabet; nothing where that is no kind of writing it."""


def _between(mark: str) -> Respelling:
    def respelt(word: str, _lang: str, _alphabet: Mapping[str, int]) -> Iterator[str]:
        yield mark + word
        yield word + mark
        if len(word) > 1:
            yield word[0] + mark + word[1:]

    return respelt


def _around(before: str, after: str) -> Respelling:
    def respelt(word: str, _lang: str, alphabet: Mapping[str, int]) -> Iterator[str]:
        abbreviates = 100 * alphabet.get(".", 0) >= max(alphabet.values())
        if after[:1] == "." and after[:2] != ".." and abbreviates:
            return
        if len(word) > 1 and not (set(before + after) & set(word)) and "." not in word:
            yield before + word + after

    return respelt


def _instead(old: str, new: str) -> Respelling:
    def respelt(word: str, _lang: str, alphabet: Mapping[str, int]) -> Iterator[str]:
        if old in word and not set(new) & set(alphabet):
            yield word.replace(old, new)

    return respelt


def _upper(word: str, lang: str) -> str:
    """Return a word in capitals, as its language writes them."""
    return (word.replace("i", "İ").replace("ı", "I") if lang in ch.DOTLESS else word).upper()


def _capitals(word: str, lang: str, alphabet: Mapping[str, int]) -> Iterator[str]:
    """Yield a word in capitals, and with the first letter in capitals, where the alphabet has none."""
    if not any(letter.isupper() for letter in alphabet):
        for text in (_upper(word, lang), _upper(word[0], lang) + word[1:]):
            if text != word and all(ch.lower(letter, lang) in word for letter in text):
                yield text


def _in_capitals_only(word: str, lang: str, alphabet: Mapping[str, int]) -> Iterator[str]:
    """Yield a word in capitals where the alphabet has them and most words begin with a small letter."""
    text = _upper(word, lang)
    if (
        any(letter.isupper() for letter in alphabet)
        and lang not in ("ger", "ind")
        and len(word) > 1
        and word.isalpha()
        and word.islower()
        and all(ch.lower(letter, lang) in word and letter.lower() != letter for letter in text)
    ):
        yield text


def _decomposed(word: str, _lang: str, _alphabet: Mapping[str, int]) -> Iterator[str]:
    text = unicodedata.normalize("NFD", word)
    if text != word:
        yield text


def _stressed(word: str, lang: str, alphabet: Mapping[str, int]) -> Iterator[str]:
    """Yield a word with each of the accents of dictionaries over its first vowel."""
    for mark in ch.STRESSED.get(lang, ""):
        at = next((at for at, letter in enumerate(word) if ch.is_vowel(letter) and mark != "\u0307"), None)
        if at is not None and not set(unicodedata.normalize("NFC", word[at] + mark)) & set(alphabet):
            yield word[: at + 1] + mark + word[at + 1 :]


def _wide(word: str, _lang: str, _alphabet: Mapping[str, int]) -> Iterator[str]:
    text = "".join(chr(ord(letter) + 0xFEE0) if "a" <= letter <= "z" else letter for letter in word)
    if text != word:
        yield text


RESPELLINGS: dict[str, Respelling] = {
    "capitals": _capitals,
    "in capitals only": _in_capitals_only,
    "decomposed": _decomposed,
    "dictionary accents": _stressed,
    "full width": _wide,
    "final sigma": lambda word, lang, alphabet: (
        iter([word[:-1] + "ς"]) if word.endswith("σ") and "ς" not in alphabet else iter(())
    ),
    **{f"U+{ord(mark):04X} in it": _between(mark) for mark in "\u00ad\u200b\u2060\u200e\ufeff"},
    **{f"U+{ord(mark):04X} for '": _instead("'", mark) for mark in "\u2019\u2018\u02bc\u00b4\uff07\u2032"},
    **{f"U+{ord(mark):04X} for -": _instead("-", mark) for mark in "\u2010\u2011\u2013\u2212"},
    **{f"{new} for {old}": _instead(old, new) for old, new in ("șş", "țţ", "şș", "đð", "·•", "əǝ")},
    "no-break space": _instead(" ", "\u00a0"),
    **{f"in {before}{after}": _around(before, after) for before, after in ('""', "“”", "«»", "„“", "()", "[]", "¿?")},
    "in ''": _around("'", "'"),
    "in ‘’": _around("‘", "’"),
    **{f"before {after}": _around("", after) for after in (".", ",", "!", "?", ":", ";", "…", "...", ".”", "!)")},
}
