"""What has to hold on a GPU: strings, numbers, and that company changes no bit."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from g2p_batch.model.greedy import Decoded
from g2p_batch.model.ids import Int32
from tests.helpers.decoding import decode
from tests.lab.gpu_kit.on_card.kit import USUAL, Kit

Facts = dict[str, Any]

_MOST_AWAY = {"float32": 1e-5, "float16": 1e-2, "bfloat16": 5e-2}
"""Of hidden states, relative to the largest of them."""
_LOGPROB_AWAY = {"float32": 1e-3, "float16": 0.15, "bfloat16": 1.0}
"""Of a word; in bfloat16 on a CPU it is 0.33 for one of the golden words, and 0.09 for the next."""
_PARTS = (1.0, 0.35, 0.04, 0.0)
"""Shares of the words that are said again in another order; the last is one word."""
_SHOWN = 5


def golden(kit: Kit, dtype: str) -> Iterator[Facts]:
    """Golden words are what transformers says."""
    yield from _compared(kit, dtype, "golden", 1.0, "golden strings are the reference's")


def agreement(kit: Kit, dtype: str) -> Iterator[Facts]:
    """Ordinary words are what transformers says in float32."""
    yield from _compared(
        kit, dtype, "many", kit.settings.least_same[dtype], "strings are those of transformers in float32"
    )


def numerics(kit: Kit, dtype: str) -> Iterator[Facts]:
    """Hidden states and log-probabilities are near those of float64."""
    engine = kit.engine(USUAL, dtype)
    exact = kit.words["hidden"]
    ids, lengths = kit.sources("many")
    ids, lengths = np.ascontiguousarray(ids[: len(exact), : exact.shape[1]]), lengths[: len(exact)]
    longest = engine.shapes.longest
    parts = [slice(start, start + longest.chunk) for start in range(0, len(ids), longest.chunk)]
    encoded = [engine.device.array(engine.encode(longest, ids[part], lengths[part])) for part in parts]
    hidden = _wide(np.concatenate(encoded), dtype)
    seen = np.arange(ids.shape[1]) < lengths[:, None]
    away = float(np.abs(hidden - exact)[seen].max() / np.abs(exact[seen]).max())
    facts: Facts = {"hidden_away": away, "held": bool(away < _MOST_AWAY[dtype])}
    facts["text"] = f"hidden states are within {away:.1e} of float64 (of {_MOST_AWAY[dtype]})"
    yield facts
    out = decode(engine, *kit.sources("golden"))
    same = same_tokens(out.ids, kit.words["golden_tokens"])
    off = float(np.abs(out.logprob - kit.words["golden_logprob"])[same].max(initial=0.0))
    held = bool(facts["held"] and same.any() and off < _LOGPROB_AWAY[dtype])
    text = f"{facts['text']}, log-probabilities within {off:.1e} (of {_LOGPROB_AWAY[dtype]})"
    yield {"logprob_away": off, "held": held, "text": text}


def company(kit: Kit, dtype: str) -> Iterator[Facts]:
    """A word is the same bits alone, in company and in another order."""
    engine = kit.engine(USUAL, dtype)
    ids, lengths = kit.sources("many")
    whole = decode(engine, ids, lengths)
    order = np.random.default_rng(0).permutation(len(lengths))
    wrong = 0
    parts = [order[: max(1, round(share * len(order)))] for share in _PARTS]
    for part in parts:
        wrong += _different(decode(engine, ids[part], lengths[part]), whole, part)
    sizes = ", ".join(f"{len(part):,}" for part in parts)
    text = f"{wrong} of {len(order):,} words changed a bit; said in another order were {sizes} of them"
    yield {"changed": wrong, "held": wrong == 0, "text": text}


def _compared(kit: Kit, dtype: str, which: str, least: float, what: str) -> Iterator[Facts]:
    out = decode(kit.engine(USUAL, dtype), *kit.sources(which))
    same = same_tokens(out.ids, kit.words[f"{which}_tokens"])
    count, total = int(same.sum()), len(same)
    facts = {"same": count, "words": total, "different": np.flatnonzero(~same)[:_SHOWN].tolist()}
    yield {**facts, "held": count >= least * total, "text": f"{count:,} of {total:,} {what}"}


def same_tokens(one: Int32, other: Int32) -> npt.NDArray[np.bool_]:
    """Tell of each word [N] whether its tokens are the same, in matrices of any width, padded with zeros."""
    width = max(one.shape[1], other.shape[1])
    padded = [np.pad(tokens, ((0, 0), (0, width - tokens.shape[1]))) for tokens in (one, other)]
    same: npt.NDArray[np.bool_] = (padded[0] == padded[1]).all(axis=1)
    return same


def _different(some: Decoded, whole: Decoded, part: npt.NDArray[np.int64]) -> int:
    bits = [out.view(np.int32) for out in (some.logprob, np.ascontiguousarray(whole.logprob[part]))]
    return int((~same_tokens(some.ids, whole.ids[part]) | (bits[0] != bits[1])).sum())


def _wide(hidden: npt.NDArray[Any], dtype: str) -> npt.NDArray[Any]:
    """Return hidden states as numbers that numpy computes with."""
    if dtype == "bfloat16":
        return (hidden.astype(np.uint32) << 16).view(np.float32)
    return hidden.view(np.float16).astype(np.float32) if dtype == "float16" else hidden
