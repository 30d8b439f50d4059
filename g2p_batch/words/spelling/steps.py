"""The steps from a character that a model never saw to what it is asked instead: a table, tried from top to bottom.

A step proposes texts for a character. A proposal counts if the alphabet has all its characters, or if steps bring them
there: `Ţ` becomes `ţ` and that `ț` in Romanian.
"""

import unicodedata
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import NamedTuple

from g2p_batch.model.contract import Alphabet
from g2p_batch.words.spelling import characters as ch

IGNORABLE, COMPOSITION, APOSTROPHE, HYPHEN, BLANK, VARIANT, LOWER_CASE, STRESS_MARK, BASE_LETTER = (
    "ignorable",
    "composition",
    "apostrophe",
    "hyphen",
    "blank",
    "letter_variant",
    "lower_case",
    "stress_mark",
    "base_letter",
)
PUNCTUATION, PARTS, LOOK_ALIKE, LEFT_OUT = "punctuation", "parts", "look_alike", "left_out"
STEPS = {
    IGNORABLE: "code points that show as nothing, such as soft hyphens, are left out",
    COMPOSITION: "composed or decomposed as the alphabet has it",
    APOSTROPHE: "any apostrophe becomes the one that the alphabet has, or is left out if it has none",
    HYPHEN: "any hyphen or dash becomes the one that the alphabet has",
    BLANK: "any blank becomes the one that the alphabet has",
    VARIANT: "another way to write the same letter becomes the alphabet's",
    LOWER_CASE: "capitals that the alphabet lacks, and those within words, become lower case",
    STRESS_MARK: "accents that only dictionaries write are left out",
    BASE_LETTER: "a letter whose base alone is known loses its marks",
    PUNCTUATION: "quotes, brackets and punctuation around a word are left out",
    PARTS: "asked part by part: at blanks, hyphens and symbols that the alphabet lacks",
    LOOK_ALIKE: "a letter of another script that looks like one of the alphabet's becomes that",
    LEFT_OUT: "symbols and letters of other scripts that the alphabet lacks are left out",
}
"""All that may be done to a word, in the order in which it is tried; the last two leave it doubtful."""


_MANY_CAPITALS = 0.6
"""Of the words with the commonest letter, which three words in four hold."""
_TELLING = 64
"""Commonest characters, which tell the script of a language."""
_SLIPS, _SELDOM = 100, 100
"""A letter is a slip where what it looks like is in so many times more words; a mark is seldom where the commonest
letter is."""


SEPARATOR = "\x1f"
"""Stands between the parts of a word; no word can hold it."""


class Rule(NamedTuple):
    """What becomes of one character in one language."""

    text: str | None
    """Characters of the alphabet, or none; None parts the word there."""
    steps: frozenset[str]
    is_unseen: bool = False
    """Whether the model never saw the character, or anything that stands for it."""


class Language:
    """The alphabet of one language, and the rules that follow from it."""

    def __init__(self, tag: str, alphabet: Alphabet) -> None:
        self.tag = tag
        self._counts = dict(alphabet)
        for character in (ch.IGNORABLE - set(ch.JOINERS)) & self._counts.keys():
            del self._counts[character]
        some = sorted(self._counts, key=self._counts.__getitem__)[-_TELLING:]
        self.script = _commonest((ch.script_of(c), self._counts[c]) for c in some if ch.is_letter(c))
        for character in [c for c in ch.LOOK_ALIKES.keys() & self._counts.keys() if self._is_slip(c)]:
            del self._counts[character]
        self._most = max(self._counts.values(), default=1)
        capitals = sum(self._counts[c] for c in filter(str.isupper, self._counts))
        self.writes_capitals = capitals > _MANY_CAPITALS * self._most
        """Whether about half of the words or more begin with a capital, as in dictionaries of German."""
        self._rules: dict[str, Rule] = {}
        self._small: dict[str, Rule] = {}
        self._known: dict[str, bool] = {}
        self.is_sigma_final = {"\u03c2", "\u03c3"} <= self._counts.keys()

    def __contains__(self, character: str) -> bool:
        return character in self._counts

    def _is_slip(self, character: str) -> bool:
        """Tell whether a letter got into the training words for one of the alphabet that looks like it."""
        if ch.script_of(character) == self.script:
            return False
        return any(self._counts.get(other, 0) > _SLIPS * self._counts[character] for other in self._natives(character))

    def _natives(self, character: str) -> list[str]:
        plain = unicodedata.normalize("NFKC", character)
        return [other for other in ch.LOOK_ALIKES.get(plain, "") if ch.script_of(other) == self.script]

    def _is_seldom(self, mark: str) -> bool:
        """Tell whether so few training words hold a mark that behind a word it is more likely none of its own."""
        return _SELDOM * self._counts.get(mark, 0) < self._most

    def rule(self, character: str) -> Rule:
        """Return what becomes of a character that the alphabet lacks."""
        if character not in self._rules:
            self._rules[character] = self._made(character)
        return self._rules[character]

    def small(self, letter: str, steps: set[str]) -> str:
        """Return what becomes of a capital that is to be none, and add how to `steps`; others stay as they are."""
        if letter not in self._small:
            rule = None
            if letter in self and letter.isupper():
                rule = self._first(_lower_case(letter, self), {letter}, LOWER_CASE)
            self._small[letter] = rule or Rule(letter, frozenset())
        rule = self._small[letter]
        steps |= rule.steps
        return rule.text or ""

    def strangers(self, text: str) -> set[str]:
        """Return the characters of a text that the alphabet lacks."""
        return set(text).difference(self._counts)

    def knows_letter_of(self, text: str) -> bool:
        """Tell whether a text has a letter that the alphabet has, or that another of it stands for."""
        for character in text:
            if character not in self._known:
                rule = Rule(character, frozenset()) if character in self else self.rule(character)
                self._known[character] = not rule.is_unseen and any(map(ch.is_letter, rule.text or ""))
            if self._known[character]:
                return True
        return False

    def inside_punctuation(self, text: str) -> str:
        """Return a text without the quotes, brackets and punctuation around it that are no part of words."""
        return text.strip(self._around)

    @cached_property
    def _around(self) -> str:
        return "".join(filter(self._is_around, ch.mute_characters()))

    def _is_around(self, character: str) -> bool:
        if character in ch.APOSTROPHES or (character in ch.HYPHENS and character not in ch.DASHES):
            return False
        if character not in self:
            return True
        return character != "." and character not in ch.BLANKS and self._is_seldom(character)

    def before_stop(self, text: str) -> str:
        """Return a text without the dots of an ellipsis, or the full stop of a sentence.

        A language whose alphabet has a full stop has abbreviations: of one letter, or with more than one stop, as
        `u.s.`
        """
        if text.startswith("..") or text.endswith(".."):
            return text.strip(".")
        is_sentence = len(text) > 2 and text.endswith(".") and text.count(".") == 1 and self._is_seldom(".")
        return text[:-1] if is_sentence else text

    def is_look_alike(self, character: str) -> bool:
        """Tell whether a character is taken for one of the alphabet because it looks like that."""
        return character not in self and LOOK_ALIKE in self.rule(character).steps

    def parted(self, text: str) -> list[str]:
        """Cut a text where characters are that the alphabet lacks and nothing stands for."""
        breaks = {ord(character): SEPARATOR for character in self.strangers(text) if self.rule(character).text is None}
        return text.translate(breaks).split(SEPARATOR)

    def spelt(self, text: str) -> str:
        """Replace all characters that the alphabet lacks."""
        strange = self.strangers(text)
        return text.translate({ord(c): self.rule(c).text for c in strange}) if strange else text

    def _made(self, character: str) -> Rule:
        if settled := self._settled(character, set()):
            return settled
        if character in ch.APOSTROPHES:
            # In Cyrillic it is a letter: without it the word sounds otherwise.
            return Rule("", frozenset({APOSTROPHE}), is_unseen=self.script == "CYRILLIC")
        if character in ch.HYPHENS or character in ch.BLANKS:
            return Rule(None, frozenset({PARTS}))
        if ch.is_mark(character):
            return Rule("", frozenset({BASE_LETTER}))
        if not ch.is_letter(character):
            return Rule(None, frozenset({LEFT_OUT}), is_unseen=True)
        if look_alike := self._first(self._natives(character), {character}, LOOK_ALIKE):
            return look_alike._replace(is_unseen=True)
        if ch.script_of(character) != self.script:
            return Rule(None, frozenset({LEFT_OUT}), is_unseen=True)
        # Models of many languages learn letters from one another: they may know it.
        return Rule(ch.lower(character, self.tag), frozenset(), is_unseen=True)

    def _settled(self, character: str, tried: set[str]) -> Rule | None:
        """Return what steps make of a character, or None where none leads into the alphabet."""
        for step, propose in _CHARACTER_STEPS.items():
            if found := self._first(propose(character, self), {*tried, character}, step):
                return found
        return None

    def _first(self, texts: Iterable[str], tried: set[str], step: str) -> Rule | None:
        """Return the first text that is in the alphabet, or that steps bring there."""
        for text in texts:
            rules = [self._within(character, tried) for character in text]
            if all(rule is not None for rule in rules):
                settled = [rule for rule in rules if rule is not None]
                whole = "".join(rule.text or "" for rule in settled)
                return Rule(whole, frozenset({step}).union(*(rule.steps for rule in settled)))
        return None

    def _within(self, character: str, tried: set[str]) -> Rule | None:
        if character in self:
            return Rule(character, frozenset())
        return None if character in tried else self._settled(character, tried)

    def commonest(self, characters: str) -> str:
        """Return those of some characters that the alphabet has, the commonest first."""
        return "".join(sorted((c for c in characters if c in self), key=lambda c: -self._counts[c]))


def _commonest(pairs: Iterable[tuple[str, int]]) -> str:
    totals: dict[str, int] = {}
    for name, count in pairs:
        totals[name] = totals.get(name, 0) + count
    return max(totals, key=totals.__getitem__, default="")


_STANDS_FOR: dict[str, list[str]] = {}
for _text, _others in ch.VARIANTS.items():
    for _other in _others:
        _STANDS_FOR.setdefault(_other, []).append(_text)

_ACUTE, _GRAVES, _BREATHINGS = "\u0301", "\u0300\u0342", "\u0313\u0314\u0345\u0304\u0306"


def _nothing(character: str, _: Language) -> Iterator[str]:
    if character in ch.IGNORABLE:
        yield ""


def _composition(character: str, language: Language) -> Iterator[str]:
    decomposed = unicodedata.normalize("NFD", character)
    if decomposed != character and all(part in language for part in decomposed):
        yield decomposed


def _one_of(kind: str) -> Callable[[str, Language], Iterator[str]]:
    def propose(character: str, language: Language) -> Iterator[str]:
        if character in kind:
            yield from language.commonest(kind)

    return propose


def _variants(character: str, language: Language) -> Iterator[str]:
    yield from (text for text in _STANDS_FOR.get(character, ()) if all(letter in language for letter in text))
    if not ch.is_letter(character):
        return
    compatible = unicodedata.normalize("NFKC", character)
    if compatible != character:
        yield compatible
    # A capital of an alphabet with breathings keeps its own: the next step makes it small.
    if language.script == "GREEK" and ch.lower(character, language.tag) not in language:
        yield _monotonic(character)


def _monotonic(letter: str) -> str:
    """Return a Greek letter with one accent and no breathing, as Greek has been written since 1982."""
    parts = unicodedata.normalize("NFD", letter)
    kept = (_ACUTE if part in _GRAVES else part for part in parts if part not in _BREATHINGS)
    return unicodedata.normalize("NFC", "".join(kept))


def _lower_case(character: str, language: Language) -> Iterator[str]:
    small = ch.lower(character, language.tag)
    if small != character:
        yield small
        if small == "\u0131":
            yield "i"


def _without_stress(character: str, language: Language) -> Iterator[str]:
    marks = ch.STRESSED.get(language.tag, "")
    parts = unicodedata.normalize("NFD", character)
    if any(part in marks for part in parts):
        yield unicodedata.normalize("NFC", "".join(part for part in parts if part not in marks))


def _base(character: str, _: Language) -> Iterator[str]:
    base = ch.base_of(character)
    if base is not None and base != "":
        yield base


_CHARACTER_STEPS: dict[str, Callable[[str, Language], Iterable[str]]] = {
    IGNORABLE: _nothing,
    COMPOSITION: _composition,
    APOSTROPHE: _one_of(ch.APOSTROPHES),
    HYPHEN: _one_of(ch.HYPHENS),
    BLANK: _one_of(ch.BLANKS),
    VARIANT: _variants,
    LOWER_CASE: _lower_case,
    STRESS_MARK: _without_stress,
    BASE_LETTER: _base,
}
