"""Columns of pronunciations to columns of phones."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.phones import arpabet
from g2p_batch.phones.clean import cleaner_of
from g2p_batch.phones.style import Style
from g2p_batch.phones.symbols import KNOWN, class_of
from g2p_batch.phones.writing import writer
from g2p_batch.phones.xsampa import KNOWN_SYMBOLS, xsampa

PHONES = pa.list_(pa.string())

Unknown = Counter[tuple[str, str]]
"""How often a symbol occurs, by language and symbol."""

_ROWS = 1 << 17
"""Rows that are in Python objects at a time."""

_SYMBOLS = {"ipa": KNOWN, "x-sampa": KNOWN_SYMBOLS}

_OUTSIDE = {symbols: f"[^{class_of(symbols)}]" for symbols in _SYMBOLS.values()}

Int = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Segmented:
    """What N pronunciations consist of.

    Attributes:
        phones: list<string> [N].
        unknown: what is not IPA, or cannot be written in the alphabet asked for, and stands among the phones as it was:
            occurrences over all rows, by language and symbol.
    """

    phones: pa.ListArray
    unknown: Unknown


def segment(prons: pa.Array | pa.ChunkedArray, langs: pa.Array | pa.ChunkedArray, style: Style) -> Segmented:
    """Split pronunciations into phones.

    Every distinct pair of language and pronunciation is split once per 131,072 rows, which also bounds the memory
    beside the result. (Remembering them longer would save 1.4 % of the work over the training split.) The texts of the
    result must stay below 2 GiB: pass some million rows at most.

    Args:
        prons: string [N], no nulls: the model's IPA, one variant each; a comma is an unknown phone.
        langs: tags, string or dictionary of strings [N], no nulls.
        style: how to write phones.

    Raises:
        UsageError: the style's alphabet cannot write the phones of a language.
    """
    table = pa.table({"pron": prons, "lang": langs})
    unknown: Unknown = Counter()
    slices = [table.slice(start, _ROWS) for start in range(0, len(table), _ROWS)]
    columns = [
        _segment(part["pron"].combine_chunks(), part["lang"].combine_chunks(), style, unknown) for part in slices
    ]
    return Segmented(pa.concat_arrays(columns) if columns else pa.array([], PHONES), unknown)


def _segment(prons: pa.Array, langs: pa.Array, style: Style, unknown: Unknown) -> pa.ListArray:
    distinct_langs, lang = _encoded(langs)
    distinct_prons, pron = _encoded(prons)
    size = len(distinct_prons)
    pairs, inverse, counts = np.unique(lang * size + pron, return_inverse=True, return_counts=True)
    used = np.unique(pairs // size)
    tags = distinct_langs.take(used).to_pylist()
    style.require(tags)
    starts = np.searchsorted(pairs, used * size)
    ends = np.append(starts[1:], len(pairs))
    columns = [
        _of_language(tag, distinct_prons.take(pairs[start:end] % size), counts[start:end], style, unknown)
        for tag, start, end in zip(tags, starts, ends, strict=True)
    ]
    return pa.concat_arrays(columns).take(pa.array(inverse))


def _of_language(tag: str, prons: pa.Array, counts: Int, style: Style, unknown: Unknown) -> pa.ListArray:
    """Split distinct pronunciations of one language, and count what is unknown in them, `counts` times each."""
    texts = prons.to_pylist()
    if style.clean:
        clean = cleaner_of(tag)
        texts = [clean(text) for text in texts]
    phones = _lists(map(writer(tag, style), texts))
    if style.alphabet == "arpabet":
        _count_outside(phones, counts, tag, unknown)
        return phones
    _count_symbols(texts, counts, tag, _SYMBOLS[style.alphabet], unknown)
    return _each(phones, xsampa) if style.alphabet == "x-sampa" else phones


def _count_symbols(texts: Sequence[str], counts: Int, tag: str, symbols: frozenset[str], unknown: Unknown) -> None:
    doubtful = pc.match_substring_regex(pa.array(texts, pa.string()), _OUTSIDE[symbols])
    for row in np.flatnonzero(doubtful).tolist():
        for symbol in texts[row]:
            if symbol not in symbols:
                unknown[tag, symbol] += int(counts[row])


def _count_outside(phones: pa.ListArray, counts: Int, tag: str, unknown: Unknown) -> None:
    outside = pc.invert(pc.is_in(phones.flatten(), pa.array(sorted(arpabet.SYMBOLS))))
    rows = phones.value_parent_indices().filter(outside).to_numpy()
    for phone, row in zip(phones.flatten().filter(outside).to_pylist(), rows, strict=True):
        unknown[tag, phone] += int(counts[row])


def _lists(rows: Iterable[list[str]]) -> pa.ListArray:
    """Return rows of texts as list<string>; no list is kept, which would cost as much as splitting."""
    values: list[str] = []
    ends = [0]
    for row in rows:
        values += row
        ends.append(len(values))
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), pa.array(values, pa.string()))


def _each(phones: pa.ListArray, write: Callable[[str], str]) -> pa.ListArray:
    """Apply a function once to each distinct phone."""
    coded = phones.flatten().dictionary_encode()
    written = pa.array([write(phone) for phone in coded.dictionary.to_pylist()], pa.string())
    return pa.ListArray.from_arrays(phones.offsets, written.take(coded.indices))


def _encoded(column: pa.Array) -> tuple[pa.Array, Int]:
    """Return the distinct values of a column, and for each row the number of its value."""
    coded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    return coded.dictionary, coded.indices.to_numpy().astype(np.int64)
