"""The most probable outputs of words, proven: best-first search over beginnings, many words at a time.

Probabilities only fall as an output grows, so when the most probable beginning that is open is a whole output, no other
can be more probable. A word has one row and extends one beginning at a step, the best that it has open; what a row does
depends on its word alone. The steps of all rows are one call of the engine, and so is the choosing between two of them.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import log

import numpy as np

from g2p_batch.errors import UsageError
from g2p_batch.model.contract import MOST_VARIANTS, LengthBucket
from g2p_batch.model.greedy import Cache, Decoded, Indices, Rows, TokenizedChunk
from g2p_batch.model.ids import BYTE_OFFSET, EOS, PAD, Bool, Int32
from g2p_batch.model.search_engine import SearchEngine
from g2p_batch.model.search_table import search_table


@dataclass(frozen=True)
class Search:
    """What is looked for.

    Attributes:
        variants: most outputs of a word.
        min_share: an output less probable than this share of the best one is left out.
        allowance: most beginnings of a word that are extended.

    Raises:
        UsageError: a value is out of range.
    """

    variants: int
    min_share: float = 0.01
    allowance: int = 512

    def __post_init__(self) -> None:
        if not 1 <= self.variants <= MOST_VARIANTS:
            raise UsageError(f"{self.variants} variants cannot be had: ask for 1 to {MOST_VARIANTS}")
        if not 0 <= self.min_share <= 1:
            raise UsageError(f"a share of {self.min_share} cannot be: give 0 to 1, such as 0.05")


@dataclass(frozen=True)
class FoundWords:
    """Words whose search is over, in the order in which they ended.

    Attributes:
        rows: [n] int64, their places in the list.
        count: [n] int64, how many outputs each has, at least 1.
        out: all outputs, those of a word adjacent and the most probable first; [sum of count].
        proven: [n] bool, whether these are the most probable outputs for certain.
    """

    rows: Indices
    count: Indices
    out: Decoded
    proven: Bool


def search_stream(
    engine: SearchEngine, bucket: LengthBucket, sources: Iterable[TokenizedChunk], search: Search
) -> Iterator[FoundWords]:
    """Search for the outputs of chunks of one bucket in a stream: whenever words end, waiting ones take their rows.

    Args:
        engine: the model.
        bucket: one of `engine.shapes`.
        sources: chunks of at most `bucket.chunk` words, none above `bucket.source_bytes`; taken when they are needed.
        search: what to look for.

    Yields:
        Every word once. An output that meets `bucket.target_bytes` without an EOS is flagged truncated.
    """
    stream = _SearchStream(engine, bucket, iter(sources), search)
    while stream.fill():
        stream.step()
        if stream.due:
            yield stream.release()
    if stream.has_ended:
        yield stream.release()


class _SearchStream:
    """Rows of a bucket's steps, and the words in them.

    A beginning is a node: the token at its end, and the node before it. What a node's step computed is in a slot of its
    row, at the node's depth; the best way on from a node goes on in its slot, and others copy what they need of it.
    """

    def __init__(
        self, engine: SearchEngine, bucket: LengthBucket, sources: Iterator[TokenizedChunk], search: Search
    ) -> None:
        self._engine, self._bucket, self._sources = engine, bucket, sources
        self._cache: Cache = None  # opened with the first word
        self._log_share = log(search.min_share) if search.min_share else -np.inf
        self._table = search_table(bucket, search.variants, search.allowance)
        self._free = np.arange(bucket.search_sources, dtype=np.int32)
        """Places for what is encoded of words."""
        self._waiting = TokenizedChunk(np.zeros(0, np.int64), np.zeros((0, 0), np.int32), np.zeros(0, np.int32))
        """Words that are encoded."""
        self._places: Int32 = np.zeros(0, np.int32)
        """Where these are."""
        self._vacant = np.arange(bucket.search_rows, dtype=np.int32)
        self._source_of = np.zeros(bucket.search_rows, np.int32)
        """Where what is encoded of a row's word is."""

    def fill(self) -> bool:
        """Give vacant rows to waiting words, encoding more when none wait; tell whether any word has a row."""
        while len(self._vacant) and (len(self._places) or self._encode()):
            self._seat(min(len(self._vacant), len(self._places)))
        return self._table.live > 0

    def step(self) -> None:
        """Extend the best beginning of every word, and choose the next one."""
        table = self._table
        if (forks := table.next_forks).size:
            self._engine.fork(self._cache, *forks)
        columns = table.next_columns
        tokens, logprob = self._engine.extend(self._cache, Rows(*columns[:4]), columns[4])
        self._engine.choose(tokens, logprob, table, self._log_share)
        if len(rows := table.vacated_rows):
            self._vacant = np.concatenate([self._vacant, rows])
            self._free = np.concatenate([self._free, self._source_of[rows]])

    @property
    def due(self) -> bool:
        """Whether what ended fills a batch."""
        return self._table.words_ended >= self._bucket.batch

    @property
    def has_ended(self) -> bool:
        """Whether words ended since the last call of `release`."""
        return self._table.words_ended > 0

    def release(self) -> FoundWords:
        """Return the words that ended since the last call, at least one."""
        words, count, proven, ids, logprob, length = self._table.take_ended()
        is_truncated = ids[np.arange(len(ids)), length - 1] != EOS
        return FoundWords(words, count, Decoded(ids, logprob, is_truncated), proven)

    def _seat(self, count: int) -> None:
        """Give vacant rows to the first waiting words."""
        waiting = self._waiting
        rows, self._vacant = self._vacant[:count], self._vacant[count:]
        places, self._places = self._places[:count], self._places[count:]
        self._table.seat(rows, waiting.rows[:count], waiting.lengths[:count], places)
        self._source_of[rows] = places
        self._waiting = TokenizedChunk(waiting.rows[count:], waiting.ids, waiting.lengths[count:])

    def _encode(self) -> bool:
        """Encode the next chunk into free slots, filled up to a rung with one-byte words in the scratch slot."""
        source = next(self._sources, None)
        if source is None:
            return False
        if self._cache is None:
            self._cache = self._engine.open_search(self._bucket)
        words, rung = len(source.rows), self._engine.shapes.rung(len(source.rows))
        slots = np.full(rung, self._bucket.search_sources, np.int32)
        slots[:words], self._free = self._free[:words], self._free[words:]
        lengths = np.ones(rung, np.int32)
        lengths[:words] = source.lengths
        ids = np.full((rung, int(source.lengths.max())), PAD, np.int32)
        ids[:words] = source.ids[:, : ids.shape[1]]
        ids[words:, 0] = BYTE_OFFSET
        self._engine.prefill(self._cache, self._engine.encode(self._bucket, ids, lengths), slots)
        self._waiting, self._places = source, slots[:words]
        return True
