"""Kaldi lexicons: `word p p` (lexicon.txt) and `word probability p p` (lexiconp.txt).

The rules are those of Kaldi's `utils/validate_dict_dir.pl`.
"""

import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa

from g2p_batch.formats.entries import Entry, TextLine, batched, encoding_problems, text_lines, texts, wrong
from g2p_batch.formats.kind import Expected, Format, Problem
from g2p_batch.formats.lexicon import WriteOptions
from g2p_batch.formats.rules import BLANKS, PHONE_LINE_RULES, Rule, any_phone, first_reason, reserved
from g2p_batch.formats.word_lines import phone_lines, relative_probabilities, write_lines

RESERVED = ("#0", "</s>", "<eps>", "<s>")
SILENCE, NOISE = "SIL", "SPN"
OWN_LINES = (("!SIL", SILENCE), ("<UNK>", NOISE))
"""What recipes of Kaldi and icefall add to every lexicon: silence, and words that are in no lexicon."""
_STRANGE_BLANK = re.compile(f"[{BLANKS}]".replace("\t-", "\n-").replace("- ", "-\x1f"))
"""Whitespace but for tab and blank, which are ends of ranges there."""


def write(batches: Iterable[pa.RecordBatch], path: Path, options: WriteOptions) -> None:
    """Write words and phones, a line each variant."""
    with path.open("wb") as file:
        for lines in phone_lines(batches, options):
            write_lines(file, [lines.word, lines.pron], " ")


def write_probabilities(batches: Iterable[pa.RecordBatch], path: Path, options: WriteOptions) -> None:
    """Write words, probabilities and phones; the best variant of a word has 1.00, the others are relative to it."""
    with path.open("wb") as file:
        for lines in phone_lines(batches, options):
            write_lines(file, [lines.word, relative_probabilities(lines), lines.pron], " ")


def refuse(rows: pa.RecordBatch, options: WriteOptions) -> pa.Array:
    """Refuse what Kaldi would split or takes for a symbol of its own."""
    return first_reason(rows, options, RULES)


def read(path: Path) -> Iterator[pa.RecordBatch]:
    """Read `lexicon.txt`.

    Raises:
        InputError: the file cannot be read, or a line has no pronunciation.
    """
    return batched(_entries(path, 0))


def read_probabilities(path: Path) -> Iterator[pa.RecordBatch]:
    """Read `lexiconp.txt`.

    Raises:
        InputError: the file cannot be read, or a line has no pronunciation or no probability.
    """
    return batched(_entries(path, 1))


def validate(path: Path, _expected: Expected, numbers: int = 0) -> Iterator[Problem]:
    """Check a lexicon whose lines have so many probabilities.

    Lines are remembered as 64-bit numbers to find repeated ones.
    """
    seen: set[int] = set()
    for line in text_lines(path):
        yield from line_problems(line)
        if hash(line.text) in seen:
            yield Problem(line.number, "is there twice")
        seen.add(hash(line.text))
        word, *rest = fields(line.text) or [""]
        if word in RESERVED:
            yield Problem(line.number, f"has the reserved word {word}")
        if numbers and word and not is_probability("".join(rest[:1])):
            yield Problem(line.number, f"has no probability between 0 and 1 after {word}")
        if word and not rest[numbers:]:
            yield Problem(line.number, f"gives {word} no pronunciation")
        for phone in filter(is_symbol, rest[numbers:]):
            yield Problem(line.number, f"has the reserved phone {phone}")


def line_problems(line: TextLine) -> Iterator[Problem]:
    """Yield what Kaldi finds wrong with a line in any file of a dictionary folder."""
    yield from encoding_problems(line)
    if not line.ended:
        yield Problem(line.number, "does not end in a line break")
    if blank := _STRANGE_BLANK.search(line.text):
        yield Problem(line.number, f"holds whitespace other than blank and tab: U+{ord(blank[0]):04X}")
    if not fields(line.text):
        yield Problem(line.number, "is empty")


def fields(text: str) -> list[str]:
    """Split a line as Kaldi does."""
    return [field for field in text.replace("\t", " ").replace("\r", " ").split(" ") if field]


def is_probability(field: str) -> bool:
    """Tell whether a field is a number above 0 and not above 1."""
    try:
        return 0 < float(field) <= 1
    except ValueError:
        return False


def is_symbol(phone: str) -> bool:
    """Tell what Kaldi takes for a disambiguation symbol, a position in a word or epsilon."""
    return phone.startswith("#") or phone == "<eps>" or phone[-2:] in ("_B", "_E", "_S", "_I")


def _entries(path: Path, numbers: int) -> Iterator[Entry]:
    for number, text in texts(path):
        word, *rest = fields(text)
        phones = rest[numbers:]
        if numbers and not is_probability("".join(rest[:1])):
            raise wrong(path, number, f"{word} has no probability between 0 and 1: is this a lexicon of format kaldi?")
        if not phones:
            raise wrong(path, number, f"{word} has no pronunciation: add one, or delete the line")
        yield Entry(word, "".join(phones), phones, prob=float(rest[0]) if numbers else None, line=number)


RULES = (
    *PHONE_LINE_RULES,
    ("reserved_word", reserved(RESERVED)),
    ("reserved_phone", any_phone(is_symbol)),
)
"""What a lexicon of Kaldi cannot hold."""

OWN_LINE_RULES: tuple[Rule, ...] = (
    ("reserved_word", reserved([word for word, _ in OWN_LINES])),
    ("reserved_phone", any_phone(lambda phone: phone in (SILENCE, NOISE))),
)
"""What a lexicon cannot hold to which `OWN_LINES` will be added."""

KALDI = Format("kaldi", None, write, read, validate, refuse, order="word")
KALDI_PROB = Format(
    "kaldi-prob",
    None,
    write_probabilities,
    read_probabilities,
    partial(validate, numbers=1),
    refuse,
    order="word",
)
