"""An `Engine` that answers from a dictionary and refuses every call that the protocol forbids."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from g2p_batch.codec import BYTE_OFFSET, EOS, START, Float32, Int32
from g2p_batch.contract import Bucket, Shapes
from g2p_batch.decode import Rows

SHAPES = Shapes(
    buckets=(Bucket(16, 12, 4), Bucket(32, 24, 4), Bucket(64, 128, 2)),
    ladder=(1, 2, 4, 8),
)
"""Small enough that a dozen words meet every bucket, rung and remainder."""


class Echo(dict[str, str | bytes]):
    """Answers that fall back on the word itself: `<eng-us>: hello` gives `hello`."""

    def __missing__(self, source: str) -> str:
        return source.partition(">:")[2].strip()


def logprob_of(source: bytes, position: int) -> np.float32:
    """Return the log-probability that the fake gives to token `position` of the answer to `source`."""
    return np.float32(-(zlib.crc32(source) % 97 + position + 1) / 128)


@dataclass
class _Slot:
    source: bytes
    answer: Int32
    position: int = 0
    last: int = START


@dataclass
class _Cache:
    bucket: Bucket
    slots: dict[int, _Slot] = field(default_factory=dict)


class FakeEngine:
    """Decodes by looking up prefix plus word in `answers`; past the end of an answer it says EOS.

    `calls` lists ("encode", B) and ("step", R), so that tests can see which rungs were used.
    """

    def __init__(self, answers: Mapping[str, str | bytes], shapes: Shapes = SHAPES) -> None:
        self.shapes = shapes
        self.calls: list[tuple[str, int]] = []
        self._answers = answers

    def encode(self, bucket: Bucket, ids: Int32, lengths: Int32) -> list[bytes]:
        assert bucket in self.shapes.buckets
        self._record("encode", len(ids))
        _require(ids, (len(lengths), lengths.max()))
        _require(lengths, (len(ids),))
        assert lengths.min() >= 1
        assert lengths.max() <= bucket.source_bytes
        for row, length in zip(ids, lengths, strict=True):
            assert (row[:length] >= BYTE_OFFSET).all(), "padding inside a word"
            assert not row[length:].any(), "ids behind the end of a word"
        return [
            (row[:length] - BYTE_OFFSET).astype(np.uint8).tobytes() for row, length in zip(ids, lengths, strict=True)
        ]

    def prefill(self, bucket: Bucket, hidden: list[bytes], slots: Int32) -> _Cache:
        _require(slots, (len(hidden),))
        cache = _Cache(bucket)
        for slot, source in zip(slots.tolist(), hidden, strict=True):
            if slot != bucket.batch:
                assert 0 <= slot < bucket.batch
                assert slot not in cache.slots, f"slot {slot} filled twice"
                cache.slots[slot] = _Slot(source, self._tokens(source))
        return cache

    def step(self, cache: _Cache, rows: Rows) -> tuple[Int32, Float32]:
        count = len(rows.slot)
        self._record("step", count)
        for column in (rows.token, rows.position, rows.slot, rows.source_length):
            _require(column, (count,))
        real = rows.slot[rows.slot != cache.bucket.batch]
        assert len(real), "a step without a word"
        assert len(set(real.tolist())) == len(real), f"a slot twice in one step: {real}"
        tokens = np.full(count, BYTE_OFFSET, np.int32)
        logprobs = np.full(count, np.nan, np.float32)  # an inert row that leaks into a result shows
        for row in range(count):
            if rows.slot[row] == cache.bucket.batch:
                assert (rows.position[row], rows.source_length[row]) == (0, 1)
                continue
            tokens[row], logprobs[row] = self._next(cache, rows, row)
        return tokens, logprobs

    def _next(self, cache: _Cache, rows: Rows, row: int) -> tuple[int, np.float32]:
        slot = cache.slots[int(rows.slot[row])]
        position = slot.position
        assert rows.position[row] == position < cache.bucket.target_bytes
        assert rows.token[row] == slot.last
        assert rows.source_length[row] == len(slot.source)
        slot.last = int(slot.answer[position]) if position < len(slot.answer) else EOS
        slot.position += 1
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
