"""Greedy decoding over the `Engine` protocol: buckets, batch ladder, early exit, scores."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from g2p_batch.codec import BYTE_OFFSET, EOS, PAD, START, Bool, Float32, Int32
from g2p_batch.contract import Bucket, Shapes

Hidden = Any
"""Encoder output of one batch; only the engine that made it looks inside."""
Cache = Any
"""Keys and values of one batch; only the engine that made it looks inside."""

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """One decoder step of R rows, each [R] int32; R is a rung of the ladder.

    Inert rows fill up the rung: they hold the scratch slot (`bucket.batch`), position 0 and source length 1, and
    any token.
    """

    token: Int32
    position: Int32
    slot: Int32
    source_length: Int32


class Engine(Protocol):
    """A compiled model. One thread uses it at a time; a row's result never depends on the rows beside it."""

    @property
    def shapes(self) -> Shapes:
        """The buckets and batch sizes that it was compiled for."""

    def encode(self, bucket: Bucket, ids: Int32, lengths: Int32) -> Hidden:
        """Encode a batch.

        Args:
            bucket: one of `shapes`.
            ids: [B, S] int32, padded with 0; B is a rung, S the longest length and at most `bucket.source_bytes`.
            lengths: [B] int32, at least 1.
        """

    def prefill(self, bucket: Bucket, hidden: Hidden, slots: Int32) -> Cache:
        """Make the cache of a batch.

        Args:
            bucket: the bucket of `hidden`.
            hidden: what `encode` returned.
            slots: [B] int32, where each row goes; each at most once but for `bucket.batch`, which is scratch.
        """

    def step(self, cache: Cache, rows: Rows) -> tuple[Int32, Float32]:
        """Extend the cache by one token a row and choose the next.

        Returns:
            tokens [R] int32 and their log-probabilities [R] float32, in arrays that later steps leave alone.
        """


@dataclass(frozen=True)
class Decoded:
    """Output of N words.

    Attributes:
        ids: [N, T] int32: the tokens with their EOS, then 0; T is the longest output among the N.
        logprob: [N] float32, summed over all tokens, EOS included.
        truncated: [N] bool, the output met the longest length without an EOS.
    """

    ids: Int32
    logprob: Float32
    truncated: Bool


@dataclass(frozen=True)
class Batch:
    """Words decoded together: `rows` [n] int64 are their places in the list that was cut, n <= `bucket.batch`."""

    bucket: Bucket
    rows: Indices


def batches(src_bytes: npt.NDArray[Any], shapes: Shapes) -> Iterator[Batch]:
    """Cut words into batches, shortest first, so that each holds words of like length and only the last is part full.

    Args:
        src_bytes: [N] integers, bytes of prefix plus word, none above `shapes.longest.source_bytes`; in any order.
        shapes: what the engine accepts.

    Yields:
        Batches that name every word once, each in the shortest bucket that holds it.
    """
    order = np.argsort(src_bytes, kind="stable")
    limits = [bucket.source_bytes for bucket in shapes.buckets]
    ends = np.searchsorted(src_bytes[order], limits, side="right")
    start = 0
    for bucket, end in zip(shapes.buckets, ends, strict=True):
        yield from _cut(bucket, order[start:end])
        start = int(end)


def retries(rows: Indices, shapes: Shapes) -> Iterator[Batch]:
    """Cut truncated words, [n] int64, into batches of the longest bucket."""
    yield from _cut(shapes.longest, rows)


def can_retry(bucket: Bucket, shapes: Shapes) -> bool:
    """Tell whether a word truncated in `bucket` has room left in the longest one."""
    return bucket.target_bytes < shapes.longest.target_bytes


def decode(engine: Engine, ids: Int32, lengths: Int32) -> Decoded:
    """Decode any number of words in any order.

    A word that meets the end of a shorter bucket is decoded again, from its start, in the longest one.

    Args:
        engine: the model.
        ids: [N, S] int32 of `codec.tokenize`.
        lengths: [N] int32, none above `engine.shapes.longest.source_bytes`.

    Returns:
        The outputs in the order of the words; a word is flagged truncated only if the longest bucket cut it.
    """
    shapes = engine.shapes
    done = list(_run(engine, batches(lengths, shapes), ids, lengths))
    cut = [batch.rows[out.truncated] for batch, out in done if can_retry(batch.bucket, shapes)]
    again = np.concatenate([*cut, np.zeros(0, np.int64)])
    done.extend(_run(engine, retries(again, shapes), ids, lengths))
    return _gather(done, len(lengths))


def decode_batch(engine: Engine, bucket: Bucket, ids: Int32, lengths: Int32) -> Decoded:
    """Decode one batch in one bucket.

    Args:
        engine: the model.
        bucket: one of `engine.shapes`.
        ids: [n, S] int32 of `codec.tokenize`, 1 <= n <= `bucket.batch`.
        lengths: [n] int32, none above `bucket.source_bytes`.

    Returns:
        The outputs; rows that meet `bucket.target_bytes` without an EOS are flagged truncated.
    """
    words = len(lengths)
    tokens = np.zeros((words, bucket.target_bytes), np.int32)
    logprob = np.zeros(words, np.float32)
    cache = _start(engine, bucket, ids, lengths)
    live = np.arange(words)  # a word keeps the slot of its row; finished words are just no longer listed
    rows = _rows(engine.shapes, bucket, live, np.full(words, START, np.int32), 0, lengths)
    for position in range(bucket.target_bytes):
        chosen, gain = engine.step(cache, rows)
        token = chosen[: len(live)]
        tokens[live, position] = token
        logprob[live] += gain[: len(live)]
        going = token != EOS
        if going.all():
            rows = _advance(bucket, rows, chosen)
            continue
        live = live[going]
        if not len(live):
            break
        rows = _rows(engine.shapes, bucket, live, token[going], position + 1, lengths)
    truncated = np.zeros(words, np.bool_)
    truncated[live] = True
    return Decoded(tokens[:, : position + 1], logprob, truncated)


def _cut(bucket: Bucket, rows: Indices) -> Iterator[Batch]:
    for start in range(0, len(rows), bucket.batch):
        yield Batch(bucket, rows[start : start + bucket.batch])


def _run(engine: Engine, cut: Iterable[Batch], ids: Int32, lengths: Int32) -> Iterator[tuple[Batch, Decoded]]:
    for batch in cut:
        yield batch, decode_batch(engine, batch.bucket, ids[batch.rows], lengths[batch.rows])


def _gather(done: list[tuple[Batch, Decoded]], words: int) -> Decoded:
    """Put the outputs into the order of the words; the last output of a word counts."""
    width = max((out.ids.shape[1] for _, out in done), default=0)
    whole = Decoded(np.zeros((words, width), np.int32), np.zeros(words, np.float32), np.zeros(words, np.bool_))
    for batch, out in done:
        whole.ids[batch.rows] = np.pad(out.ids, ((0, 0), (0, width - out.ids.shape[1])))
        whole.logprob[batch.rows] = out.logprob
        whole.truncated[batch.rows] = out.truncated
    return whole


def _start(engine: Engine, bucket: Bucket, ids: Int32, lengths: Int32) -> Cache:
    """Encode and prefill, filled up to a rung with one-byte words in the scratch slot."""
    words, rung = len(lengths), engine.shapes.rung(len(lengths))
    source = np.full((rung, int(lengths.max())), PAD, np.int32)
    source[:words] = ids[:, : source.shape[1]]
    source[words:, 0] = BYTE_OFFSET
    hidden = engine.encode(bucket, source, _padded(lengths, rung, 1))
    return engine.prefill(bucket, hidden, _padded(np.arange(words), rung, bucket.batch))


def _rows(shapes: Shapes, bucket: Bucket, live: Indices, token: Int32, position: int, lengths: Int32) -> Rows:
    rung = shapes.rung(len(live))
    return Rows(
        token=_padded(token, rung, PAD),
        position=_padded(np.full(len(live), position), rung, 0),
        slot=_padded(live, rung, bucket.batch),
        source_length=_padded(lengths[live], rung, 1),
    )


def _advance(bucket: Bucket, rows: Rows, chosen: Int32) -> Rows:
    """Move the same rows on by one position; inert rows stay at 0, where attention is cheapest."""
    return Rows(chosen, rows.position + (rows.slot < bucket.batch), rows.slot, rows.source_length)


def _padded(values: npt.NDArray[Any], rung: int, fill: int) -> Int32:
    padded = np.full(rung, fill, np.int32)
    padded[: len(values)] = values
    return padded
