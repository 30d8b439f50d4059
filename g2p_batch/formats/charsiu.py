"""The dictionaries of CharsiuG2P: `word⇥pron`, variants joined by commas, no header; words may hold spaces.

The rules follow its `dicts/` files: two columns, no blanks in pronunciations.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

import pyarrow as pa

from g2p_batch.formats.entries import Entry, batched, encoding_problems, text_lines, texts, wrong
from g2p_batch.formats.kind import Expected, Format, Problem
from g2p_batch.formats.lexicon import WriteOptions
from g2p_batch.formats.rules import BLANKS, BOM, CONTROL_RULES, first_reason, text
from g2p_batch.formats.word_lines import by_word, folded, unrepeated, write_lines


def write(batches: Iterable[pa.RecordBatch], path: Path, options: WriteOptions) -> None:
    """Write a line a word, with all its variants."""
    with path.open("wb") as file:
        for rows in by_word(batches):
            lines = unrepeated(rows["word"], rows["pron"], rows["logprob"])
            write_lines(file, folded(lines, ","), "\t")


def refuse(rows: pa.RecordBatch, options: WriteOptions) -> pa.Array:
    """Refuse pronunciations with blanks or commas, and none at all."""
    return first_reason(rows, options, _RULES)


def read(path: Path) -> Iterator[pa.RecordBatch]:
    """Read a dictionary: split at the first tab, variants at commas.

    Raises:
        InputError: the file cannot be read, or a line has no tab or an empty pronunciation.
    """
    return batched(_entries(path))


def validate(path: Path, _expected: Expected) -> Iterator[Problem]:
    """Check that lines are a word and pronunciations."""
    for line in text_lines(path):
        yield from encoding_problems(line)
        word, tab, prons = line.text.partition("\t")
        if "\r" in line.text:
            yield Problem(line.number, "holds a carriage return, which becomes part of the pronunciation")
        if not word:
            yield Problem(line.number, "has no word")
        if not tab:
            yield Problem(line.number, "has no tab between word and pronunciation")
        elif not all(prons.removesuffix("\r").split(",")):
            yield Problem(line.number, f"gives {word} an empty pronunciation")
        if len(prons.split()) > 1 or "\t" in prons:
            yield Problem(line.number, "holds whitespace in the pronunciation")


def _entries(path: Path) -> Iterator[Entry]:
    for number, line in texts(path):
        word, tab, prons = line.partition("\t")
        if not tab or not word or not all(prons.split(",")):
            raise wrong(path, number, "is not a word, a tab and pronunciations with commas between them")
        if len(prons.split()) > 1:
            raise wrong(path, number, "has blanks in the pronunciation: name its format, such as wikipron")
        for pron in prons.split(","):
            yield Entry(word, pron, line=number)


_RULES = (
    ("no_pronunciation", text("pron", "^$")),
    *CONTROL_RULES,
    ("byte_order_mark", text("word", f"^{BOM}")),
    ("space_in_pronunciation", text("pron", f"[{BLANKS}]")),
    ("comma_in_pronunciation", text("pron", ",")),
)

CHARSIU = Format("charsiu", None, write, read, validate, refuse, phones="joined")
