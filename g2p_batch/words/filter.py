"""Rows to words: normalised, checked, and if need be rejected with the first reason that holds."""

from functools import reduce
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch import languages
from g2p_batch.model.contract import Contract
from g2p_batch.words import delimited
from g2p_batch.words.control_characters import has_control, holds

Normalize = Literal["nfc", "nfkc", "none"]
"""Unicode form given to words, but to those of languages that were trained without one."""

EMPTY, CONTROL_CHARACTER, UNKNOWN_LANGUAGE, TOO_LONG = "empty", "control_character", "unknown_language", "too_long"
REASONS = (*delimited.REASONS, EMPTY, CONTROL_CHARACTER, UNKNOWN_LANGUAGE, TOO_LONG)
"""Why a row gets no pronunciation, in the order in which it is asked."""

WORDS = pa.schema([("row", pa.int64()), ("lang", pa.string()), ("word", pa.string()), ("src_bytes", pa.int32())])
"""`lang` is a tag of the model, `src_bytes` the length of prefix and word in UTF-8, `row` the first input row that
asks for the word."""

REJECTS = pa.schema([("row", pa.int64()), ("lang", pa.string()), ("word", pa.string()), ("reason", pa.string())])
"""`lang` and `word` are as the input has them."""

_BLANK = 0x20

Indices = npt.NDArray[np.int64]


def filter_rows(
    batch: pa.RecordBatch, contract: Contract, normalize: Normalize
) -> tuple[pa.RecordBatch, pa.RecordBatch]:
    """Part rows [N] into those to pronounce, normalized (`WORDS`), and those to reject, as they were (`REJECTS`).

    Args:
        batch: rows of schema `wordlist.ROWS`.
        contract: says which languages and lengths the model takes.
        normalize: how words are normalized.
    """
    row, raw_word, raw_lang, unread = batch.columns
    tags, exact, prefix_bytes = _languages(raw_lang, contract)
    word = normalized(raw_word, exact, normalize)
    src_bytes = pc.add(prefix_bytes, pc.binary_length(word))
    verdicts = {
        EMPTY: pc.equal(pc.coalesce(pc.binary_length(word), 0), 0),
        CONTROL_CHARACTER: pa.array(has_control(word, separators=False)),
        UNKNOWN_LANGUAGE: pc.is_null(tags),
        TOO_LONG: pc.coalesce(pc.greater(src_bytes, contract.max_source_bytes), False),
    }
    wrong = reduce(pc.or_, verdicts.values(), pc.is_valid(unread))
    checks = pa.StructArray.from_arrays([*verdicts.values()], [*verdicts]).filter(wrong)
    reason = pc.coalesce(unread.filter(wrong), pc.case_when(checks, *verdicts))
    good = pa.record_batch([row, tags, word, src_bytes], schema=WORDS).filter(pc.invert(wrong))
    bad = [column.filter(wrong) for column in (row, raw_lang, raw_word)]
    return good, pa.record_batch([*bad, reason], schema=REJECTS)


def distinct(words: Any) -> tuple[Indices, Indices]:
    """Find equal words among N, a table or batch with `lang` and `word`.

    Returns:
        Where each distinct word is first [D], rising; and which of those each word equals [N].
    """
    codes = [_codes(words[name]) for name in ("lang", "word")]
    (lang, _), (word, spellings) = codes
    _, first, which = np.unique(lang * (spellings + 1) + word, return_index=True, return_inverse=True)
    order = np.argsort(first, kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return first[order], rank[which]


def _codes(column: Any) -> tuple[Indices, int]:
    """Number the values of a column [N]; returns the numbers and how many values there are."""
    whole = pa.chunked_array(column, column.type).combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    codes = pc.dictionary_encode(whole)
    return codes.indices.to_numpy().astype(np.int64), len(codes.dictionary)


def _languages(raw_lang: pa.Array, contract: Contract) -> tuple[pa.Array, pa.Array, pa.Array]:
    """Look up languages [N]: the model's tags or null, whether words keep their form, and bytes of the prefix."""
    codes = raw_lang.dictionary_encode()
    tags = [_tag(name, contract) for name in codes.dictionary.to_pylist()]
    exact = [tag is not None and languages.normalization(tag) is None for tag in tags]
    prefixes = [0 if tag is None else len(contract.prefix_for(tag).encode()) for tag in tags]
    columns = (pa.array(tags, pa.string()), pa.array(exact, pa.bool_()), pa.array(prefixes, pa.int32()))
    tag, keep, prefix = (column.take(codes.indices) for column in columns)
    return tag, keep, prefix


def _tag(name: str, contract: Contract) -> str | None:
    """Return the model's tag for a language, which may be one that only this model has."""
    if name in contract.languages:
        return name
    language = languages.lookup(name)
    return language.tag if language and language.tag in contract.languages else None


def normalized(word: pa.Array, exact: pa.Array, normalize: Normalize) -> pa.Array:
    """Give words [N] their Unicode form where it is not to stay `exact`, without the blanks around them.

    Words of ASCII without a blank, or anything below it, stay as they are.
    """
    special = pc.or_(pc.invert(pc.string_is_ascii(word)), pa.array(holds(word, lambda octets: octets <= _BLANK)))
    at = np.flatnonzero(pc.fill_null(special, False))
    if not len(at):
        return word
    some = word.take(pa.array(at))
    if normalize != "none":
        kept = pc.fill_null(exact.take(pa.array(at)), False)
        some = pc.if_else(kept, some, pc.utf8_normalize(some, form=normalize.upper()))
    source = np.arange(len(word))
    source[at] = len(word) + np.arange(len(at))
    return pa.concat_arrays([word, pc.utf8_trim_whitespace(some)]).take(pa.array(source))
