"""Lexicons of sherpa-onnx text-to-speech: `word token token`, one pronunciation a word.

The rules are those of its `lexicon.cc`: words become lower case in ASCII, of equal words the first counts, and a line
with a token that `tokens.txt` lacks is skipped. Those of `text-utils.cc` say what becomes of a text: it is split around
every character but some, and a word that is no piece of it is never looked up. Voices of Chinese put Han characters
together again (`phrase-matcher.cc`).
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.formats import kaldi
from g2p_batch.formats.entries import encoding_problems, text_lines, texts, wrong
from g2p_batch.formats.kind import Expected, Format, Problem
from g2p_batch.formats.lexicon import WriteOptions
from g2p_batch.formats.rules import PHONE_LINE_RULES, Rule, any_phone, first_reason
from g2p_batch.formats.word_lines import best, phone_lines, spelt, write_lines

_LETTERS = "0-9A-Za-z'ÀÁÂÄÇÈÉÊËÍÎÏÑÓÔÖÙÚÛÜßàáâäçèéêëíîïñóôöùúûü"
"""Characters that stay together in a text, as the inside of a character class."""
_HAN = "\u3005\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_MOST_HAN = 10
_PAUSES = "!,.:;?-"
"""Characters that end a sentence or a clause, and are not looked up."""
_PIECE = f"[{_LETTERS}]+|[^{_PAUSES}]|[{_HAN}]{{1,{_MOST_HAN}}}"
"""A word that is looked up: letters, any other character by itself, or what voices of Chinese find."""


def write(batches: Iterable[pa.RecordBatch], path: Path, options: WriteOptions) -> None:
    """Write words and the phones of their best variant."""
    with path.open("wb") as file:
        for lines in map(best, phone_lines(batches, options)):
            write_lines(file, [lines.word, lines.pron], " ")


def refuse(rows: pa.RecordBatch, options: WriteOptions) -> pa.Array:
    """Refuse what sherpa-onnx would split or never say, and with `options.tokens` what it would skip.

    Raises:
        InputError: the list of tokens cannot be read.
    """
    rules = _RULES
    if options.tokens is not None:
        allowed = tokens(options.tokens)
        rules = (*_RULES, ("token_not_in_set", any_phone(lambda phone: phone not in allowed)))
    return first_reason(rows, options, rules)


class Repeats:
    """Refuses words that differ from an earlier one of their language in ASCII case only.

    Words come in bytewise order, where capitals are first: the words that have some are all that is remembered.
    """

    def __init__(self) -> None:
        self._lang = ""
        self._first: dict[str, str] = {}
        """The word that counts, by its lower-case spelling."""

    def __call__(self, rows: pa.RecordBatch, _options: WriteOptions) -> pa.Array:
        """Return `differs_in_case` or null for each of N rows; languages follow one another."""
        lowered = pc.ascii_lower(rows["word"])
        capitals = pc.not_equal(lowered, rows["word"])
        if not self._first and not pc.any(capitals).as_py():
            return pa.nulls(len(rows), pa.string())
        columns = (rows["lang"], rows["word"], lowered, capitals)
        reasons = [self._reason(*row) for row in zip(*(column.to_pylist() for column in columns), strict=True)]
        return pa.array(reasons, pa.string())

    def _reason(self, lang: str, word: str, lowered: str, capitals: bool) -> str | None:
        if lang != self._lang:
            self._lang, self._first = lang, {}
        if capitals:
            self._first.setdefault(lowered, word)
        return None if self._first.get(lowered, word) == word else "differs_in_case"


def validate(path: Path, expected: Expected) -> Iterator[Problem]:
    """Check a lexicon, and its tokens if a list is given; words are remembered as 64-bit numbers."""
    allowed = None if expected.tokens is None else tokens(expected.tokens)
    seen: set[int] = set()
    for line in text_lines(path):
        yield from encoding_problems(line)
        word, *phones = kaldi.fields(line.text) or [""]
        if not phones:
            yield Problem(line.number, f"gives {word} no pronunciation" if word else "is empty")
            continue
        key = hash(_lowered(word))
        if key in seen:
            yield Problem(line.number, f"has {word} again: sherpa-onnx ignores it")
        seen.add(key)
        if not re.fullmatch(_PIECE, word):
            what = "sherpa-onnx takes for a pause" if word in _PAUSES else "sherpa-onnx splits"
            yield Problem(line.number, f"has {word}, which {what}: it is never said")
        for token in phones:
            if allowed is not None and token not in allowed:
                yield Problem(line.number, f"has the token {token}, which {expected.tokens} lacks: it is skipped")


@lru_cache(maxsize=1)
def tokens(path: Path) -> frozenset[str]:
    """Read the tokens of a `tokens.txt`: a token, a blank or a tab, and its number; the token may be a blank.

    Raises:
        InputError: the file cannot be read, or a line is something else.
    """
    names = set()
    for number, text in texts(path):
        token, _, index = text.rstrip().replace("\t", " ").rpartition(" ")
        if not (token or text.startswith(" ")) or not index.isdecimal():
            raise wrong(path, number, "is not a token and its number: give the tokens.txt of the voice")
        names.add(token.strip() or " ")
    return frozenset(names)


def _lowered(word: str) -> str:
    return word.encode().lower().decode()


def _never_said(rows: pa.RecordBatch, options: WriteOptions) -> pa.Array:
    return pc.invert(pc.match_substring_regex(spelt(rows["word"], options), f"^(?:{_PIECE})$"))


_RULES: tuple[Rule, ...] = (
    *PHONE_LINE_RULES,
    ("never_said", _never_said),
)


SHERPA = Format(
    "sherpa",
    None,
    write,
    kaldi.read,
    validate,
    refuse,
    order="word",
    best_only=True,
    repeats=Repeats,
    tokens=True,
)
