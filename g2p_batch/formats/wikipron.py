"""Lexicons of WikiPron and of SIGMORPHON's tasks: `word⇥p p`, without a header; words may hold blanks.

The rules are those of WikiPron's scraped TSV files: two columns, phones with blanks between them, a line a variant.
"""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from g2p_batch.formats.entries import Entry, batched, encoding_problems, text_lines, texts, wrong
from g2p_batch.formats.kind import Expected, Problem, Source


def read(path: Path) -> Iterator[pa.RecordBatch]:
    """Read a lexicon: split at the tab, phones at blanks.

    Raises:
        InputError: the file cannot be read, or a line is not a word, a tab and phones.
    """
    return batched(_entries(path))


def validate(path: Path, _expected: Expected) -> Iterator[Problem]:
    """Check that lines are a word, a tab and phones."""
    for line in text_lines(path):
        yield from encoding_problems(line)
        word, *cells = line.text.split("\t")
        if not word.strip():
            yield Problem(line.number, "has no word")
        if len(cells) != 1:
            yield Problem(line.number, f"has {len(cells)} tabs, not one between word and phones")
        elif not cells[0].split():
            yield Problem(line.number, f"gives {word} no pronunciation")


def _entries(path: Path) -> Iterator[Entry]:
    for number, line in texts(path):
        word, tab, pron = line.partition("\t")
        if not tab or not word.strip() or "\t" in pron:
            raise wrong(path, number, "is not a word, a tab and phones with blanks between them")
        phones = pron.split()
        yield Entry(word, "".join(phones), phones, line=number)


WIKIPRON = Source("wikipron", read, validate)
