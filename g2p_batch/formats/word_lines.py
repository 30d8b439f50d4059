"""Rows to the lines of formats that list a word's variants together: spelt, without repeats, with likelihoods."""

from collections.abc import Iterable, Iterator
from typing import IO, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.formats.lexicon import WriteOptions
from g2p_batch.storage.tables import contents

_LF, _NOTHING = (pa.scalar(text, pa.large_string()) for text in ("\n", ""))
_PERCENT = pa.array([f"{percent / 100:.2f}" for percent in range(101)])


class WordLines(NamedTuple):
    """N lines of a lexicon; all lines of a word are in the same `WordLines`."""

    word: pa.Array
    """string [N]."""
    pron: pa.Array
    """string [N]: the phones, separated by blanks, or another text of the pronunciation."""
    logprob: pa.Array
    """float32 [N], null where unknown."""
    number: npt.NDArray[np.int64]
    """[N]: counts the lines of a word from 1."""


def phone_lines(batches: Iterable[pa.RecordBatch], options: WriteOptions) -> Iterator[WordLines]:
    """Yield words as the options spell them, with their phones; the same line is given once.

    Raises:
        ValueError: rows have no phones, which `rules.PHONE_LINE_RULES` refuses.
    """
    for rows in by_word(batches):
        pron = pc.binary_join(rows["phones"], " ")
        if pron.null_count:
            raise ValueError(f"rows without phones: {rows.filter(pron.is_null())['word'][0]}")
        yield unrepeated(spelt(rows["word"], options), pron, rows["logprob"])


def best(lines: WordLines) -> WordLines:
    """Keep the first line of each word."""
    first = lines.number == 1
    mask = pa.array(first)
    return WordLines(lines.word.filter(mask), lines.pron.filter(mask), lines.logprob.filter(mask), lines.number[first])


def spelt(words: pa.Array, options: WriteOptions) -> pa.Array:
    """Return words, string [N], with their spaces replaced if the options say so."""
    return words if options.space_in_word is None else pc.replace_substring(words, " ", options.space_in_word)


def by_word(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Cut batches anew so that the adjacent rows of a word are in one of them; none is empty."""
    held: pa.RecordBatch | None = None
    for batch in batches:
        if not len(batch):
            continue
        if held is not None and held["word"][-1] == batch["word"][0]:
            batch = pa.Table.from_batches([held, batch]).combine_chunks().to_batches()[0]
            last = int(np.flatnonzero(_first(batch["word"]))[-1])
            held, batch = batch.slice(0, last), batch.slice(last)
        if held is not None and len(held):
            yield held
        held = batch
    if held is not None:
        yield held


def unrepeated(word: pa.Array, pron: pa.Array, logprob: pa.Array) -> WordLines:
    """Leave out lines [N] that were there before with the same word; the lines of a word are adjacent."""
    group = np.cumsum(_first(word))
    if group[-1] < len(group):
        codes = pron.dictionary_encode().indices.to_numpy()
        _, at = np.unique(np.stack([group, codes]), axis=1, return_index=True)
        at.sort()
        kept = pa.array(at)
        word, pron, logprob, group = word.take(kept), pron.take(kept), logprob.take(kept), group[at]
    starts = np.flatnonzero(np.diff(group, prepend=0))
    return WordLines(word, pron, logprob, np.arange(len(group)) - starts[group - 1] + 1)


def folded(lines: WordLines, separator: str) -> tuple[pa.Array, pa.Array]:
    """Return the distinct words, string [n], and their pronunciations joined, string [n]."""
    first = pa.array(lines.number == 1)
    offsets = pa.array(np.append(np.flatnonzero(lines.number == 1), len(lines.word)), pa.int32())
    return lines.word.filter(first), pc.binary_join(pa.ListArray.from_arrays(offsets, lines.pron), separator)


def relative_probabilities(lines: WordLines) -> pa.Array:
    """Return how likely each line [N] is beside the best of its word: "1.00" for that one, else at least "0.01".

    A line without log-probability counts as the best: it comes from a lexicon that was given, and nothing speaks
    against it.
    """
    logprob = lines.logprob.to_numpy(zero_copy_only=False).astype(np.float64)
    starts = np.flatnonzero(lines.number == 1)
    top = np.repeat(np.fmax.reduceat(logprob, starts), np.diff(starts, append=len(logprob)))
    likely = np.nan_to_num(np.exp(logprob - top), nan=1.0)
    return _PERCENT.take(pa.array(np.clip(np.rint(likely * 100), 1, 100).astype(np.int64)))


def write_lines(file: IO[bytes], cells: Iterable[pa.Array], separator: str) -> None:
    """Write N lines of cells [N], without a Python object a line; null is written as nothing."""
    parts = [part for cell in cells for part in (cell.cast(pa.large_string()), _scalar(separator))]
    lines = pc.binary_join_element_wise(*parts[:-1], _LF, _NOTHING, null_handling="replace", null_replacement="")
    offsets, data = contents(lines)
    file.write(data[offsets[0] : offsets[-1]].data)


def _scalar(text: str) -> pa.Scalar:
    return pa.scalar(text, pa.large_string())


def _first(words: pa.Array) -> npt.NDArray[np.bool_]:
    """Tell where in [N] > 0 a word begins that the one before is not, [N]."""
    changes = pc.not_equal(words.slice(1), words.slice(0, len(words) - 1))
    return np.concatenate([[True], changes.to_numpy(zero_copy_only=False)])
