"""Error rates of a model in training: greedy decoding by the reference, counted as `g2p-batch evaluate` does."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.evaluation import evaluate
from g2p_batch.phones import Style, segment
from g2p_compile.check.transformers_reference import answers
from g2p_compile.export.checkpoint import Checkpoint

_RATES = ("cer", "wer", "per")


def score(checkpoint: Checkpoint, words: pa.Table) -> dict[str, Any]:
    """Return the rates of `METRICS` that are shown, by language and as the mean of languages.

    Args:
        checkpoint: its model may be in training and on any device; it is in training again afterwards.
        words: of schema `REFERENCE`, at least one.

    Raises:
        UsageError: rapidfuzz is not installed.
    """
    checkpoint.model.eval()
    asked = replace(checkpoint, contract=replace(checkpoint.contract, max_target_bytes=_room(words)))
    said = answers(asked, words["word"].to_pylist(), words["lang"].to_pylist())
    checkpoint.model.train()
    nothing = pa.nulls(len(words))
    columns = {
        "pron": pa.array([answer.pron for answer in said], pa.string()),
        "logprob": pa.array([answer.logprob for answer in said], pa.float32()),
        "status": nothing.cast(pa.string()),
    }
    for name, column in columns.items():
        words = words.append_column(name, column)
    evaluation = evaluate(words, _phones)
    return {
        "dev": {tag: {"words": tally.scored} | _shown(tally.rates()) for tag, tally in evaluation.languages.items()},
        "mean": _shown(evaluation.mean()),
    }


def _room(words: pa.Table) -> int:
    """Return twice the ids of the longest variant: a model that does not know yet when to end need not fill more."""
    longest: int = pc.max(pc.binary_length(words["prons"].combine_chunks().flatten())).as_py()
    return 2 * (longest + 1)


def _shown(rates: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: None if (rate := rates[name]) is None else round(rate, 5) for name in _RATES}


def _phones(prons: pa.Array, langs: pa.Array) -> pa.Array:
    return segment(prons, langs, Style()).phones
