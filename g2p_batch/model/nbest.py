"""The most probable outputs of words, proven: best-first search over beginnings, many words at a time.

Probabilities only fall as an output grows, so when the most probable beginning that is open is a whole output, no other
can be more probable. A word has one row and extends one beginning at a step, the best that it has open; what a row does
depends on its word alone. The steps of 256 words are one call of the engine.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import log
from typing import Any

import numpy as np
import numpy.typing as npt

from g2p_batch.errors import UsageError
from g2p_batch.model.contract import MOST_VARIANTS, SLOTS_OF_ROW, LengthBucket
from g2p_batch.model.greedy import Cache, Decoded, Indices, Rows, TokenizedChunk
from g2p_batch.model.ids import BYTE_OFFSET, EOS, PAD, START, Bool, Float32, Int32
from g2p_batch.model.search_engine import SearchEngine

_OPEN = 64
"""Beginnings that a word can have open; a worse one that finds no place is remembered by its probability."""
_NOTHING = np.float32(-np.inf)
Short = npt.NDArray[np.int16]
_LOWEST = np.finfo(np.float32).min


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
    """Rows of a bucket's steps, the words in them, and what each word has open.

    A beginning is a node: the token at its end, and the node before it. What a node's step computed is in a slot of its
    row, at the node's depth; the best way on from a node goes on in its slot, and others copy what they need of it.
    """

    def __init__(
        self, engine: SearchEngine, bucket: LengthBucket, sources: Iterator[TokenizedChunk], search: Search
    ) -> None:
        self._engine, self._bucket, self._sources, self._search = engine, bucket, sources, search
        self._cache: Cache = None  # opened with the first word
        self._log_share = np.float32(log(search.min_share)) if search.min_share else _NOTHING
        size, slots = bucket.search_rows, SLOTS_OF_ROW
        self._live = 0
        self._free = np.arange(bucket.search_sources, dtype=np.int32)
        """Places for what is encoded of words."""
        self._waiting: list[tuple[int, int, int]] = []
        """Words that are encoded, the next one last: place in the list, slot and length of the source."""
        self._word = np.zeros(size, np.int64)
        self._base = np.arange(size, dtype=np.int32) * slots
        """The first of a row's own slots."""
        self._rows = np.zeros((5, size), np.int32)
        """The columns of `Rows`, and the slot of the source."""
        nodes = search.allowance + 1
        self._node_token = np.zeros((size, nodes), np.int16)
        self._node_parent = np.zeros((size, nodes), np.int16)
        self._node_depth = np.zeros((size, nodes), np.int16)
        self._node_slot = np.zeros((size, nodes), np.int8)
        self._nodes = np.zeros(size, np.int64)
        self._logprob = np.zeros(size, np.float32)
        """Of the node that is extended."""
        self._filled = np.zeros((size, slots), np.int16)
        """Positions that a slot has."""
        self._open_logprob = np.full((size, _OPEN), _NOTHING)
        self._open_token = np.zeros((size, _OPEN), np.int16)
        self._open_parent = np.zeros((size, _OPEN), np.int16)
        self._lost = np.full(size, _NOTHING)
        """The most probable of what found no place."""
        self._least = np.full(size, _NOTHING)
        """What is less probable than this is not looked for."""
        self._diving = np.zeros(size, np.bool_)
        """Whether no output is whole yet: the best token is taken, step by step, until one is."""
        self._whole_logprob = np.full(size, _NOTHING)
        self._whole_parent = np.zeros(size, np.int16)
        """The best whole output that was opened."""
        self._found = np.zeros(size, np.int64)
        self._found_logprob = np.zeros((size, search.variants), np.float32)
        self._found_token = np.zeros((size, search.variants), np.int16)
        self._found_parent = np.zeros((size, search.variants), np.int16)
        self._states = (
            *(self._word, self._base, self._rows.T, self._node_token, self._node_parent, self._node_depth),
            *(self._node_slot, self._nodes, self._logprob, self._filled, self._open_logprob, self._open_token),
            *(self._open_parent, self._lost, self._least, self._found, self._found_logprob, self._found_token),
            *(self._found_parent, self._diving, self._whole_logprob, self._whole_parent),
        )
        """All that a row has, for when it moves."""
        self._vacant = np.arange(size)
        self._forks: list[tuple[int, int, int]] = []
        self._ended: list[FoundWords] = []

    def fill(self) -> bool:
        """Give vacant rows to waiting words, encoding more when none wait; tell whether any word has a row."""
        vacant = self._vacant
        seated = []
        for row in vacant.tolist():
            if not self._waiting and not self._encode():
                break
            word, slot, length = self._waiting.pop()
            self._word[row], self._rows[3, row], self._rows[4, row] = word, length, slot
            seated.append(row)
        if seated:
            rows = np.array(seated)
            self._live = max(self._live, seated[-1] + 1)
            for column in (self._nodes, self._found):
                column[rows] = 0
            for values in (self._open_logprob, self._lost, self._least, self._whole_logprob):
                values[rows] = _NOTHING
            self._filled[rows], self._diving[rows] = 0, True
            begin = np.zeros(len(rows), np.int64)
            self._extend(rows, begin + START, begin, begin, np.zeros(len(rows), np.float32))
        self._close_ranks(vacant[len(seated) :])
        self._vacant = np.zeros(0, np.int64)
        return self._live > 0

    def step(self) -> None:
        """Extend the best beginning of every word, and choose the next one."""
        live = self._live
        if self._forks:
            origin, target, count = (np.array(column, np.int32) for column in zip(*self._forks, strict=True))
            self._engine.fork(self._cache, origin, target, count)
            self._forks = []
        columns = np.ascontiguousarray(self._rows[:, :live])
        tokens, gain = self._engine.extend(self._cache, Rows(*columns[:4]), columns[4])
        self._put(self._logprob[:live, None] + gain, tokens)
        self._choose(np.arange(live))

    @property
    def due(self) -> bool:
        """Whether what ended fills a batch."""
        return sum(len(ended.rows) for ended in self._ended) >= self._bucket.batch

    @property
    def has_ended(self) -> bool:
        """Whether words ended since the last call of `release`."""
        return bool(self._ended)

    def release(self) -> FoundWords:
        """Return the words that ended since the last call, at least one."""
        ended, self._ended = self._ended, []
        longest = max(one.out.ids.shape[1] for one in ended)
        ids = [np.pad(one.out.ids, ((0, 0), (0, longest - one.out.ids.shape[1]))) for one in ended]
        rows, count, proven = (
            np.concatenate([getattr(one, name) for one in ended]) for name in ("rows", "count", "proven")
        )
        logprob = np.concatenate([one.out.logprob for one in ended])
        truncated = np.concatenate([one.out.truncated for one in ended])
        return FoundWords(rows, count, Decoded(np.concatenate(ids), logprob, truncated), proven)

    def _put(self, logprob: Float32, tokens: Int32) -> None:
        """Open ways on from the nodes of all rows, [live, K], in the places of what is least probable."""
        live, most = tokens.shape
        rows = np.arange(live)[:, None]
        least = self._least[:live, None]
        logprob = np.where(logprob < least, _NOTHING, logprob)
        at = np.argpartition(self._open_logprob[:live], most - 1, axis=1)[:, :most]
        before = self._open_logprob[rows, at]
        better = logprob > before
        lost = np.where(better, before, logprob).max(1)
        # Of the tokens behind the K best none is more probable than the last of these.
        self._lost[:live] = np.maximum(self._lost[:live], np.maximum(lost, logprob[:, -1]))
        row, way = better.nonzero()
        place = at[row, way]
        self._open_logprob[row, place] = logprob[row, way]
        self._open_token[row, place] = tokens[row, way]
        self._open_parent[row, place] = self._nodes[row] - 1
        # The best output is at least as probable as any that is whole.
        whole = np.where(tokens == EOS, logprob, _NOTHING).max(1)
        self._least[:live] = np.maximum(self._least[:live], whole + self._log_share)
        best = np.flatnonzero(whole > self._whole_logprob[:live])
        self._whole_logprob[best], self._whole_parent[best] = whole[best], self._nodes[best] - 1

    def _choose(self, rows: Indices) -> None:
        """Take the best that each of some rows has open: whole outputs are found, and a beginning is extended next."""
        ending: list[Indices] = []
        while len(rows):
            at = self._best(rows)
            logprob = self._open_logprob[rows, at]
            done = (logprob < self._least[rows]) | (logprob == _NOTHING) | (self._found[rows] == self._search.variants)
            ending.append(rows[done])
            rows, at, logprob = rows[~done], at[~done], logprob[~done]
            token, parent = self._open_token[rows, at], self._open_parent[rows, at]
            depth = self._node_depth[rows, parent] + 1
            whole = (token == EOS) | (depth == self._bucket.target_bytes)
            spent = ~whole & (self._nodes[rows] > self._search.allowance)
            ending.append(rows[spent])
            for row in rows[spent].tolist():
                self._find_open(row)
            taken = ~spent
            self._open_logprob[rows[taken], at[taken]] = _NOTHING
            self._find(rows[whole], token[whole], parent[whole], logprob[whole])
            going = taken & ~whole
            self._extend(rows[going], token[going], parent[going], depth[going], logprob[going])
            rows = rows[whole]
        self._end(np.sort(np.concatenate(ending)))

    def _best(self, rows: Indices) -> Indices:
        """Return what each of some rows has open that is looked at next: the best, or in a dive the best way on."""
        scores, parent = self._open_logprob[rows], self._nodes[rows] - 1
        best: Indices = scores.argmax(1)
        dive = self._diving[rows]
        if not dive.any():
            return best
        on = np.where(self._open_parent[rows] == parent[:, None], scores, _NOTHING)
        way = on.argmax(1)
        number = np.arange(len(rows))
        is_over = (self._open_token[rows, way] == EOS) | (on[number, way] == _NOTHING)
        is_over |= self._node_depth[rows, parent] + 1 == self._bucket.target_bytes
        self._diving[rows] = dive & ~is_over
        return np.where(dive & ~is_over, way, best)

    def _find_open(self, row: int) -> None:
        """Take the whole outputs that a row has open, when nothing more is extended."""
        is_whole = (self._open_token[row] == EOS) & (self._open_logprob[row] >= max(self._least[row], _LOWEST))
        whole = np.flatnonzero(is_whole)
        order = whole[np.argsort(-self._open_logprob[row, whole], kind="stable")]
        for at in order[: self._search.variants - self._found[row]].tolist():
            one = slice(at, at + 1)
            logprob = self._open_logprob[row, one]
            self._find(np.array([row]), self._open_token[row, one], self._open_parent[row, one], logprob)
            self._lost[row] = np.inf

    def _find_whole(self, rows: Indices) -> None:
        token = np.full(len(rows), EOS, np.int16)
        self._find(rows, token, self._whole_parent[rows], self._whole_logprob[rows])

    def _find_cut(self, rows: Indices) -> None:
        at = self._open_logprob[rows].argmax(1)
        logprob = self._open_logprob[rows, at]
        self._find(rows, self._open_token[rows, at], self._open_parent[rows, at], logprob)

    def _find(self, rows: Indices, token: Short, parent: Short, logprob: Float32) -> None:
        """Remember a whole output of each of some rows."""
        number = self._found[rows]
        self._found_logprob[rows, number] = logprob
        self._found_token[rows, number], self._found_parent[rows, number] = token, parent
        self._found[rows] += 1
        self._least[rows] = np.maximum(self._least[rows], logprob + np.where(number == 0, self._log_share, _NOTHING))

    def _extend(self, rows: Indices, token: Any, parent: Any, depth: Any, logprob: Float32) -> None:
        """Make a node of each of some rows, which the next step extends."""
        number = self._nodes[rows]
        self._node_token[rows, number], self._node_parent[rows, number] = token, parent
        self._node_depth[rows, number], self._logprob[rows] = depth, logprob
        slot = np.where(number == 0, 0, self._node_slot[rows, parent])
        for at in np.flatnonzero(self._filled[rows, slot] != depth).tolist():
            slot[at] = self._fork(int(rows[at]), int(slot[at]), int(depth[at]))
        self._node_slot[rows, number] = slot
        self._filled[rows, slot] = depth + 1
        self._nodes[rows] += 1
        self._rows[0, rows], self._rows[1, rows], self._rows[2, rows] = token, depth, self._base[rows] + slot

    def _fork(self, row: int, origin: int, depth: int) -> int:
        """Return a slot of a row that will have the first positions of another."""
        is_open = np.flatnonzero(self._open_logprob[row] >= max(self._least[row], _LOWEST))
        slots = self._node_slot[row, self._open_parent[row, is_open]]
        best = np.full(SLOTS_OF_ROW, _NOTHING)
        np.maximum.at(best, slots, self._open_logprob[row, is_open])
        best[origin] = np.inf
        target = int(best.argmin())
        if best[target] > _NOTHING:  # all are needed: what is open in the worst of them is given up
            self._lost[row] = max(self._lost[row], best[target])
            self._open_logprob[row, is_open[slots == target]] = _NOTHING
        base = int(self._base[row])
        self._forks.append((base + origin, base + target, depth))
        return target

    def _end(self, rows: Indices) -> None:
        """Take the outputs of rows whose search is over, and vacate them."""
        if not len(rows):
            return
        empty = rows[self._found[rows] == 0]
        if len(empty):  # nothing was found in time: the best whole output, or the best beginning, cut off
            is_whole = self._whole_logprob[empty] > _NOTHING
            self._find_whole(empty[is_whole])
            self._find_cut(empty[~is_whole])
        count = self._found[rows]
        of, number = np.repeat(rows, count), np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
        last, node = self._found_token[of, number], self._found_parent[of, number].astype(np.int64)
        depth = self._node_depth[of, node].astype(np.int64)
        ids = np.zeros((len(of), int(depth.max()) + 1), np.int32)
        ids[np.arange(len(of)), depth] = last
        for _ in range(ids.shape[1]):
            deep = (depth > 0).nonzero()[0]
            if not len(deep):
                break
            depth[deep] -= 1
            ids[deep, depth[deep]] = self._node_token[of[deep], node[deep]]
            node[deep] = self._node_parent[of[deep], node[deep]]
        logprob = self._found_logprob[of, number]
        whole = self._found[rows] == self._search.variants
        bound = np.where(whole, self._found_logprob[rows, count - 1], self._least[rows])
        open_best = self._open_logprob[rows].max(1)
        proven = (self._lost[rows] <= bound) & (whole | (open_best < self._least[rows]) | (open_best == _NOTHING))
        out = Decoded(ids, logprob, last != EOS)
        self._ended.append(FoundWords(self._word[rows], count, out, proven))
        self._free = np.concatenate([self._free, self._rows[4, rows]])
        self._vacant = rows

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
        columns = (source.rows.tolist(), slots[:words].tolist(), source.lengths.tolist())
        self._waiting = [*zip(*columns, strict=True)][::-1]
        return True

    def _close_ranks(self, vacant: Indices) -> None:
        """Move the rows behind vacant ones up, in their order; no further word comes."""
        vacant = vacant[vacant < self._live]
        if not len(vacant):
            return
        order = np.concatenate([np.delete(np.arange(self._live), vacant), vacant])
        for state in self._states:
            state[: self._live] = state[order]
        self._live -= len(vacant)
