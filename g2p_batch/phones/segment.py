"""Columns of pronunciations to columns of phones."""

import functools
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.phones import arpabet
from g2p_batch.phones.clean import cleaner_of
from g2p_batch.phones.quirks import SAMPA
from g2p_batch.phones.reading import reading_of
from g2p_batch.phones.style import Style
from g2p_batch.phones.symbols import KNOWN, class_of
from g2p_batch.phones.unify import Unifier, unifier_of
from g2p_batch.phones.writing import Parts, writer
from g2p_batch.phones.xsampa import KNOWN_SYMBOLS, xsampa

PHONES = pa.list_(pa.string())

Unknown = Counter[tuple[str, str]]
"""How often a symbol occurs, by language and symbol."""

Unified = Counter[tuple[str, str, str]]
"""How often one way of writing a sound gave way to another, by language, the one and the other."""

_ROWS = 1 << 17
"""Rows that are in Python objects at a time."""

_SYMBOLS = {"ipa": KNOWN, "raw": KNOWN, "x-sampa": KNOWN_SYMBOLS}

_OUTSIDE = {symbols: f"[^{class_of(symbols)}]" for symbols in _SYMBOLS.values()}

Int = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Segmented:
    """What N pronunciations consist of.

    Attributes:
        phones: list<string> [N].
        unknown: what is not IPA, or cannot be written in the alphabet asked for, and stands among the phones as it was:
            occurrences over all rows, by language and symbol.
        unified: what was written in several ways and is now written in one: occurrences likewise.
    """

    phones: pa.ListArray
    unknown: Unknown = field(default_factory=Counter)
    unified: Unified = field(default_factory=Counter)

    def count(self, other: "Segmented") -> None:
        """Add the counts of others."""
        self.unknown.update(other.unknown)
        self.unified.update(other.unified)


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
    return _in_slices(table, lambda part: _segment(part, style))


def restyle(phones: pa.Array, langs: pa.Array, style: Style) -> Segmented:
    """Write phones that somebody else told apart, such as those of a lexicon, in a style.

    What is apart stays apart. What is one phone is read as a pronunciation of the language, so that all words of a
    lexicon are in the same phones: a diphthong is two, as `segment` reads it, and an affricate one. Raw phones stay
    what they are, but for stress and tones, which follow the style.

    Args:
        phones: IPA, list<string> [N], no nulls.
        langs: tags, string [N], no nulls.
        style: how to write phones; `clean` is for what a model says, and changes nothing here.

    Raises:
        UsageError: the style's alphabet cannot write the phones of a language.
    """
    table = pa.table({"phones": phones, "lang": langs})
    return _in_slices(table, lambda part: _restyle(part, style))


def _in_slices(table: pa.Table, one: Callable[[pa.Table], Segmented]) -> Segmented:
    done = Segmented(pa.array([], PHONES))
    columns = [done.phones]
    for start in range(0, len(table), _ROWS):
        part = one(table.slice(start, _ROWS))
        columns.append(part.phones)
        done.count(part)
    return replace(done, phones=pa.concat_arrays(columns))


def _segment(rows: pa.Table, style: Style) -> Segmented:
    distinct_prons, pron = _encoded(rows["pron"].combine_chunks())
    distinct_langs, lang = _encoded(rows["lang"].combine_chunks())
    size = len(distinct_prons)
    pairs, inverse, counts = np.unique(lang * size + pron, return_inverse=True, return_counts=True)
    used = np.unique(pairs // size)
    tags = distinct_langs.take(used).to_pylist()
    style.require(tags)
    starts = np.searchsorted(pairs, used * size)
    ends = np.append(starts[1:], len(pairs))
    done = Segmented(pa.array([], PHONES))
    columns = [done.phones]
    for tag, start, end in zip(tags, starts, ends, strict=True):
        texts, times = distinct_prons.take(pairs[start:end] % size).to_pylist(), counts[start:end]
        if style.clean:
            texts = [*map(cleaner_of(tag), texts)]
        if unify := _unifier(tag, style):
            texts = _unified(texts, times, tag, unify, done.unified)
        columns.append(_written(texts, map(reading_of(tag).split, texts), times, tag, style, done.unknown))
    return replace(done, phones=pa.concat_arrays(columns).take(pa.array(inverse)))


def _restyle(given: pa.Table, style: Style) -> Segmented:
    distinct, lang = _encoded(given["lang"].combine_chunks())
    phones = given["phones"].combine_chunks()
    style.require(distinct.to_pylist())
    order = np.argsort(lang, kind="stable")
    done = Segmented(pa.array([], PHONES))
    columns = [done.phones]
    for number, tag in enumerate(distinct.to_pylist()):
        rows = phones.take(pa.array(order[lang[order] == number])).to_pylist()
        if unify := _unifier(tag, style):
            for phone, times in Counter(phone.lstrip("ˈˌ") for row in rows for phone in row).items():
                if (one := unify.of_phone(phone)) != phone:
                    done.unified[tag, phone, one] += times
            rows = [[*map(functools.cache(unify.of_phone), row)] for row in rows]
        reading = reading_of(tag)
        one_by_one = reading.edges if style.alphabet == "raw" else reading.sounds
        parts = ([part for phone in row for part in one_by_one(phone)] for row in rows)
        texts = [" ".join(row) for row in rows]
        columns.append(_written(texts, parts, np.ones(len(rows), np.int64), tag, style, done.unknown))
    return replace(done, phones=pa.concat_arrays(columns).take(pa.array(np.argsort(order))))


def _unifier(tag: str, style: Style) -> Unifier | None:
    """Return how sounds are written in one way, unless they are to stay, or are not IPA."""
    return None if style.alphabet == "raw" or (tag in SAMPA and not style.clean) else unifier_of(tag)


def _unified(texts: list[str], counts: Int, tag: str, unify: Unifier, unified: Unified) -> list[str]:
    """Write pronunciations [N] in one way, and count what was written otherwise, `counts` [N] times each."""
    written = [*map(unify, texts)]
    for row, (before, after) in enumerate(zip(texts, written, strict=True)):
        if before != after:
            for change in unify.changes(before):
                unified[(tag, *change)] += int(counts[row])
    return written


def _written(
    texts: list[str], rows: Iterable[Parts], counts: Int, tag: str, style: Style, unknown: Unknown
) -> pa.ListArray:
    """Write the parts of pronunciations [N], and count what is unknown in them, `counts` [N] times each."""
    phones = _lists(map(writer(tag, style), rows))
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
