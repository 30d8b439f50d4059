"""The lexicon as rows: what every format writer receives."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.errors import UsageError
from g2p_batch.model.threaded import Answers
from g2p_batch.model.tokenizer import Bool
from g2p_batch.words.control_characters import has_control

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
        pa.field("input_row", pa.int64(), nullable=False),
    ]
)
"""One row per word and variant.

`phones` is null where they follow from the pronunciation and from the options of whoever writes them.
"""

STATUSES = ("truncated", "invalid_utf8", "invalid", "empty", "ok")
"""What became of a word; of several that hold, the first counts.

truncated: the output met the longest length. invalid_utf8: bytes that are not UTF-8 were dropped. invalid: control
characters or line separators were dropped. empty: the model gave no output.
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

    Raises:
        UsageError: `space_in_word` is not one visible character.
    """

    scores: bool = False
    provenance: Mapping[str, str] = field(default_factory=dict)
    space_in_word: str | None = None
    tokens: Path | None = None
    phones: bool = False
    alphabet: Literal["ipa", "x-sampa", "arpabet"] = "ipa"

    def __post_init__(self) -> None:
        mark = self.space_in_word
        if mark is not None and (len(mark) != 1 or mark.isspace() or not mark.isprintable()):
            raise UsageError(f"{mark!r} cannot stand for a space in words: give one visible character, such as _")


def entries(words: pa.Table, answers: Answers) -> pa.RecordBatch:
    """Join words and answers into rows of schema `LEXICON`, without phones.

    Args:
        words: N rows with `word` string, `lang` string and `row` int64, no nulls.
        answers: N answers, in the same order.
    """
    pron = answers.pron.cast(pa.string())
    invalid = has_control(answers.pron, separators=True)
    if invalid.any():
        pron = pc.replace_substring_regex(pron, _UNPRINTABLE, "")
    columns = {
        "word": _flat(words["word"]),
        "lang": _flat(words["lang"]),
        "rank": np.ones(len(words), np.int8),
        "pron": pron,
        "phones": pa.nulls(len(words), LEXICON.field("phones").type),
        "logprob": answers.logprob,
        "source": pa.repeat("model", len(words)),
        "status": _status(answers.truncated, answers.invalid_utf8, invalid, _empty(pron)),
        "input_row": _flat(words["row"]),
    }
    return pa.record_batch(columns, schema=LEXICON)


def _empty(texts: pa.Array) -> Bool:
    return np.asarray(pc.binary_length(texts).to_numpy() == 0)


def _status(*conditions: Bool) -> pa.Array:
    """Return the status [N] of the first condition [N] that holds, else the last."""
    indices = np.full(len(conditions[0]), len(STATUSES) - 1, np.int8)
    for index, condition in reversed([*enumerate(conditions)]):
        indices[np.flatnonzero(condition)] = index
    return pa.array(STATUSES).take(pa.array(indices))


def _flat(column: pa.ChunkedArray) -> pa.Array:
    return pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
