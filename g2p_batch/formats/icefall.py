"""Lexicons of icefall and k2: `word p p`, one pronunciation a word.

The rules are those of icefall's `read_lexicon`, `prepare_lang.py` and `convert_lexicon_to_ragged`.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from g2p_batch.formats import kaldi
from g2p_batch.formats.entries import encoding_problems, text_lines
from g2p_batch.formats.kind import Expected, Format, Problem
from g2p_batch.formats.lexicon import WriteOptions
from g2p_batch.formats.rules import PHONE_LINE_RULES, any_phone, first_reason, reserved
from g2p_batch.formats.word_lines import best, phone_lines, write_lines

_OWN_WORDS = frozenset(word for word, _ in kaldi.OWN_LINES)


def write(batches: Iterable[pa.RecordBatch], path: Path, options: WriteOptions) -> None:
    """Write words and the phones of their best variant."""
    with path.open("wb") as file:
        for lines in map(best, phone_lines(batches, options)):
            write_lines(file, [lines.word, lines.pron], " ")


def refuse(rows: pa.RecordBatch, options: WriteOptions) -> pa.Array:
    """Refuse what icefall would split or takes for a symbol of its own."""
    return first_reason(rows, options, _RULES)


def validate(path: Path, _expected: Expected) -> Iterator[Problem]:
    """Check a lexicon; words are remembered as 64-bit numbers to find repeated ones."""
    seen: set[int] = set()
    for line in text_lines(path):
        yield from encoding_problems(line)
        word, *phones = kaldi.fields(line.text) or [""]
        if not phones:
            yield Problem(line.number, f"gives {word} no pronunciation" if word else "is empty")
            continue
        if word in kaldi.RESERVED or (word in _OWN_WORDS and (word, *phones) not in kaldi.OWN_LINES):
            yield Problem(line.number, f"has the reserved word {word}")
        if hash(word) in seen:
            yield Problem(line.number, f"gives {word} another pronunciation, and icefall takes one")
        seen.add(hash(word))
        for phone in filter(_is_symbol, phones):
            yield Problem(line.number, f"has the reserved token {phone}")


def _is_symbol(phone: str) -> bool:
    """Tell a disambiguation symbol or epsilon, which icefall adds to the tokens itself."""
    return phone == "<eps>" or (phone.startswith("#") and phone[1:].isdecimal())


_RULES = (
    *PHONE_LINE_RULES,
    ("reserved_word", reserved(kaldi.RESERVED)),
    ("reserved_phone", any_phone(_is_symbol)),
    *kaldi.OWN_LINE_RULES,
)

ICEFALL = Format("icefall", None, write, kaldi.read, validate, refuse, best_only=True)
