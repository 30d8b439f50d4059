"""The lexicon as rows: what every format writer receives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.errors import UsageError
from g2p_batch.model.ids import Bool
from g2p_batch.model.threaded import Answers, Variants
from g2p_batch.words.control_characters import has_control
from g2p_batch.words.dictionary import Found
from g2p_batch.words.spelling import ACRONYM, SEPARATOR, UNSEEN_CHARACTER

LEXICON = pa.schema(
    [
        pa.field("word", pa.string(), nullable=False),
        pa.field("lang", pa.string(), nullable=False),
        pa.field("rank", pa.int8(), nullable=False),
        pa.field("pron", pa.string(), nullable=False),
        pa.field("phones", pa.list_(pa.string())),
        pa.field("logprob", pa.float32()),
        pa.field("source", pa.string(), nullable=False),
        pa.field("status", pa.string(), nullable=False),
        pa.field("asked", pa.string()),
        pa.field("input_row", pa.int64(), nullable=False),
    ]
)
"""One row per word and variant.

`phones` is null where they follow from the pronunciation and from the options of whoever writes them. `logprob` is the
natural logarithm of the probability that the model gives to this output, summed over its tokens and over the parts of
the word: how sure the model is, which says little of whether it is right. `asked` is what the model was asked, parts
parted by a blank, and null where that is the word.
"""

PROB = pa.field("prob", pa.float32())
"""The probability of a pronunciation, in lexicons of several a word: e to the power of `logprob`."""


REVIEW = pa.schema(
    [
        ("input_row", pa.int64()),
        ("lang", pa.string()),
        ("word", pa.string()),
        ("pron", pa.string()),
        ("logprob", pa.float32()),
        ("status", pa.string()),
        ("asked", pa.string()),
    ]
)
"""Columns of rows that somebody should look at."""

MODEL, DICTIONARY = "model", "dictionary"
OWN = pa.array([MODEL, DICTIONARY])
"""Sources of pronunciations: a model, and the exceptions that it carries. Others are lexicons that its user gave."""

UNPROVEN = "unproven"
STATUSES = ("truncated", "repeated", "invalid_utf8", "invalid", "empty", UNSEEN_CHARACTER, ACRONYM, UNPROVEN, "ok")
"""What became of a word; of several that hold, the first counts.

truncated: the output met the longest length. repeated: it says a piece four times or more in a row. invalid_utf8: bytes
that are not UTF-8 were dropped. invalid: control characters or line separators were dropped. empty: the model gave no
output. unseen_character: the word holds what the model never saw in training. acronym: it is of capitals without a
vowel letter, and may be said letter by letter. unproven: of several pronunciations that were asked for, a more probable
one may be lacking.
"""

_UNPRINTABLE = r"[\p{Cc}\p{Zl}\p{Zp}]"


@dataclass(frozen=True)
class WriteOptions:
    """What a writer may be told.

    Attributes:
        scores: write log-probability and status, or probabilities, where they are optional.
        provenance: tool, checkpoint and decoding facts, for formats that have a place for them.
        space_in_word: one character that replaces U+0020 in words where the format cannot hold blanks.
        tokens: sherpa-onnx `tokens.txt` that has to hold every phone of a sherpa lexicon.
        phones: write phones where they are optional.
        alphabet: the alphabet of pronunciations, which a PLS document names.
        variants: write `rank` and `prob` beside `logprob`: words have several pronunciations of a model.
        reader: one of the format's `readers`, for which the lexicon is.

    Raises:
        UsageError: `space_in_word` is not one visible character.
    """

    scores: bool = False
    provenance: Mapping[str, str] = field(default_factory=dict)
    space_in_word: str | None = None
    tokens: Path | None = None
    phones: bool = False
    alphabet: Literal["ipa", "x-sampa", "arpabet"] = "ipa"
    variants: bool = False
    reader: str | None = None

    def __post_init__(self) -> None:
        mark = self.space_in_word
        if mark is not None and (len(mark) != 1 or mark.isspace() or not mark.isprintable()):
            raise UsageError(f"{mark!r} cannot stand for a space in words: give one visible character, such as _")


def with_prob(rows: pa.RecordBatch, options: WriteOptions) -> pa.RecordBatch:
    """Return rows of schema `LEXICON`, with `PROB` behind `logprob` where words have several pronunciations."""
    at = LEXICON.get_field_index("logprob") + 1
    return rows.add_column(at, PROB, pc.exp(rows["logprob"])) if options.variants else rows


def variant_entries(words: pa.Table, variants: Variants) -> pa.RecordBatch:
    """Join words and their variants into rows of schema `LEXICON`, without phones.

    Args:
        words: N rows of schema `filter.WORDS`.
        variants: of these words.
    """
    rows = entries(words.take(pa.array(variants.word)), variants.answers)
    doubtful = pa.array(~variants.proven & pc.equal(rows["status"], STATUSES[-1]).to_numpy(zero_copy_only=False))
    changed = {"rank": pa.array(variants.rank), "status": pc.if_else(doubtful, UNPROVEN, rows["status"])}
    return pa.record_batch([changed.get(name, rows[name]) for name in LEXICON.names], schema=LEXICON)


def dictionary_entries(words: pa.Table, found: Found) -> pa.RecordBatch:
    """Return what a model's dictionary says of words as rows of schema `LEXICON`, without phones.

    Args:
        words: N rows of schema `filter.WORDS`.
        found: in these words.
    """
    held = words.take(pa.array(found.word))
    word = _flat(held["word"])
    columns = {
        "word": word,
        "lang": _flat(held["lang"]),
        "rank": found.rank,
        "pron": found.pron,
        "phones": pa.nulls(len(held), LEXICON.field("phones").type),
        "logprob": pa.nulls(len(held), pa.float32()),
        "source": pa.repeat(DICTIONARY, len(held)),
        # What was left out of a word is still to be looked at; that it may be an acronym is no doubt any more.
        "status": pc.if_else(_is(held["doubt"], UNSEEN_CHARACTER), UNSEEN_CHARACTER, STATUSES[-1]),
        "asked": _asked(_flat(held["asked"]), word),
        "input_row": _flat(held["row"]),
    }
    return pa.record_batch(columns, schema=LEXICON)


def entries(words: pa.Table, answers: Answers) -> pa.RecordBatch:
    """Join words and answers into rows of schema `LEXICON`, without phones.

    Args:
        words: N rows of schema `filter.WORDS`.
        answers: N answers, in the same order.
    """
    pron = answers.pron.cast(pa.string())
    invalid = has_control(answers.pron, separators=True)
    if invalid.any():
        pron = pc.replace_substring_regex(pron, _UNPRINTABLE, "")
    word = _flat(words["word"])
    said = (answers.truncated, answers.repeated, answers.invalid_utf8, invalid, _empty(pron))
    columns = {
        "word": word,
        "lang": _flat(words["lang"]),
        "rank": np.ones(len(words), np.int8),
        "pron": pron,
        "phones": pa.nulls(len(words), LEXICON.field("phones").type),
        "logprob": answers.logprob,
        "source": pa.repeat(MODEL, len(words)),
        "status": _status(_flat(words["doubt"]), *said),
        "asked": _asked(_flat(words["asked"]), word),
        "input_row": _flat(words["row"]),
    }
    return pa.record_batch(columns, schema=LEXICON)


def _is(column: pa.ChunkedArray, value: str) -> pa.Array:
    return pc.fill_null(pc.equal(_flat(column), value), False)


def _asked(asked: pa.Array, word: pa.Array) -> pa.Array:
    """Return what was asked for words [N], as it is shown: null where that is the word."""
    if asked.null_count == len(asked):
        return asked
    shown = pc.replace_substring(asked, SEPARATOR, " ")
    return pc.if_else(pc.equal(shown, word), pa.scalar(None, pa.string()), shown)


def _empty(texts: pa.Array) -> Bool:
    return np.asarray(pc.binary_length(texts).to_numpy() == 0)


def _status(doubt: pa.Array, *conditions: Bool) -> pa.Array:
    """Return the status [N] of the first condition [N] that holds, else the doubt [N], else the last."""
    none = doubt.null_count == len(doubt)
    status = pa.repeat(STATUSES[-1], len(doubt)) if none else pc.fill_null(doubt, STATUSES[-1])
    for name, condition in reversed([*zip(STATUSES, conditions, strict=False)]):
        if condition.any():
            status = pc.if_else(pa.array(condition), name, status)
    return status


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
