"""What becomes of each character in each language, as arrays that all characters of many words are looked up in."""

import unicodedata
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from g2p_batch.words.spelling import characters as ch
from g2p_batch.words.spelling.steps import STEPS, Language, Rule

COMBINING, SMALL, OTHER, CAPITAL, ALONE, FIRST_RULE = range(1, 7)
"""Kinds of characters. Of the alphabet: a mark on a letter, a letter, no letter, a capital. Of those that it lacks:
`ALONE`, if what becomes of it depends on its word, and from `FIRST_RULE` on the number of its rule."""

_UNKNOWN = 0
_CODES = 0x110000
_ASCII = 128
"""Characters up to here are numbered as they are."""
_ROOM = 256
_TOGETHER = 4096
"""Words that are looked up together: what is computed on the way stays in a near cache."""

Numbers = npt.NDArray[np.int64]
Kind = npt.NDArray[np.int32]
Bool = npt.NDArray[np.bool_]


class RuleArrays(NamedTuple):
    """What is to be known of R kinds."""

    is_alone_at_edge: Bool
    """[R]: whether a word that begins or ends with the character is spelt by itself."""
    lengths: Numbers
    """[R]: characters that stand for it."""
    texts: Numbers
    """[R, most]: these, for kinds from `FIRST_RULE` on."""
    steps: dict[str, Bool]
    """By step, [R]: whether it has a part in the rule."""
    is_capital: Bool
    """[R]: whether the character is a capital that is replaced."""
    is_no_acronym: Bool
    """[R]: whether a word with it is none: a vowel, or a letter that is no capital."""

    def names_of(self, kinds: Kind) -> list[str]:
        """Return the steps that have a part in some rules."""
        return [name for name, has in self.steps.items() if has[kinds].any()]


class Kinds:
    """Kinds of characters by language; they are found out as characters are met.

    Characters are numbered as they are met, so that the tables stay as small as the languages' scripts.
    """

    def __init__(self, languages: list[Language | None]) -> None:
        self._languages = languages
        """May grow. Of None every character is taken as it is."""
        self._number_of = np.zeros(_CODES, np.int64)
        self._number_of[:_ASCII] = np.arange(_ASCII)
        self._characters = [*map(chr, range(_ASCII))]
        self._tables = np.zeros((0, _ROOM), np.int32)
        self._rules: list[tuple[str, Rule]] = []
        self._arrays: RuleArrays | None = None

    def of(self, codes: Numbers, languages: Numbers, lengths: Numbers) -> Kind:
        """Return the kind of each of C characters.

        Args:
            codes: [C] code points.
            languages: [N], places in the list of languages, each for so many characters:
            lengths: [N].
        """
        kinds = np.empty(len(codes), np.int32)
        ends = np.cumsum(lengths)
        for start in range(0, len(lengths), _TOGETHER):
            words = slice(start, start + _TOGETHER)
            some = slice(ends[start] - lengths[start], ends[words][-1])
            kinds[some] = self._few(codes[some], languages[words], lengths[words])
        return kinds

    def _few(self, codes: Numbers, languages: Numbers, lengths: Numbers) -> Kind:
        numbers = codes
        if codes.max(initial=0) >= _ASCII:
            numbers = self._number_of[codes]
            if not numbers.all():
                self._meet(np.unique(codes[numbers == 0]))
                numbers = self._number_of[codes]
        self._make_room()
        # Lookups by int64 take a third of the time of those by narrower numbers.
        cells = np.repeat(languages * self._tables.shape[1], lengths)
        cells += numbers
        flat = self._tables.reshape(-1)
        kinds: Kind = flat[cells]
        if not kinds.all():
            for cell in np.unique(cells[kinds == _UNKNOWN]).tolist():
                language, number = divmod(cell, self._tables.shape[1])
                flat[cell] = self._kind(self._languages[language], self._characters[number])
            kinds = flat[cells]
        return kinds

    def _meet(self, codes: Numbers) -> None:
        for code in codes.tolist():
            self._number_of[code] = len(self._characters)
            self._characters.append(chr(code))

    def _make_room(self) -> None:
        rows, columns = self._tables.shape
        wanted = (len(self._languages), max(columns, 1 << (len(self._characters) - 1).bit_length()))
        if wanted != (rows, columns):
            self._tables = np.pad(self._tables, ((0, wanted[0] - rows), (0, wanted[1] - columns)))

    def _kind(self, language: Language | None, character: str) -> int:
        if language is None or unicodedata.category(character) == "Cc":  # such words are rejected, whatever else
            return SMALL
        if character not in language:
            rule = language.rule(character)
            if _depends(language, character, rule):
                return ALONE
            self._rules.append((character, rule))
            self._arrays = None
            return FIRST_RULE + len(self._rules) - 1
        if ch.is_mark(character):
            return COMBINING
        if ch.is_letter(character):
            return CAPITAL if character.isupper() else SMALL
        return OTHER

    def arrays(self) -> RuleArrays:
        """Return what is to be known of all kinds."""
        if self._arrays is None:
            self._arrays = self._made()
        return self._arrays

    def _made(self) -> RuleArrays:
        own = FIRST_RULE * [False]
        texts = [[*map(ord, rule.text or "")] for _, rule in self._rules]
        lengths = np.array([1] * FIRST_RULE + [*map(len, texts)])
        table = np.zeros((len(lengths), lengths.max()), np.int64)
        for row, text in enumerate(texts, FIRST_RULE):
            table[row, : len(text)] = text
        letters = [(character.isalpha(), character) for character, _ in self._rules]
        return RuleArrays(
            is_alone_at_edge=np.array(own + [not ch.is_letter(c) or c in ch.IGNORABLE for c, _ in self._rules]),
            lengths=lengths,
            texts=table,
            steps={name: np.array(own + [name in rule.steps for _, rule in self._rules]) for name in STEPS},
            is_capital=np.array(own + [character.isupper() for _, character in letters]),
            is_no_acronym=np.array(
                [kind == SMALL for kind in range(FIRST_RULE)]
                + [is_letter and (ch.is_vowel(c) or not c.isupper()) for is_letter, c in letters]
            ),
        )


def _depends(language: Language, character: str, rule: Rule) -> bool:
    """Tell whether what becomes of a character depends on the rest of its word."""
    ends_in_sigma = language.is_sigma_final and "\u03c3" in (rule.text or "")
    return rule.text is None or rule.is_unseen or ch.is_mark(character) or ends_in_sigma
