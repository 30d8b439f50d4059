"""Rows to words: normalised, checked, spelt as the model is asked, or rejected with the first reason that holds."""

from functools import reduce
from typing import Any, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch import languages
from g2p_batch.model.contract import Contract
from g2p_batch.words import delimited
from g2p_batch.words.control_characters import has_control, holds
from g2p_batch.words.spelling import NO_KNOWN_LETTER, SEPARATOR, UNSEEN_CHARACTER, Asked, Spelling

Normalize = Literal["nfc", "nfkc", "none"]
"""Unicode form given to words, but to those of languages that were trained without one."""

SpellingMode = Literal["on", "off"]
"""Whether words are spelt as the model learnt to read, or asked as they are."""
Unseen = Literal["keep", "reject"]
"""What becomes of words with characters that the model never saw."""

EMPTY, CONTROL_CHARACTER, UNKNOWN_LANGUAGE, TOO_LONG = "empty", "control_character", "unknown_language", "too_long"
REASONS = (
    *delimited.REASONS,
    EMPTY,
    CONTROL_CHARACTER,
    UNKNOWN_LANGUAGE,
    NO_KNOWN_LETTER,
    UNSEEN_CHARACTER,
    TOO_LONG,
)
"""Why a row gets no pronunciation, in the order in which it is asked."""

WORDS = pa.schema(
    [
        ("row", pa.int64()),
        ("lang", pa.string()),
        ("word", pa.string()),
        ("src_bytes", pa.int32()),
        ("asked", pa.string()),
        ("doubt", pa.string()),
    ]
)
"""`row` is the first input row that asks for the word, `lang` a tag of the model, `src_bytes` the length of prefix and
word in UTF-8. `asked` is what the model is asked instead, parts parted by `SEPARATOR`, and null where that is the word;
`src_bytes` is then that of its longest part. `doubt` is why the answer is to be looked at whatever it is, or null."""


REJECTS = pa.schema([("row", pa.int64()), ("lang", pa.string()), ("word", pa.string()), ("reason", pa.string())])
"""`lang` and `word` are as the input has them."""

_BLANK = 0x20

Indices = npt.NDArray[np.int64]


class Filtered(NamedTuple):
    """Rows, parted."""

    good: pa.RecordBatch
    """Rows to pronounce, of schema `WORDS`."""
    bad: pa.RecordBatch
    """Rows to reject, of schema `REJECTS`."""
    asked: Asked
    """How words are spelt."""


class WordFilter:
    """Parts rows into those that a model is asked and those that are rejected."""

    def __init__(
        self,
        contract: Contract,
        normalize: Normalize = "nfc",
        spelling: SpellingMode = "on",
        unseen: Unseen = "keep",
    ) -> None:
        """Make a filter.

        Args:
            contract: says which languages, lengths and letters the model takes.
            normalize: how words are normalized.
            spelling: whether words are asked as they are.
            unseen: what becomes of words with characters that the model never saw.
        """
        self.contract = contract
        self._normalize, self._spelling_mode, self._unseen = normalize, spelling, unseen
        self._spelling = Spelling(contract.alphabets)
        self._held: set[tuple[str, str]] = set()
        """Language and word of what lexicons hold and the model would not be asked."""

    def __call__(self, batch: pa.RecordBatch) -> Filtered:
        """Part rows [N] of schema `wordlist.ROWS` into those to pronounce and those to reject, as they were."""
        return self._parted(batch, of_lexicon=False)

    def of_lexicon(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return the rows [N] of a lexicon, of schema `wordlist.ROWS`, that word lists may ask for (`WORDS`).

        What a lexicon holds needs no model: whatever its letters are, rows that ask for it will be good.
        """
        return self._parted(batch, of_lexicon=True).good

    def _parted(self, batch: pa.RecordBatch, of_lexicon: bool) -> Filtered:
        row, raw_word, raw_lang, unread = batch.columns
        lang, exact, prefix_bytes = _languages(raw_lang, self.contract)
        tags = lang.cast(pa.string())
        word = normalized(raw_word, exact, self._normalize)
        verdicts = {
            EMPTY: pc.equal(pc.coalesce(pc.binary_length(word), 0), 0),
            CONTROL_CHARACTER: pa.array(has_control(word, separators=False)),
            UNKNOWN_LANGUAGE: pc.is_null(tags),
        }
        readable = word if unread.null_count == len(batch) else pc.if_else(unread.is_null(), word, "")
        asked = self._spelling.ask(pc.fill_null(readable, "") if readable.null_count else readable, lang)
        if self._spelling_mode == "off":
            asked = Asked(pa.nulls(len(batch), pa.string()), asked.doubt)
        text = asked.text
        length = pc.binary_length(word)
        if text.null_count < len(text):
            length = pc.coalesce(_longest_part(text), length)
        src_bytes = pc.add(prefix_bytes, length)
        verdicts |= self._unknown(tags, word, asked.doubt, of_lexicon)
        most = self.contract.max_source_bytes
        is_long = pc.fill_null(pc.greater(src_bytes, most), False)
        if is_long.true_count:
            # What a lexicon holds is never encoded, and no longer than the longest that is.
            verdicts[TOO_LONG] = self._but_held(is_long, tags, word, of_lexicon)
            src_bytes = pc.min_element_wise(src_bytes, pa.scalar(most, src_bytes.type))
        wrong = reduce(pc.or_, verdicts.values(), pc.is_valid(unread))
        right = pc.invert(wrong)
        columns = [column.filter(right) for column in (row, tags, word, src_bytes)]
        for odd in (text, asked.doubt):
            columns.append(odd.slice(0, right.true_count) if odd.null_count == len(odd) else odd.filter(right))
        good = pa.record_batch(columns, schema=WORDS)
        if not wrong.true_count:
            return Filtered(good, _NO_REJECTS, asked)
        checks = pa.StructArray.from_arrays([*verdicts.values()], [*verdicts]).filter(wrong)
        reason = pc.coalesce(unread.filter(wrong), pc.case_when(checks, *verdicts))
        bad = [column.filter(wrong) for column in (row, raw_lang, raw_word)]
        return Filtered(good, pa.record_batch([*bad, reason], schema=REJECTS), asked)

    def _unknown(self, tags: pa.Array, word: pa.Array, doubt: pa.Array, of_lexicon: bool) -> dict[str, pa.Array]:
        """Return for reasons whether words [N] are rejected for what the model does not know in them."""
        verdicts = {}
        if doubt.null_count < len(doubt):
            for reason in (NO_KNOWN_LETTER, *([UNSEEN_CHARACTER] if self._unseen == "reject" else [])):
                mask = pc.fill_null(pc.equal(doubt, reason), False)
                verdicts[reason] = self._but_held(mask, tags, word, of_lexicon)
        return verdicts

    def _but_held(self, bad: pa.Array, tags: pa.Array, word: pa.Array, of_lexicon: bool) -> pa.Array:
        """Return which words [N] that a model would not be asked are in no lexicon either; learns those of lexicons."""
        if not of_lexicon and not self._held:
            return bad
        mask = bad.to_numpy(zero_copy_only=False)
        for at in np.flatnonzero(mask).tolist():
            held = (tags[at].as_py(), word[at].as_py())
            if of_lexicon:
                self._held.add(held)
            mask[at] = held not in self._held
        return pa.array(mask)


_NO_REJECTS = pa.RecordBatch.from_pylist([], REJECTS)


def _longest_part(text: pa.Array) -> pa.Array:
    """Return the bytes of the longest part of texts [N], int32, null where there is none."""
    at = np.flatnonzero(text.is_valid())
    parts = pc.split_pattern(text.take(pa.array(at)), SEPARATOR)
    lengths = pc.binary_length(parts.flatten()).to_numpy()
    longest = np.zeros(len(text), np.int32)
    longest[at] = np.maximum.reduceat(lengths, parts.offsets.to_numpy()[:-1])
    return pa.array(longest, mask=text.is_null().to_numpy(zero_copy_only=False))


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
    """Return of languages [N] tags or null, a dictionary; whether words keep their form; and bytes of the prefix."""
    codes = raw_lang.dictionary_encode()
    tags = [_tag(name, contract) for name in codes.dictionary.to_pylist()]
    exact = [tag is not None and languages.normalization(tag) is None for tag in tags]
    prefixes = [0 if tag is None else len(contract.prefix_for(tag).encode()) for tag in tags]
    lang = pa.DictionaryArray.from_arrays(codes.indices, pa.array(tags, pa.string()))
    keep, prefix = (
        column.take(codes.indices) for column in (pa.array(exact, pa.bool_()), pa.array(prefixes, pa.int32()))
    )
    return lang, keep, prefix


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
