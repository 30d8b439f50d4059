"""A `SearchEngine` with a distribution of its own, which refuses what the protocol forbids; and all of its outputs."""

import heapq
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache

import numpy as np
import tvm

from g2p_batch.model.contract import CHOOSE, LengthBucket, Shapes
from g2p_batch.model.cpu_engine import host_function
from g2p_batch.model.greedy import Rows
from g2p_batch.model.ids import BYTE_OFFSET, EOS, START, Float32, Int32
from g2p_batch.model.search_table import SearchTable
from g2p_compile.build.search import with_choosing

SHAPES = Shapes((LengthBucket(16, 6, batch=2, chunk=3), LengthBucket(64, 12, batch=1, chunk=2)), (1, 2, 4))
"""Eight and four rows of a search, and words that are longer than some buckets."""
TOKENS = np.array([EOS, *(ord(letter) + BYTE_OFFSET for letter in "abcdefgh")], np.int32)
Says = Callable[[bytes, tuple[int, ...]], Float32]


def logprobs(source: bytes, said: tuple[int, ...]) -> Float32:
    """Return the log-probability of each of `TOKENS` behind what was said: sure of most, in doubt at some places."""
    seed = zlib.crc32(source + bytes(token % 256 for token in said))
    random = np.random.default_rng(seed)
    logits = random.normal(size=len(TOKENS)) * (2.5 if seed % 3 == 0 else 9.0)
    logits[0] += len(said) - 3
    shifted = logits - logits.max()
    return (shifted - np.log(np.exp(shifted).sum())).astype(np.float32)


def all_outputs(source: bytes, reach: int) -> Iterator[tuple[tuple[int, ...], np.float32]]:
    """Yield outputs of at most `reach` tokens, the most probable first: every token, nothing left out."""
    waiting: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
    while waiting:
        cost, said = heapq.heappop(waiting)
        if said[-1:] == (EOS,) or len(said) == reach:
            yield said, np.float32(-cost)
            continue
        for token, logprob in zip(TOKENS.tolist(), logprobs(source, said), strict=True):
            heapq.heappush(waiting, (-float(np.float32(-cost) + logprob), (*said, token)))


@cache
def choosing() -> Callable[..., None]:
    """Return what every artifact has to choose between the steps of a search, compiled by itself."""
    return host_function(tvm.compile(with_choosing(tvm.IRModule()), target="llvm").jit()[CHOOSE])


@dataclass
class _Cache:
    bucket: LengthBucket
    sources: dict[int, bytes] = field(default_factory=dict)
    said: dict[int, list[int]] = field(default_factory=dict)


class FakeSearchEngine:
    """Gives the `choices` most probable tokens; `rows` lists of every call of `extend` how many rows it had.

    What it says is `logprobs`, or another function of a source and what was said.
    """

    searches = True

    def __init__(self, choices: int = 8, says: Says = logprobs) -> None:
        self._says = says
        self.shapes = SHAPES
        self.rows: list[int] = []
        self.forks = 0
        self._choices = choices

    def open(self, bucket: LengthBucket) -> _Cache:
        raise AssertionError("greedy decoding in a search")

    def open_search(self, bucket: LengthBucket) -> _Cache:
        return _Cache(bucket)

    def encode(self, bucket: LengthBucket, ids: Int32, lengths: Int32) -> list[bytes]:
        octets = (ids - BYTE_OFFSET).astype(np.uint8)
        return [row[:length].tobytes() for row, length in zip(octets, lengths, strict=True)]

    def prefill(self, cache: _Cache, hidden: list[bytes], slots: Int32) -> None:
        for slot, source in zip(slots.tolist(), hidden, strict=True):
            assert 0 <= slot <= cache.bucket.search_sources
            cache.sources[slot] = source

    def step(self, cache: _Cache, rows: Rows) -> tuple[Int32, Float32]:
        raise AssertionError("greedy decoding in a search")

    def extend(self, cache: _Cache, rows: Rows, source: Int32) -> tuple[Int32, Float32]:
        count = len(rows.slot)
        assert 1 <= count <= cache.bucket.search_rows
        assert len(set(rows.slot.tolist())) == count, "a slot twice"
        self.rows.append(count)
        tokens = np.zeros((count, self._choices), np.int32)
        scores = np.zeros((count, self._choices), np.float32)
        columns = (rows.slot, rows.token, rows.position, rows.source_length, source)
        for row, (slot, token, position, length, word) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
            assert len(cache.sources[word]) == length, "not the length of the word"
            said = cache.said.setdefault(slot, [])
            assert len(said) >= position, f"a token at {position} of a slot that has {len(said)}"
            assert (token == START) == (position == 0)
            said[position:] = [token]
            logprob = self._says(cache.sources[word], tuple(said[1:]))
            best = np.lexsort((TOKENS, -logprob))[: self._choices]
            tokens[row], scores[row] = TOKENS[best], logprob[best]
        return tokens, scores

    def fork(self, cache: _Cache, origin: Int32, target: Int32, count: Int32) -> None:
        assert not set(origin.tolist()) & set(target.tolist())
        assert len(set(target.tolist())) == len(target)
        self.forks += len(target)
        for one, other, positions in zip(origin.tolist(), target.tolist(), count.tolist(), strict=True):
            assert len(cache.said[one]) >= positions, "positions that the origin does not have"
            cache.said[other] = cache.said[one][:positions]

    def choose(self, tokens: Int32, logprob: Float32, table: SearchTable, log_share: float) -> None:
        choosing()(tokens, logprob, *table.arrays, log_share)
