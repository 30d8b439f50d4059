"""Dictionaries of the Montreal Forced Aligner: `word⇥p p`, or `word⇥probability⇥p p`.

The rules are those of MFA's `parse_dictionary_file` and its page on pronunciation dictionaries: lines are split at any
whitespace, fields after the word that look like numbers are probabilities, words become NFKC and lower case. MFA runs
Kaldi, whose symbols it cannot use either. What trains models of pronunciation from a dictionary keeps characters for
itself: `phonetisaurus-train` refuses one with `}`, `|` or `_`, MFA's `train_g2p` one with `;`, `|` or `_`.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.formats.entries import Entry, batched, encoding_problems, text_lines, texts, wrong
from g2p_batch.formats.kaldi import RESERVED, is_symbol
from g2p_batch.formats.kind import Expected, Format, Problem
from g2p_batch.formats.lexicon import WriteOptions
from g2p_batch.formats.rules import BLANKS, PHONE_LINE_RULES, Rule, any_phone, first_phone, first_reason, word
from g2p_batch.formats.word_lines import phone_lines, relative_probabilities, spelt, write_lines

_OWN_WORDS = ("<cutoff>", "<eps>", "<unk>", "[bracketed]", "[laughter]")
"""Words to which MFA gives silence or noise itself, and whose lines it skips, as its dictionaries have them."""
_RESERVED = frozenset((*RESERVED, *_OWN_WORDS))
_SILENCES = ("sil", "spn")
_PROBABILITY = re.compile(r"\b(\d+\.\d+|1)\b")
_MOST_NUMBERS = 4
_LEAST = 0.01

_PHONETISAURUS = "phonetisaurus"
_SEPARATED = re.compile("[;_|}]")
_VARIANT = re.compile(r"[^(]+\(\d+\)")
"""What Phonetisaurus's Python package takes for a variant of the word before the bracket."""


def write(batches: Iterable[pa.RecordBatch], path: Path, options: WriteOptions) -> None:
    """Write words and phones, a line each variant."""
    with path.open("wb") as file:
        for lines in phone_lines(batches, options):
            write_lines(file, [lines.word, lines.pron], "\t")


def write_probabilities(batches: Iterable[pa.RecordBatch], path: Path, options: WriteOptions) -> None:
    """Write words, probabilities and phones; the best variant of a word has 1.00, the others are relative to it."""
    with path.open("wb") as file:
        for lines in phone_lines(batches, options):
            write_lines(file, [lines.word, relative_probabilities(lines), lines.pron], "\t")


def refuse(rows: pa.RecordBatch, options: WriteOptions) -> pa.Array:
    """Refuse what MFA would split, read as a probability or take for a symbol of its own."""
    return first_reason(rows, options, (*_RULES, *_READER_RULES.get(options.reader, ())))


def read(path: Path) -> Iterator[pa.RecordBatch]:
    """Read a dictionary with or without probabilities.

    Raises:
        InputError: the file cannot be read, or a line has no pronunciation or a number that is none.
    """
    return batched(_entries(path))


def validate(path: Path, expected: Expected) -> Iterator[Problem]:
    """Check a dictionary with or without probabilities, and if it is to train Phonetisaurus that this will take it."""
    check = _faults if expected.reader is None else _faults_in_training
    for line in text_lines(path):
        yield from encoding_problems(line)
        if "\r" in line.text.removesuffix("\r"):
            yield Problem(line.number, "holds a carriage return, which ends the line for MFA")
        if line.text.split():
            yield from (Problem(line.number, what) for what in check(line.text))


def _faults(text: str) -> Iterator[str]:
    word, numbers, phones = _fields(text)
    name = unicodedata.normalize("NFKC", word).lower()
    if name in _RESERVED and not (name in _OWN_WORDS and {*phones} <= {*_SILENCES}):
        yield f"has the reserved word {word}"
    if not phones:
        yield f"gives {word} no pronunciation"
    for number in numbers:
        if not _is_number(number):
            yield f"has {number} as first phone, which MFA reads as a probability and cannot"
    if numbers and _is_number(numbers[0]) and not _LEAST <= float(numbers[0]) <= 1:
        yield f"has the probability {numbers[0]}, which is not between 0.01 and 1"
    special = (word[0], word[-1]) in (("<", ">"), ("[", "]"))
    for phone in phones:
        if (phone in _SILENCES and not special) or is_symbol(phone):
            yield f"has the reserved phone {phone}"


def _faults_in_training(text: str) -> Iterator[str]:
    yield from _faults(text)
    word, _, phones = _fields(text)
    for field in (word, *phones):
        if separator := _SEPARATED.search(unicodedata.normalize("NFKC", field)):
            yield f"has {field}, and training refuses a lexicon with {separator[0]}"
    if _VARIANT.fullmatch(word):
        yield f"has {word}, which Phonetisaurus takes for a variant of {word.partition('(')[0]}"


def _fields(text: str) -> tuple[str, list[str], list[str]]:
    """Split a line that is not blank as MFA does: word, what it takes for probabilities, phones."""
    word, *rest = text.split()
    count = 0
    while count < min(len(rest), _MOST_NUMBERS) and _PROBABILITY.match(rest[count]):
        count += 1
    return word, rest[:count], rest[count:]


def _entries(path: Path) -> Iterator[Entry]:
    for number, text in texts(path):
        word, numbers, phones = _fields(text)
        if not phones:
            raise wrong(path, number, f"{word} has no pronunciation: add one, or delete the line")
        if not all(map(_is_number, numbers)):
            raise wrong(path, number, f"{' '.join(numbers)} is no probability: begin the pronunciation with a phone")
        if numbers and float(numbers[0]) > 1:
            raise wrong(path, number, f"{numbers[0]} is no probability: name the format of costs, phonetisaurus")
        if " " in text.partition("\t")[0].strip() and "\t" in text:
            raise wrong(path, number, "has a blank before the tab, which MFA splits at: name its format, wikipron")
        yield Entry(word, "".join(phones), phones, prob=float(numbers[0]) if numbers else None, line=number)


def _is_number(field: str) -> bool:
    return _PROBABILITY.fullmatch(field) is not None


def _split_by_nfkc(rows: pa.RecordBatch, options: WriteOptions) -> pa.Array:
    """Tell which words hold a blank once they are NFKC: a lone accent such as ´ does."""
    return pc.match_substring_regex(_looked_up(rows, options), f"[{BLANKS}]")


def _reserved(rows: pa.RecordBatch, options: WriteOptions) -> pa.Array:
    return pc.is_in(_looked_up(rows, options), pa.array(sorted(_RESERVED)))


def _looked_up(rows: pa.RecordBatch, options: WriteOptions) -> pa.Array:
    """Return words, string [N], as MFA looks them up."""
    return pc.utf8_lower(pc.utf8_normalize(spelt(rows["word"], options), "NFKC"))


_RULES = (
    *PHONE_LINE_RULES,
    ("space_in_word", _split_by_nfkc),
    ("reserved_word", _reserved),
    ("reserved_phone", any_phone(lambda phone: phone in _SILENCES or is_symbol(phone))),
    ("number_as_first_phone", first_phone(lambda phone: _PROBABILITY.match(phone) is not None)),
)

_TRAINING_RULES: tuple[Rule, ...] = (
    ("separator", lambda rows, options: pc.match_substring_regex(_looked_up(rows, options), _SEPARATED.pattern)),
    ("separator", any_phone(lambda phone: _SEPARATED.search(unicodedata.normalize("NFKC", phone)) is not None)),
    ("variant_mark", word(f"^{_VARIANT.pattern}$")),
)
_READER_RULES: dict[str | None, tuple[Rule, ...]] = {_PHONETISAURUS: _TRAINING_RULES}
_READERS = (_PHONETISAURUS,)

MFA = Format("mfa", ".dict", write, read, validate, refuse, unstressed=True, readers=_READERS)
MFA_PROB = Format("mfa-prob", None, write_probabilities, read, validate, refuse, unstressed=True, readers=_READERS)
