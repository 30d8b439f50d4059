"""Lexicons of ipa-dict: `word⇥/pron/, /pron/`, IPA in slashes that is not cut into phones.

The rules are those of its `data/*.txt`: two columns, no header, variants with a comma and a blank between them.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from g2p_batch.formats.entries import Entry, batched, encoding_problems, text_lines, texts, wrong
from g2p_batch.formats.kind import Expected, Problem, Source

_VARIANT = r"(?:/[^/\t]+/|\[[^]\t]+\])"
_LINE = re.compile(rf"(?P<word>[^\t]+)\t\s*(?P<prons>{_VARIANT}(?:\s*,\s*{_VARIANT})*)\s*")
_PRON = re.compile(_VARIANT)


def read(path: Path) -> Iterator[pa.RecordBatch]:
    """Read a lexicon; slashes, and the square brackets of narrow transcriptions, are no part of a pronunciation.

    Raises:
        InputError: the file cannot be read, or a line is something else.
    """
    return batched(_entries(path))


def validate(path: Path, _expected: Expected) -> Iterator[Problem]:
    """Check that lines are a word and pronunciations in slashes."""
    for line in text_lines(path):
        yield from encoding_problems(line)
        if not is_line(line.text):
            yield Problem(line.number, "is not a word, a tab and pronunciations in slashes, commas between them")


def is_line(text: str) -> bool:
    """Tell whether a line is of such a lexicon."""
    return _LINE.fullmatch(text.removesuffix("\r")) is not None


def _entries(path: Path) -> Iterator[Entry]:
    for number, text in texts(path):
        line = _LINE.fullmatch(text)
        if line is None:
            raise wrong(path, number, "is not a word, a tab and pronunciations in slashes, commas between them")
        for pron in _PRON.findall(line["prons"]):
            yield Entry(line["word"], pron[1:-1].strip(), line=number)


IPA_DICT = Source("ipa-dict", read, validate)
