"""What other grapheme-to-phoneme tools print: Phonetisaurus and Sequitur.

Phonetisaurus prints `word⇥cost⇥p p`, or without scores `word⇥p p`; a cost is a negative logarithm that is not
normalised, and no probability. Sequitur prints `word⇥p p`, or with variants `word⇥index⇥posterior⇥p p`; a posterior is
a probability. Both print the best variant first.
"""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pyarrow as pa

from g2p_batch.formats.entries import Entry, batched, encoding_problems, text_lines, texts, wrong
from g2p_batch.formats.kind import Expected, Problem, Source

_Prob = float | None
_Scores = Callable[[list[str]], _Prob]
"""Reads the cells between word and phones; raises ValueError where they are something else."""


def _cost(cells: list[str]) -> None:
    if len(cells) > 1:
        raise ValueError
    for cell in cells:
        float(cell)


def _posterior(cells: list[str]) -> _Prob:
    if not cells:
        return None
    index, posterior = cells
    int(index)
    if not 0 <= (prob := float(posterior)) <= 1:
        raise ValueError
    return prob


def _read(path: Path, scores: _Scores, what: str) -> Iterator[pa.RecordBatch]:
    """Read the output of a tool; a word without phones is passed over.

    Raises:
        InputError: the file cannot be read, or a line is something else.
    """
    return batched(_entries(path, scores, what))


def _entries(path: Path, scores: _Scores, what: str) -> Iterator[Entry]:
    for number, text in texts(path):
        entry = _entry(number, text, scores)
        if entry is None:
            raise wrong(path, number, f"is not {what}")
        yield entry


def _validate(path: Path, _expected: Expected, *, scores: _Scores, what: str) -> Iterator[Problem]:
    """Check that lines are a word, scores and phones."""
    for line in text_lines(path):
        yield from encoding_problems(line)
        entry = _entry(line.number, line.text.removesuffix("\r"), scores)
        if entry is None:
            yield Problem(line.number, f"is not {what}")
        elif not entry.phones:
            yield Problem(line.number, f"gives {entry.word} no pronunciation")


def _entry(number: int, text: str, scores: _Scores) -> Entry | None:
    """Return the entry of a line, or None where it is something else."""
    word, *cells = text.split("\t")
    if not word.strip() or not cells:
        return None
    try:
        prob = scores(cells[:-1])
    except ValueError:
        return None
    phones = cells[-1].split()
    return Entry(word, "".join(phones), phones, prob=prob, line=number)


def _source(name: str, scores: _Scores, what: str) -> Source:
    return Source(name, partial(_read, scores=scores, what=what), partial(_validate, scores=scores, what=what))


PHONETISAURUS = _source("phonetisaurus", _cost, "a word, a cost or none, and phones, with tabs between them")
SEQUITUR = _source("sequitur", _posterior, "a word, index and posterior or neither, and phones, with tabs between them")
