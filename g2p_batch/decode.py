"""Greedy decoding over the `Engine` protocol: buckets, slots that are refilled, batch ladder, scores."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from g2p_batch.codec import BYTE_OFFSET, EOS, PAD, START, Bool, Float32, Int32
from g2p_batch.contract import Bucket, Shapes

Hidden = Any
"""Encoder output of one batch; only the engine that made it looks inside."""
Cache = Any
"""Keys and values of the words in the slots of a bucket; only the engine that made it looks inside."""

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Rows:
    """One decoder step of R rows, each [R] int32; R is a rung of the ladder.

    Inert rows fill up the rung: they hold the scratch slot (`bucket.slots`), position 0 and source length 1, and any
    token. The arrays are the caller's, who changes them after the step.
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

    def open(self, bucket: Bucket) -> Cache:
        """Return the cache of a bucket, one of `shapes`, all its slots free; an earlier one of the bucket is void."""

    def encode(self, bucket: Bucket, ids: Int32, lengths: Int32) -> Hidden:
        """Encode a chunk of words.

        Args:
            bucket: one of `shapes`.
            ids: [B, S] int32, padded with 0; B is a rung, S the longest length and at most `bucket.source_bytes`.
            lengths: [B] int32, at least 1.
        """

    def prefill(self, cache: Cache, hidden: Hidden, slots: Int32) -> None:
        """Put encoded words into slots.

        Args:
            cache: what `open` returned for the bucket of `hidden`.
            hidden: what `encode` returned.
            slots: [B] int32, where each row goes; each at most once but for `bucket.slots`, which is scratch.
        """

    def step(self, cache: Cache, rows: Rows) -> tuple[Int32, Float32]:
        """Extend every row by one token.

        Returns:
            tokens [R] int32 and their log-probabilities [R] float32, in arrays that later steps leave alone.
        """


@runtime_checkable
class StreamingEngine(Engine, Protocol):
    """An engine that keeps words where it computes, from their bytes to their last token."""

    def stream(self, bucket: Bucket, sources: Iterable["Source"]) -> Iterator["Finished"]:
        """Decode chunks of one bucket, as `decode_stream` says."""


@dataclass(frozen=True)
class Compiled:
    """A compiled model that worker processes can open."""

    key: str
    """Tells it from all that may answer differently."""
    name: str
    """What its user knows of it."""
    open_engine: Callable[[], Engine]
    """Is pickled, and called once in each worker."""


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
class Chunk:
    """Words encoded together: `rows` [n] int64 are their places in the list that was cut, n <= `bucket.chunk`."""

    bucket: Bucket
    rows: Indices


@dataclass(frozen=True)
class Source:
    """Tokenised words of a chunk: ids [n, S] int32 of `codec.tokenize`, lengths [n] int32."""

    rows: Indices
    ids: Int32
    lengths: Int32


@dataclass(frozen=True)
class Finished:
    """Words that are done, by their places in the list, in the order in which they ended."""

    rows: Indices
    out: Decoded


def chunks(src_bytes: npt.NDArray[Any], shapes: Shapes) -> Iterator[Chunk]:
    """Cut words into chunks, shortest first, so that each holds words of like length.

    Args:
        src_bytes: [N] integers, bytes of prefix plus word, none above `shapes.longest.source_bytes`; in any order.
        shapes: what the engine accepts.

    Yields:
        Chunks that name every word once, each in the shortest bucket that holds it, bucket by bucket.
    """
    order = np.argsort(src_bytes, kind="stable")
    limits = [bucket.source_bytes for bucket in shapes.buckets]
    ends = np.searchsorted(src_bytes[order], limits, side="right")
    start = 0
    for bucket, end in zip(shapes.buckets, ends, strict=True):
        yield from _cut(bucket, order[start:end], src_bytes)
        start = int(end)


def retries(rows: Indices, src_bytes: npt.NDArray[Any], shapes: Shapes) -> Iterator[Chunk]:
    """Cut truncated words, [n] int64, into chunks of the longest bucket; `src_bytes` [N] is that of all words."""
    yield from _cut(shapes.longest, rows[np.argsort(src_bytes[rows], kind="stable")], src_bytes)


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
    done: list[Finished] = []
    again = [np.zeros(0, np.int64)]
    for bucket, part in groupby(chunks(lengths, shapes), key=attrgetter("bucket")):
        for finished in decode_stream(engine, bucket, _sources(part, ids, lengths)):
            done.append(finished)
            if can_retry(bucket, shapes):
                again.append(finished.rows[finished.out.truncated])
    last = _sources(retries(np.concatenate(again), lengths, shapes), ids, lengths)
    done.extend(decode_stream(engine, shapes.longest, last))
    return _gather(done, len(lengths))


def decode_stream(engine: Engine, bucket: Bucket, sources: Iterable[Source]) -> Iterator[Finished]:
    """Decode chunks of one bucket in a stream: whenever words end, waiting ones take their rows.

    Args:
        engine: the model.
        bucket: one of `engine.shapes`.
        sources: chunks of at most `bucket.chunk` words, none above `bucket.source_bytes`; taken when they are needed.

    Yields:
        Every word once; those that meet `bucket.target_bytes` without an EOS are flagged truncated.
    """
    if isinstance(engine, StreamingEngine):
        yield from engine.stream(bucket, sources)
        return
    stream = _Stream(engine, bucket, iter(sources))
    while stream.fill():
        ended = stream.step()
        if len(ended):
            yield stream.release(ended)


class _Stream:
    """Rows of a bucket's steps and the words in them; words that are encoded wait in slots for a row.

    A word keeps its row, and the next one takes it where it ends: nothing else moves while words are waiting.
    """

    def __init__(self, engine: Engine, bucket: Bucket, sources: Iterator[Source]) -> None:
        self._engine, self._bucket, self._sources = engine, bucket, sources
        self._cache: Cache = None  # opened with the first word
        self._free = np.arange(bucket.slots, dtype=np.int32)
        self._waiting = _Waiting(*_NO_WORDS)
        self._live = 0
        self._vacant = np.zeros(0, np.int64)
        """Rows below `live` whose words ended."""
        size = engine.shapes.rung(bucket.batch)
        self._word = np.zeros(size, np.int64)
        self._rows = Rows(*(np.zeros(size, np.int32) for _ in range(4)))
        self._idle(slice(None))
        self._logprob = np.zeros(size, np.float32)
        self._said = np.zeros((size, bucket.target_bytes), np.int32)
        self._first = np.arange(size) * bucket.target_bytes
        """Where a row begins in `said`."""

    def fill(self) -> bool:
        """Give vacant rows to waiting words, encoding more when none wait; tell whether any word has a row."""
        vacant = np.concatenate([self._vacant, np.arange(self._live, self._bucket.batch)])
        while len(vacant) and (len(self._waiting.word) or self._encode()):
            rows, vacant = np.split(vacant, [len(self._waiting.word)])
            self._seat(rows)
        self._close_ranks(vacant[vacant < self._live])
        self._vacant = vacant[:0]
        return self._live > 0

    def step(self) -> Indices:
        """Extend every word that has a row; return the rows of those that ended."""
        live, rung = self._live, self._engine.shapes.rung(self._live)
        rows = Rows(*(column[:rung] for column in self._columns()))
        chosen, gain = self._engine.step(self._cache, rows)
        token, position = chosen[:live], rows.position[:live]
        self._said.reshape(-1)[self._first[:live] + position] = token
        self._logprob[:live] += gain[:live]
        rows.token[:live] = token
        position += 1
        return np.flatnonzero((token == EOS) | (position == self._bucket.target_bytes))

    def release(self, ended: Indices) -> Finished:
        """Free the slots and rows of words that ended and return their outputs."""
        rows = self._rows
        tokens = self._said[ended, : rows.position[ended].max()]
        out = Decoded(tokens, self._logprob[ended], rows.token[ended] != EOS)
        self._free = np.concatenate([self._free, rows.slot[ended]])
        self._vacant = ended
        return Finished(self._word[ended], out)

    def _encode(self) -> bool:
        """Encode the next chunk into free slots, filled up to a rung with one-byte words in the scratch slot."""
        source = next(self._sources, None)
        if source is None:
            return False
        if self._cache is None:
            self._cache = self._engine.open(self._bucket)
        words, rung = len(source.rows), self._engine.shapes.rung(len(source.rows))
        slots = np.full(rung, self._bucket.slots, np.int32)
        slots[:words], self._free = self._free[:words], self._free[words:]
        lengths = np.ones(rung, np.int32)
        lengths[:words] = source.lengths
        ids = np.full((rung, int(source.lengths.max())), PAD, np.int32)
        ids[:words] = source.ids[:, : ids.shape[1]]
        ids[words:, 0] = BYTE_OFFSET
        hidden = self._engine.encode(self._bucket, ids, lengths)
        self._engine.prefill(self._cache, hidden, slots)
        self._waiting = _Waiting(source.rows, slots[:words], source.lengths)
        return True

    def _seat(self, rows: Indices) -> None:
        """Give rows to the first waiting words."""
        words, self._waiting = self._waiting.part(slice(len(rows))), self._waiting.part(slice(len(rows), None))
        self._word[rows], self._logprob[rows] = words.word, 0.0
        self._rows.slot[rows], self._rows.source_length[rows] = words.slot, words.length
        self._rows.token[rows], self._rows.position[rows] = START, 0
        self._said[rows] = 0
        self._live = max(self._live, int(rows[-1]) + 1)

    def _close_ranks(self, vacant: Indices) -> None:
        """Move the words behind vacant rows up, in their order."""
        if not len(vacant):
            return
        kept = np.delete(np.arange(self._live), vacant)
        columns: tuple[npt.NDArray[Any], ...] = (self._word, self._logprob, self._said, *self._columns())
        for column in columns:
            column[: len(kept)] = column[kept]
        self._idle(slice(len(kept), self._live))
        self._live = len(kept)

    def _idle(self, rows: slice) -> None:
        """Make rows inert."""
        self._rows.position[rows], self._rows.slot[rows], self._rows.source_length[rows] = 0, self._bucket.slots, 1

    def _columns(self) -> tuple[Int32, ...]:
        return self._rows.token, self._rows.position, self._rows.slot, self._rows.source_length


class _Waiting(NamedTuple):
    """Words that are encoded: their places in the list [n] int64, slots [n] int32 and source lengths [n] int32."""

    word: Indices
    slot: Int32
    length: Int32

    def part(self, words: slice) -> "_Waiting":
        """Return some of the words."""
        return _Waiting(self.word[words], self.slot[words], self.length[words])


_NO_WORDS = np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.int32)


def _cut(bucket: Bucket, rows: Indices, src_bytes: npt.NDArray[Any]) -> Iterator[Chunk]:
    """Cut rows that rise in length: a chunk that is a quarter full ends where its longest words end.

    Every word of a chunk is computed at the length of its longest, so mixed lengths cost more than a smaller chunk.
    """
    lengths = src_bytes[rows]
    start, least = 0, max(1, bucket.chunk // 4)
    while start < len(rows):
        longest = lengths[min(start + least, len(rows)) - 1]
        end = min(int(np.searchsorted(lengths, longest, side="right")), start + bucket.chunk)
        yield Chunk(bucket, rows[start:end])
        start = end


def _sources(cut: Iterable[Chunk], ids: Int32, lengths: Int32) -> Iterator[Source]:
    for chunk in cut:
        yield Source(chunk.rows, ids[chunk.rows], lengths[chunk.rows])


def _gather(done: list[Finished], words: int) -> Decoded:
    """Put the outputs into the order of the words; the last output of a word counts."""
    width = max((finished.out.ids.shape[1] for finished in done), default=0)
    whole = Decoded(np.zeros((words, width), np.int32), np.zeros(words, np.float32), np.zeros(words, np.bool_))
    for finished in done:
        rows, out = finished.rows, finished.out
        whole.ids[rows, : out.ids.shape[1]] = out.ids
        whole.logprob[rows] = out.logprob
        whole.truncated[rows] = out.truncated
    return whole
