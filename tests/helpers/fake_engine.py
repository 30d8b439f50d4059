"""An `Engine` that answers from a dictionary and refuses every call that the protocol forbids."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from g2p_batch.model.contract import LengthBucket, Shapes
from g2p_batch.model.greedy import Rows
from g2p_batch.model.ids import BYTE_OFFSET, EOS, START, Float32, Int32

SHAPES = Shapes(
    buckets=(
        LengthBucket(16, 12, batch=4, chunk=2),
        LengthBucket(32, 24, batch=4, chunk=4),
        LengthBucket(64, 128, batch=2, chunk=5),
    ),
    ladder=(1, 2, 4, 8),
)
"""Small enough that a dozen words meet every bucket, rung and remainder; chunks below, at and above the batch."""


class Echo(dict[str, str | bytes]):
    """Answers that fall back on the word itself: `<eng-us>: hello` gives `hello`."""

    def __missing__(self, source: str) -> str:
        return source.partition(">:")[2].strip()


def logprob_of(source: bytes, position: int) -> np.float32:
    """Return the log-probability that the fake gives to token `position` of the answer to `source`."""
    return np.float32(-(zlib.crc32(source) % 97 + position + 1) / 128)


@dataclass
class _Slot:
    """A word in the cache: `position` tokens of it are known."""

    source: bytes
    answer: Int32
    reach: int
    position: int = 0
    last: int = START

    @property
    def ended(self) -> bool:
        return self.last == EOS or self.position == self.reach

    def advance(self) -> None:
        self.last = int(self.answer[self.position]) if self.position < len(self.answer) else EOS
        self.position += 1


@dataclass
class _Cache:
    bucket: LengthBucket
    void: bool = False
    slots: dict[int, _Slot] = field(default_factory=dict)

    def held(self) -> list[_Slot]:
        """Return the words that have not ended."""
        return [slot for slot in self.slots.values() if not slot.ended]


@dataclass(frozen=True)
class _Hidden:
    bucket: LengthBucket
    sources: list[bytes]


class FakeEngine:
    """Decodes by looking up prefix plus word in `answers`; past the end of an answer it says EOS.

    `calls` lists ("encode", B) and ("step", R), so that tests can see which rungs were used; `sources` the words that
    were put into slots, in their order; `steps`, of every step, how many words had a row and how many waited for one.
    """

    def __init__(self, answers: Mapping[str, str | bytes], shapes: Shapes = SHAPES) -> None:
        self.shapes = shapes
        self.calls: list[tuple[str, int]] = []
        self.sources: list[str] = []
        self.steps: list[tuple[int, int]] = []
        self._answers = answers
        self._caches: dict[LengthBucket, _Cache] = {}

    def open(self, bucket: LengthBucket) -> _Cache:
        assert bucket in self.shapes.buckets
        if bucket in self._caches:
            self._caches[bucket].void = True
        self._caches[bucket] = _Cache(bucket)
        return self._caches[bucket]

    def encode(self, bucket: LengthBucket, ids: Int32, lengths: Int32) -> _Hidden:
        assert bucket in self.shapes.buckets
        self._record("encode", len(ids))
        _require(ids, (len(lengths), lengths.max()))
        _require(lengths, (len(ids),))
        assert lengths.min() >= 1, "a word without bytes"
        assert lengths.max() <= bucket.source_bytes, "a word too long for its bucket"
        for row, length in zip(ids, lengths, strict=True):
            assert (row[:length] >= BYTE_OFFSET).all(), "padding inside a word"
            assert not row[length:].any(), "ids behind the end of a word"
        octets = (ids - BYTE_OFFSET).astype(np.uint8)
        return _Hidden(bucket, [row[:length].tobytes() for row, length in zip(octets, lengths, strict=True)])

    def prefill(self, cache: _Cache, hidden: _Hidden, slots: Int32) -> None:
        assert not cache.void, "a cache that was opened again"
        assert hidden.bucket == cache.bucket, "words encoded for another bucket"
        _require(slots, (len(hidden.sources),))
        words = self._words_of(slots, cache.bucket, cache.bucket.chunk)
        for slot, source in zip(slots[:words].tolist(), hidden.sources, strict=False):
            assert slot not in cache.slots or cache.slots[slot].ended, f"slot {slot} filled before its word ended"
            cache.slots[slot] = _Slot(source, self._tokens(source), cache.bucket.target_bytes)
            self.sources.append(source.decode())
        assert set(hidden.sources[words:]) <= {b"\0"}, "a word in the scratch slot"

    def step(self, cache: _Cache, rows: Rows) -> tuple[Int32, Float32]:
        assert not cache.void, "a cache that was opened again"
        count = len(rows.slot)
        self._record("step", count)
        for column in (rows.token, rows.position, rows.slot, rows.source_length):
            _require(column, (count,))
        words = self._words_of(rows.slot, cache.bucket, cache.bucket.batch)
        self.steps.append((words, len(cache.held()) - words))
        for column, inert in ((rows.position, 0), (rows.source_length, 1)):
            assert (column[words:] == inert).all(), "an inert row that is not inert"
        tokens = np.full(count, BYTE_OFFSET, np.int32)
        logprobs = np.full(count, np.nan, np.float32)  # an inert row that leaks into a result shows
        for row in range(words):
            tokens[row], logprobs[row] = self._next(cache, rows, row)
        return tokens, logprobs

    def _words_of(self, slots: Int32, bucket: LengthBucket, most: int) -> int:
        """Return how many rows hold words: the first ones, each in a slot of its own, and no more than fit the rung."""
        scratch = slots == bucket.slots
        words = int((~scratch).sum())
        assert 1 <= words <= most, f"{words} words, not 1 to {most}"
        assert scratch[words:].all(), "an inert row before a word"
        assert len(set(slots[:words].tolist())) == words, f"a slot twice: {slots}"
        assert ((slots[:words] >= 0) & (slots[:words] < bucket.slots)).all(), f"no such slot: {slots}"
        assert len(slots) == self.shapes.rung(words), f"{words} words in {len(slots)} rows"
        return words

    def _next(self, cache: _Cache, rows: Rows, row: int) -> tuple[int, np.float32]:
        number = int(rows.slot[row])
        assert number in cache.slots, f"a step of slot {number}, which is free"
        slot = cache.slots[number]
        assert not slot.ended, f"a step of slot {number}, whose word ended"
        position = slot.position
        assert rows.position[row] == position, f"position {rows.position[row]} after {position} tokens"
        assert rows.token[row] == slot.last, f"token {rows.token[row]} after {slot.last}"
        assert rows.source_length[row] == len(slot.source), "not the length of the word"
        slot.advance()
        return slot.last, logprob_of(slot.source, position)

    def _tokens(self, source: bytes) -> Int32:
        answer = self._answers[source.decode()]
        octets = answer.encode() if isinstance(answer, str) else answer
        return np.frombuffer(octets, np.uint8).astype(np.int32) + BYTE_OFFSET

    def _record(self, call: str, size: int) -> None:
        assert size in self.shapes.ladder, f"{call} with {size} rows, which is no rung"
        self.calls.append((call, size))


def _require(array: Int32, shape: tuple[int, ...]) -> None:
    assert array.dtype == np.int32, f"{array.dtype}, not int32"
    assert array.shape == shape, f"{array.shape}, not {shape}"
    assert array.flags.c_contiguous
