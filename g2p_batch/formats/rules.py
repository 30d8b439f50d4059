"""What a format cannot hold, as tables of reasons: the first that holds for a row counts."""

from collections.abc import Callable, Collection, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.formats.lexicon import WriteOptions
from g2p_batch.formats.word_lines import spelt
from g2p_batch.words.control_characters import has_control

Check = Callable[[pa.RecordBatch, WriteOptions], pa.Array]
"""Tells of N rows of schema `LEXICON` which ones break a rule; boolean [N] without nulls."""

Rule = tuple[str, Check]
"""A reason for rejects.tsv, and when it holds."""

BLANKS = "\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
"""Whitespace, as the inside of a character class: what `str.split` of Python and `\\s` of Perl split at."""

BOM = "\ufeff"


def first_reason(rows: pa.RecordBatch, options: WriteOptions, rules: Sequence[Rule]) -> pa.Array:
    """Return the first reason that holds for each of N rows, or null; string [N]."""
    masks = [check(rows, options) for _, check in rules]
    if not any(pc.any(mask).as_py() for mask in masks):
        return pa.nulls(len(rows), pa.string())
    return pc.case_when(pa.StructArray.from_arrays(masks, [str(n) for n in range(len(masks))]), *(r for r, _ in rules))


def refuse_nothing(rows: pa.RecordBatch, _options: WriteOptions) -> pa.Array:
    """Refuse no row."""
    return pa.nulls(len(rows), pa.string())


def text(column: str, pattern: str) -> Check:
    """Look for a pattern of RE2 in a column."""
    return lambda rows, _: _matches(rows[column], pattern)


def control(column: str) -> Check:
    """Look for control characters and line separators in a column."""
    return lambda rows, _: pa.array(has_control(rows[column], separators=True))


def word(pattern: str) -> Check:
    """Look for a pattern of RE2 in words as they will be spelt."""
    return lambda rows, options: _matches(spelt(rows["word"], options), pattern)


def reserved(words: Collection[str]) -> Check:
    """Look for words that mean something else to readers, as they will be spelt."""
    return lambda rows, options: pc.is_in(spelt(rows["word"], options), pa.array(sorted(words)))


def any_phone(wrong: Callable[[str], bool]) -> Check:
    """Look for phones that are `wrong`, which is asked once for each distinct phone."""
    return lambda rows, _: _any_phone(rows["phones"], wrong)


def first_phone(wrong: Callable[[str], bool]) -> Check:
    """Look for rows whose first phone is `wrong`."""
    return lambda rows, _: _some(pc.list_element(_padded(rows["phones"]), 0), wrong)


def _control_in_phones(rows: pa.RecordBatch, _options: WriteOptions) -> pa.Array:
    return _rows_of(rows["phones"], pa.array(has_control(pc.list_flatten(rows["phones"]), separators=True)))


CONTROL_RULES: tuple[Rule, ...] = (
    ("control_character", control("word")),
    ("control_character", control("pron")),
    ("control_character", _control_in_phones),
)
"""What no text can hold. The model's pronunciations are free of it, those of lexicons that were given may not be."""


def _no_phones(rows: pa.RecordBatch, _options: WriteOptions) -> pa.Array:
    return pc.fill_null(pc.equal(pc.list_value_length(rows["phones"]), 0), True)


def _replacement(rows: pa.RecordBatch, options: WriteOptions) -> pa.Array:
    """Tell which words hold the character that replaces spaces: `a_b` and `a b` must not become one word."""
    if options.space_in_word is None:
        return pa.repeat(False, len(rows))
    return pc.match_substring(rows["word"], options.space_in_word)


def _blank_or_empty(phone: str) -> bool:
    return phone.split() != [phone]


PHONE_LINE_RULES: tuple[Rule, ...] = (
    ("no_phones", _no_phones),
    ("control_character", word(r"\p{Cc}")),
    ("control_character", _control_in_phones),
    ("replacement_in_word", _replacement),
    ("space_in_word", word(f"[{BLANKS}]")),
    ("byte_order_mark", word(f"^{BOM}")),
    ("whitespace_in_phone", any_phone(_blank_or_empty)),
)
"""What no format can hold whose lines are a word and phones, with blanks between them."""


def _matches(column: pa.Array, pattern: str) -> pa.Array:
    return pc.match_substring_regex(column, pattern)


def _any_phone(phones: pa.Array, wrong: Callable[[str], bool]) -> pa.Array:
    return _rows_of(phones, _some(pc.list_flatten(phones), wrong))


def _rows_of(phones: pa.Array, bad: pa.Array) -> pa.Array:
    """Tell which of N rows of phones have one that is `bad`, boolean of all phones."""
    flags = np.zeros(len(phones), np.bool_)
    flags[pc.list_parent_indices(phones).filter(bad).to_numpy()] = True
    return pa.array(flags)


def _some(values: pa.Array, wrong: Callable[[str], bool]) -> pa.Array:
    """Tell which of values, string [N], are `wrong`; null is not."""
    encoded = values.dictionary_encode()
    verdicts = pa.array(map(wrong, encoded.dictionary.to_pylist()), pa.bool_())
    return pc.fill_null(verdicts.take(encoded.indices), False)


def _padded(phones: pa.Array) -> pa.Array:
    """Make lists that have no first phone null, which `list_element` accepts."""
    return pc.if_else(pc.equal(pc.list_value_length(phones), 0), pa.scalar(None, phones.type), phones)
