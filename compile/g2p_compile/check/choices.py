"""What a search goes by: the most probable tokens of each step, and their log-probabilities."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from g2p_batch.model.compiled_engine import CompiledEngine
from g2p_batch.model.greedy import Rows
from g2p_batch.model.ids import BYTE_OFFSET, EOS, PAD, START, Bool, Float32, Int32
from g2p_batch.model.tokenizer import tokenize


@dataclass(frozen=True)
class Choices:
    """How one word may go on, along what greedy decoding says of it.

    Attributes:
        said: T - 1 tokens of the output: it ends before its EOS, or where it is cut off.
        tokens: [T, K], the most probable ones behind each beginning of it.
        logprob: [T, K], theirs.
        agrees: [T] bool, whether the first of each is what `step` gives, bit by bit.
    """

    said: tuple[int, ...]
    tokens: Int32
    logprob: Float32
    agrees: Bool

    def away_from(self, reference: Float32) -> tuple[float, float]:
        """Return how far these are from the log-probabilities [T, V] of a reference.

        Returns:
            the largest distance of a probability, and by how much at most a token that is not among these is more
            probable there than the last of these.
        """
        row = np.arange(len(self.tokens))[:, None]
        there = np.exp(reference)
        away = np.abs(np.exp(self.logprob) - there[row, self.tokens]).max()
        others = there.copy()
        others[row, self.tokens] = 0
        missed = (others.max(axis=1) - np.exp(self.logprob[:, -1])).max()
        return float(away), max(0.0, float(missed))


def choices(engine: CompiledEngine, words: pa.Table) -> list[Choices]:
    """Decode planned words [N] by `step` and `extend` beside each other; returns what came of each."""
    bucket = engine.shapes.longest
    prefixes = pa.array([engine.contract.prefix_for(lang) for lang in words["lang"].to_pylist()], pa.string())
    ids, lengths = tokenize(words["word"].combine_chunks(), prefixes)
    engine.open_search(bucket)  # with it a GPU has the memory that `extend` takes
    together = min(bucket.batch, bucket.chunk)
    parts = [slice(start, start + together) for start in range(0, len(lengths), together)]
    return [one for part in parts for one in _decode(engine, ids[part], lengths[part])]


def _decode(engine: CompiledEngine, ids: Int32, lengths: Int32) -> Iterator[Choices]:
    bucket, count = engine.shapes.longest, len(lengths)
    # Rows up to a rung are inert: words of a byte, in the slot for scratch.
    rest = engine.shapes.rung(count) - count
    slots = np.append(np.arange(count), np.full(rest, bucket.slots)).astype(np.int32)
    filled = np.full((count + rest, int(lengths.max())), PAD, np.int32)
    filled[:count], filled[count:, 0] = ids[:, : filled.shape[1]], BYTE_OFFSET
    whole = np.append(lengths, np.ones(rest, np.int32))
    cache = engine.open(bucket)
    engine.prefill(cache, engine.encode(bucket, filled, whole), slots)
    token = np.full(count + rest, START, np.int32)
    steps: list[tuple[Any, ...]] = []
    ended = np.zeros(count, np.bool_)
    while len(steps) < bucket.target_bytes and not ended.all():
        rows = Rows(token, np.full(len(token), len(steps), np.int32), slots, whole)
        token, gain = engine.step(cache, rows)
        tokens, logprob = engine.extend(cache, rows, slots)
        agrees = (tokens[:, 0] == token) & (logprob[:, 0].view(np.int32) == gain.view(np.int32))
        steps.append((tokens[:count], logprob[:count], agrees[:count]))
        ended |= token[:count] == EOS
    tokens, logprob, agrees = (np.stack(column, axis=1) for column in zip(*steps, strict=True))
    for word in range(count):
        said = tokens[word, :, 0].tolist()
        end = said.index(EOS) + 1 if EOS in said else len(said)
        yield Choices(tuple(said[: end - 1]), tokens[word, :end], logprob[word, :end], agrees[word, :end])
