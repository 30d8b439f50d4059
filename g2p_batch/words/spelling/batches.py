"""Spelling of many words at once: a word of the alphabet's letters costs a look at each of its characters.

What happens most, capitals above all, is replaced character by character in all words together; what depends on the
rest of a word goes to `word.respell`, once for each distinct word. Both give the same.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.model.contract import Alphabets
from g2p_batch.words.spelling.code_points import CodePoints, Indices, strings
from g2p_batch.words.spelling.kinds import ALONE, CAPITAL, FIRST_RULE, OTHER, SMALL, Bool, Kind, Kinds
from g2p_batch.words.spelling.steps import SEPARATOR, Language
from g2p_batch.words.spelling.word import Respelt, is_acronym, respell

NO_KNOWN_LETTER, UNSEEN_CHARACTER, ACRONYM = "no_known_letter", "unseen_character", "acronym"
"""Why a word is none for the model, and why what it says of one is to be looked at."""


@dataclass(frozen=True)
class Asked:
    """What N words are asked as.

    Attributes:
        text: string [N]: what is asked, parts parted by `SEPARATOR`; null where that is the word as it is.
        doubt: string [N]: `NO_KNOWN_LETTER`, `UNSEEN_CHARACTER`, `ACRONYM` or null.
        steps: words by step.
        look_alikes: words by language and letter, of letters that look like others of the alphabet.
    """

    text: pa.Array
    doubt: pa.Array
    steps: Counter[str] = field(default_factory=Counter)
    look_alikes: Counter[tuple[str, str]] = field(default_factory=Counter)


class Spelling:
    """Spells words with the letters of alphabets; tables fill up as characters are met."""

    def __init__(self, alphabets: Alphabets) -> None:
        self._alphabets = alphabets
        self._numbers: dict[str | None, int] = {}
        """Languages that were met, by their places in the list."""
        self._languages: list[Language | None] = [None]
        self._kinds = Kinds(self._languages)
        self._respelt: dict[tuple[int, str], Respelt] = {}

    def ask(self, words: pa.Array, langs: pa.Array) -> Asked:
        """Spell words.

        Args:
            words: string [N], no nulls; of an empty one nothing is asked.
            langs: dictionary of string [N], their tags, or null.
        """
        numbers = np.array([*map(self._number, langs.dictionary.to_pylist()), _NONE])
        indices = pc.fill_null(langs.indices, len(langs.dictionary)) if langs.null_count else langs.indices
        return self._ask(words, numbers[indices.to_numpy()])

    def _number(self, tag: str | None) -> int:
        if tag not in self._numbers:
            alphabet = self._alphabets.get(tag or "")
            self._numbers[tag] = len(self._languages) if alphabet else _NONE
            if alphabet:
                self._languages.append(Language(tag or "", alphabet))
        return self._numbers[tag]

    def _ask(self, words: pa.Array, number: Indices) -> Asked:
        text = CodePoints.of(words)
        kinds = self._kinds.of(text.codes, number, text.lengths)
        if kinds.max(initial=0) <= SMALL:
            return _as_they_are(len(words))
        at = np.flatnonzero(kinds > SMALL)
        owner = np.searchsorted(text.starts, at, side="right") - 1
        touched, alone = self._sorted_out(text, kinds[at], at, owner)
        together, one_by_one = np.flatnonzero(touched & ~alone), np.flatnonzero(alone)
        steps: Counter[str] = Counter()
        look_alikes: Counter[tuple[str, str]] = Counter()
        pieces = [
            self._together(text, kinds, together, steps),
            self._one_by_one(words, number, one_by_one, steps, look_alikes),
        ]
        place = np.full(len(words), -1)
        place[np.concatenate([together, one_by_one])] = np.arange(len(together) + len(one_by_one))
        rows = pa.array(place, mask=place < 0)
        texts, doubts = (pa.concat_arrays(columns).take(rows) for columns in zip(*pieces, strict=True))
        return Asked(texts, doubts, +steps, look_alikes)

    def _sorted_out(self, text: CodePoints, kind: Kind, at: Indices, owner: Indices) -> tuple[Bool, Bool]:
        """Tell which of N words need something, and which of these have to be spelt by themselves.

        Args:
            text: the words.
            kind: [k], of characters that are not small letters of the alphabet.
            at: [k], their places.
            owner: [k], the words that hold them.
        """
        rules = self._kinds.arrays()
        is_first = at == text.starts[owner]
        at_edge = is_first | (at == text.starts[owner + 1] - 1)
        is_capital = kind == CAPITAL
        special = (kind == OTHER) & at_edge | is_capital & ~is_first | (kind == ALONE)
        special |= rules.is_alone_at_edge[kind] & at_edge
        touched, alone, capital = (np.zeros(len(text.starts) - 1, np.bool_) for _ in range(3))
        touched[owner[kind >= FIRST_RULE]] = True
        alone[owner[special]] = True
        capital[owner[is_capital]] = True
        return touched, alone | touched & capital

    def _together(self, text: CodePoints, kinds: Kind, rows: Indices, steps: Counter[str]) -> tuple[pa.Array, pa.Array]:
        """Spell words [n], `rows` of all, whose characters do not depend on one another; returns text and doubt."""
        if not len(rows):
            return _NO_WORDS, _NO_WORDS
        owner, at = text.characters(rows)
        kind, codes = kinds[at], text.codes[at]
        rules = self._kinds.arrays()
        ruled = np.flatnonzero(kind >= FIRST_RULE)
        for name in rules.names_of(np.unique(kind[ruled])):
            steps[name] += _distinct(owner[ruled[rules.steps[name][kind[ruled]]]])
        lengths = rules.lengths[kind]
        spelt = np.repeat(codes, lengths)
        begins = np.cumsum(lengths) - lengths
        for nth in range(rules.texts.shape[1]):
            some = ruled[lengths[ruled] > nth]
            spelt[begins[some] + nth] = rules.texts[kind[some], nth]
        words = strings(spelt, np.add.reduceat(lengths, np.flatnonzero(np.diff(owner, prepend=-1))))
        return words, _doubt(pa.array(_is_acronym(owner, rules.is_capital[kind], rules.is_no_acronym[kind], len(rows))))

    def _one_by_one(
        self,
        words: pa.Array,
        number: Indices,
        rows: Indices,
        steps: Counter[str],
        look_alikes: Counter[tuple[str, str]],
    ) -> tuple[pa.Array, pa.Array]:
        """Spell words [n], `rows` of all, each by itself; returns text and doubt."""
        texts: list[str | None] = []
        doubts: list[str | None] = []
        for word, place in zip(words.take(pa.array(rows)).to_pylist(), number[rows].tolist(), strict=True):
            language = self._languages[place]
            assert language is not None  # of what has no alphabet nothing is odd
            respelt = self._respelt.get((place, word))
            if respelt is None:
                if len(self._respelt) >= _KEPT:
                    self._respelt.clear()
                respelt = self._respelt[place, word] = respell(word, language)
            if not respelt.parts:
                texts.append(None)
                doubts.append(NO_KNOWN_LETTER)
                continue
            for step in respelt.steps:
                steps[step] += 1
            for letter in respelt.look_alikes:
                look_alikes[language.tag, letter] += 1
            asked = SEPARATOR.join(respelt.parts)
            texts.append(None if asked == word else asked)
            doubts.append(UNSEEN_CHARACTER if respelt.is_unseen else ACRONYM if is_acronym(word) else None)
        return pa.array(texts, pa.string()), pa.array(doubts, pa.string())


_NONE = 0
"""The place of what has no alphabet in a list of languages."""
_KEPT = 1 << 16
"""Words that are kept with their spelling: those that lists repeat come soon again."""


def _as_they_are(words: int) -> Asked:
    return Asked(pa.nulls(words, pa.string()), pa.nulls(words, pa.string()))


_NO_WORDS = pa.array([], pa.string())


def _is_acronym(owner: Indices, is_capital: Bool, is_no_acronym: Bool, words: int) -> Bool:
    """Tell which of N words, `owner` of characters [C], are of two capitals or more and nothing that speaks against."""
    wrong = np.zeros(words, np.bool_)
    wrong[owner[is_no_acronym]] = True
    if wrong.all():
        return ~wrong
    return ~wrong & (np.bincount(owner[is_capital], minlength=words) > 1)


def _doubt(is_acronym: pa.Array) -> pa.Array:
    return pc.if_else(is_acronym, ACRONYM, pa.scalar(None, pa.string()))


def _distinct(rising: Indices) -> int:
    """Return how many values there are in [n] that do not fall."""
    return int(np.count_nonzero(np.diff(rising, prepend=-1)))
