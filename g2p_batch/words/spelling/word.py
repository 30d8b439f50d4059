"""One word: from how it is written to the parts that a model is asked for."""

import re
import unicodedata
from typing import NamedTuple

from g2p_batch.words.spelling import characters as ch
from g2p_batch.words.spelling.steps import (
    COMPOSITION,
    IGNORABLE,
    LOOK_ALIKE,
    LOWER_CASE,
    PARTS,
    PUNCTUATION,
    VARIANT,
    Language,
)

_SIGMAS = re.compile("\u03c3$")


class Respelt(NamedTuple):
    """What a word is asked as.

    Attributes:
        parts: texts of the alphabet's characters, and of letters that are unseen; none where no letter is known.
        steps: what was done, by the names of `STEPS`.
        is_unseen: whether the word holds what the model never saw.
        look_alikes: letters of other scripts that look like the alphabet's.
    """

    parts: tuple[str, ...]
    steps: frozenset[str]
    is_unseen: bool
    look_alikes: frozenset[str]


def respell(word: str, language: Language) -> Respelt:
    """Spell a word with the letters of a language's alphabet."""
    steps: set[str] = set()
    text = _visible(word, language, steps)
    if not text:
        return Respelt((), frozenset(steps), True, frozenset())
    text = _bare(text, language, steps)
    rules = [language.rule(character) for character in language.strangers(text)]
    pieces, is_unseen = [text], False
    look_alikes: frozenset[str] = frozenset()
    if rules:
        steps.update(*(rule.steps for rule in rules))
        is_unseen = any(rule.is_unseen for rule in rules)
        if any(rule.text is None for rule in rules):
            pieces = language.parted(text)
        if LOOK_ALIKE in steps:
            look_alikes = frozenset(filter(language.is_look_alike, text))
    known = filter(language.knows_letter_of, pieces)
    parts = tuple(_spelt(piece, language, steps) for piece in known)
    if PARTS in steps and len(parts) < 2:  # what parted them was around the word
        steps.remove(PARTS)
        steps.add(PUNCTUATION)
    return Respelt(parts, frozenset(steps), is_unseen, look_alikes)


def _visible(word: str, language: Language, steps: set[str]) -> str:
    """Leave out what shows as nothing, compose what the alphabet has composed, replace sequences that stand for one."""
    strange = language.strangers(word)
    if not strange:
        return word
    text = word
    if not strange.isdisjoint(ch.IGNORABLE):
        text = "".join(character for character in word if character in language or character not in ch.IGNORABLE)
        steps.add(IGNORABLE)
    if any(map(ch.is_mark, strange)):
        small = "".join(ch.lower(character, language.tag) for character in text)
        for form, step in ((text, COMPOSITION), (small, LOWER_CASE)):  # some letters are composed in lower case only
            composed = unicodedata.normalize("NFC", form)
            if len(language.strangers(composed)) < len(language.strangers(text)):
                text = composed
                steps.add(step)
    for sequence, whole in ch.SEQUENCES.items():
        if not strange.isdisjoint(sequence) and sequence in text and not language.strangers(whole.lower()):
            text = text.replace(sequence, whole)
            steps.add(VARIANT)
    return text


def _bare(text: str, language: Language, steps: set[str]) -> str:
    """Leave out quotes, brackets and punctuation around a word."""
    bare, before = text, ""
    while bare != before and not (ch.is_letter(bare[0]) and ch.is_letter(bare[-1])):
        before = bare
        for inside in (language.inside_punctuation, _inside_quotes, language.before_stop):
            inner = inside(bare)
            if any(map(ch.is_letter, inner)):
                bare = inner
    if bare != text:
        steps.add(PUNCTUATION)
    return bare


def _inside_quotes(text: str) -> str:
    """Return what stands between two apostrophes; one alone may belong to the word."""
    is_quoted = len(text) > 2 and text[0] in ch.APOSTROPHES and text[-1] in ch.APOSTROPHES
    return text[1:-1] if is_quoted else text


def _spelt(piece: str, language: Language, steps: set[str]) -> str:
    """Spell a part of a word, in lower case where it is of capitals only, or has capitals behind letters."""
    if piece[1:] != piece[1:].lower():
        is_in_capitals = piece.isupper()
        kept = int(is_in_capitals and language.writes_capitals)
        letters = [
            language.small(letter, steps) if at >= kept and (is_in_capitals or _is_within(piece, at)) else letter
            for at, letter in enumerate(piece)
        ]
        piece = "".join(letters)
    text = language.spelt(piece)
    return _SIGMAS.sub("\u03c2", text) if language.is_sigma_final and LOWER_CASE in steps else text


def _is_within(text: str, at: int) -> bool:
    """Tell whether a letter follows another one; `O'Brien` has two first letters."""
    return at > 0 and ch.is_letter(text[at - 1])


def is_acronym(word: str) -> bool:
    """Tell whether a word is of capitals without a vowel letter, so that it may be said letter by letter."""
    if not word.isupper():
        return False
    letters = [character for character in word if character.isalpha()]
    return len(letters) > 1 and all(map(str.isupper, letters)) and not any(map(ch.is_vowel, letters))
