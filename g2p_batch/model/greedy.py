"""Greedy decoding over the `Engine` protocol: buckets, slots that are refilled, batch ladder, scores."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from g2p_batch.model.contract import LengthBucket, Shapes
from g2p_batch.model.ids import BYTE_OFFSET, EOS, PAD, START, Bool, Float32, Int32

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

    def open(self, bucket: LengthBucket) -> Cache:
        """Return the cache of a bucket, one of `shapes`, all its slots free; an earlier one of the bucket is void."""

    def encode(self, bucket: LengthBucket, ids: Int32, lengths: Int32) -> Hidden:
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

    def stream(self, bucket: LengthBucket, sources: Iterable["TokenizedChunk"]) -> Iterator["FinishedWords"]:
        """Decode chunks of one bucket, as `decode_stream` says."""


class EngineFactory(Protocol):
    """Makes engines of one compiled model; it is pickled, and sent to workers on this machine and on others."""

    @property
    def key(self) -> str:
        """Tells the compiled model from all that may answer differently."""

    @property
    def label(self) -> str:
        """What its user knows of it: the kind of hardware, and the number format."""

    def engine(self) -> Engine:
        """Return a new engine, for the use of one thread at a time; called once in each worker."""

    def exceptions(self) -> Path | None:
        """Return the file of the model's exceptions where it has some; called behind `engine`."""


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

    bucket: LengthBucket
    rows: Indices


@dataclass(frozen=True)
class TokenizedChunk:
    """Tokenised words of a chunk: ids [n, S] int32 of `tokenizer.tokenize`, lengths [n] int32."""

    rows: Indices
    ids: Int32
    lengths: Int32


@dataclass(frozen=True)
class FinishedWords:
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


def can_retry(bucket: LengthBucket, shapes: Shapes) -> bool:
    """Tell whether a word truncated in `bucket` has room left in the longest one."""
    return bucket.target_bytes < shapes.longest.target_bytes


def decode_stream(engine: Engine, bucket: LengthBucket, sources: Iterable[TokenizedChunk]) -> Iterator[FinishedWords]:
    """Decode chunks of one bucket in a stream: whenever words end, waiting ones take their rows.

    Args:
        engine: the model.
        bucket: one of `engine.shapes`.
        sources: chunks of at most `bucket.chunk` words, none above `bucket.source_bytes`; taken when they are needed.

    Yields:
        Every word once, in the order in which they end, about a batch of them at a time; those that meet
        `bucket.target_bytes` without an EOS are flagged truncated.
    """
    if isinstance(engine, StreamingEngine):
        yield from engine.stream(bucket, sources)
        return
    stream = _DecodeStream(engine, bucket, iter(sources))
    while stream.fill():
        stream.step()
        if stream.due:
            yield stream.release()
    if stream.ended:
        yield stream.release()


class _DecodeStream:
    """Rows of a bucket's steps and the words in them; words that are encoded wait in slots for a row.

    A word keeps its row, and the next one takes it where it ends: nothing else moves while words are waiting. A step
    adds one line to a log; outputs are read from it for many words at a time.
    """

    def __init__(self, engine: Engine, bucket: LengthBucket, sources: Iterator[TokenizedChunk]) -> None:
        self._engine, self._bucket, self._sources = engine, bucket, sources
        self._cache: Cache = None  # opened with the first word
        self._free = np.arange(bucket.slots, dtype=np.int32)
        self._freed: list[Int32] = []
        """Slots of words that ended, since `free` was last added to."""
        self._waiting = _Waiting.none()
        self._live = 0
        self._vacant = np.arange(bucket.batch)
        """Rows for words that wait: at first all, then those whose words ended in the last step."""
        size = engine.shapes.rung(bucket.batch)
        self._word = np.zeros(size, np.int64)
        self._rows = np.zeros((4, size), np.int32)
        """The columns of `Rows`."""
        self._idle(slice(None))
        self._views: dict[int, Rows] = {}
        self._logprob = np.zeros(size, np.float32)
        self._said = np.zeros((1 << (2 * bucket.target_bytes - 1).bit_length(), size), np.int16)
        """What the last steps said, step n in line n modulo a power of two. Outputs are read before they are older than
        half of it."""
        self._column = np.arange(size)
        """Where `said` has a row: a word stays in its column when it moves up."""
        self._moved = False
        self._steps = 0
        self.ended: list[_Ended] = []
        """Words whose outputs are not read yet."""

    def fill(self) -> bool:
        """Give vacant rows to waiting words, encoding more when none wait; tell whether any word has a row."""
        vacant = self._vacant
        while len(vacant) and (len(self._waiting.word) or self._encode()):
            vacant = self._seat(vacant)
        self._close_ranks(vacant[vacant < self._live])
        self._vacant = _NO_ROWS
        return self._live > 0

    def step(self) -> None:
        """Extend every word that has a row."""
        live, rung = self._live, self._engine.shapes.rung(self._live)
        if rung not in self._views:
            self._views[rung] = Rows(*self._rows[:, :rung])
        chosen, gain = self._engine.step(self._cache, self._views[rung])
        tokens, token, position = chosen[:live], self._rows[0, :live], self._rows[1, :live]
        self._said[self._line(self._steps), self._column[:live] if self._moved else slice(live)] = tokens
        self._logprob[:live] += gain[:live]
        token[:] = tokens
        position += 1
        self._steps += 1
        ended = ((tokens == EOS) | (position == self._bucket.target_bytes)).nonzero()[0]
        if len(ended):
            word, column, logprob = self._word[ended], self._column[ended], self._logprob[ended]
            self.ended.append(_Ended(self._steps, word, column, position[ended], logprob, tokens[ended] != EOS))
            self._freed.append(self._rows[2, ended])
            self._vacant = ended

    @property
    def due(self) -> bool:
        """Whether outputs should be read: they fill a batch, or the log will soon overwrite the first of them."""
        if not self.ended:
            return False
        if self._steps - self.ended[0].steps >= self._bucket.target_bytes:
            return True
        return sum(len(ended.word) for ended in self.ended) >= self._bucket.batch

    def release(self) -> FinishedWords:
        """Return the outputs of the words that ended since the last call, at least one."""
        ends = np.repeat([ended.steps for ended in self.ended], [len(ended.word) for ended in self.ended])
        word, column, said, logprob, truncated = map(np.concatenate, zip(*(e[1:] for e in self.ended), strict=True))
        self.ended = []
        places = np.arange(said.max())
        lines = self._line((ends - said)[:, None] + places)
        ids = self._said.reshape(-1).take(lines * self._said.shape[1] + column[:, None])
        return FinishedWords(word, Decoded(np.where(places < said[:, None], ids, np.int32(PAD)), logprob, truncated))

    def _line(self, steps: Any) -> Any:
        return steps & (len(self._said) - 1)

    def _encode(self) -> bool:
        """Encode the next chunk into free slots, filled up to a rung with one-byte words in the scratch slot."""
        source = next(self._sources, None)
        if source is None:
            return False
        if self._cache is None:
            self._cache = self._engine.open(self._bucket)
        words, rung = len(source.rows), self._engine.shapes.rung(len(source.rows))
        free = np.concatenate([self._free, *self._freed])
        slots = np.full(rung, self._bucket.slots, np.int32)
        slots[:words], self._free, self._freed = free[:words], free[words:], []
        lengths = np.ones(rung, np.int32)
        lengths[:words] = source.lengths
        ids = np.full((rung, int(source.lengths.max())), PAD, np.int32)
        ids[:words] = source.ids[:, : ids.shape[1]]
        ids[words:, 0] = BYTE_OFFSET
        hidden = self._engine.encode(self._bucket, ids, lengths)
        self._engine.prefill(self._cache, hidden, slots)
        begin = np.full((2, words), [[START], [0]], np.int32)
        self._waiting = _Waiting(source.rows, np.concatenate([begin, [slots[:words], source.lengths]]))
        return True

    def _seat(self, vacant: Indices) -> Indices:
        """Give rows to the first waiting words; returns those that are left."""
        waiting = self._waiting
        count = min(len(vacant), len(waiting.word))
        rows = vacant[:count]
        self._word[rows], self._rows[:, rows] = waiting.word[:count], waiting.columns[:, :count]
        self._logprob[rows] = 0.0
        self._waiting = _Waiting(waiting.word[count:], waiting.columns[:, count:])
        self._live = max(self._live, int(rows[-1]) + 1)
        return vacant[count:]

    def _close_ranks(self, vacant: Indices) -> None:
        """Move the words behind vacant rows up, in their order; no further word comes."""
        if not len(vacant):
            return
        kept = np.delete(np.arange(self._live), vacant)
        self._moved = True
        for columns in (self._word, self._column, self._logprob, self._rows):
            columns[..., : len(kept)] = columns[..., kept]
        self._idle(slice(len(kept), self._live))
        self._live = len(kept)

    def _idle(self, rows: slice) -> None:
        """Make rows inert."""
        self._rows[:, rows] = [[START], [0], [self._bucket.slots], [1]]


class _Waiting(NamedTuple):
    """Words that are encoded: their places in the list [n] int64, and the columns of their first step [4, n] int32."""

    word: Indices
    columns: Int32

    @classmethod
    def none(cls) -> "_Waiting":
        return cls(np.zeros(0, np.int64), np.zeros((4, 0), np.int32))


class _Ended(NamedTuple):
    """Words that ended in one step."""

    steps: int
    """How many steps there had been."""
    word: Indices
    """[n]: their places in the list."""
    column: Indices
    """[n]: where the log has what they said."""
    said: Int32
    """[n]: how many tokens that is."""
    logprob: Float32
    """[n]."""
    truncated: Bool
    """[n]."""


_NO_ROWS = np.zeros(0, np.int64)


def _cut(bucket: LengthBucket, rows: Indices, src_bytes: npt.NDArray[Any]) -> Iterator[Chunk]:
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
