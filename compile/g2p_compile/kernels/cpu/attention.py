"""Attention over words: short sequences, all in registers and the nearest cache.

Queries, keys and values lie as the products leave them, a row a position. A score is a sum over the width of a head:
one vector of partial sums for each of four keys, added up across lanes together. Only a word's own positions are read,
and what scores hold beyond its length is masked before use: neither padding nor a neighbour can change a bit of the
result.
"""

from functools import partial
from typing import Any

import numpy as np
from tvm import tirx
from tvm.tirx.script import builder as T

from g2p_compile.kernels.cpu.cells import Cells, choose_cells
from g2p_compile.kernels.kernel import Float32, Kernel, Packed, Site
from g2p_compile.kernels.vector import LOWEST, Expr, Lanes, buffer, kernel, lanes_dividing, prefetch, size

_KEYS = 4
"""Keys that are scored together."""
_QUERIES = {16: 2, 32: 4}
"""Queries of the encoder that are scored together, by registers: sums for each of their pairs with the keys."""
_VECTORS = 4
"""Vectors of the encoder's values that are summed together for those queries."""
_LINE = 64 // 4
"""Values of four bytes that one fetch brings."""


def _score_lanes(site: Site) -> Lanes:
    return Lanes(site.machine, site.machine.lanes)


def _whole(positions: int, lanes: Lanes) -> int:
    """Round up to whole vectors."""
    return -(-positions // lanes.lanes) * lanes.lanes


def _store_scores(scores: Any, row: Expr, start: Expr, sums: list[Expr]) -> None:
    """Store the scores of `_KEYS` keys: one vector, or numbers."""
    lanes = _KEYS // len(sums)
    for i, value in enumerate(sums):
        T.buffer_store(scores, value, [row, start + i if lanes == 1 else T.ramp(start, 1, lanes)])


def _softmax(lanes: Lanes, scores: Any, row: Expr, count: Expr, bias: Any) -> Expr:
    """Turn `count` (int32) scores into unnormalised weights, zero up to a whole vector; return 1 / their sum.

    `bias`, if any, gives the vector of biases of the keys from a position on.
    """
    whole = lanes.at(0)
    blocks = T.Bind((T.cast(count, "int64") + lanes.lanes - 1) // lanes.lanes)
    state = T.alloc_buffer((lanes.lanes,), "float32", scope="local")
    T.buffer_store(state, lanes.splat(LOWEST), [whole])
    with T.serial(0, blocks) as j:
        first = j * lanes.lanes
        score = scores[row, lanes.at(first)]
        if bias is not None:
            score = score + bias(first)
        score = lanes.named(lanes.first_lanes(count - T.cast(first, "int32"), score, LOWEST))
        T.buffer_store(scores, score, [row, lanes.at(first)])
        T.buffer_store(state, tirx.max(state[whole], score), [whole])
    top = lanes.max(state[whole])
    T.buffer_store(state, lanes.splat(0.0), [whole])
    with T.serial(0, blocks) as j:
        first = j * lanes.lanes
        weight = lanes.exp(scores[row, lanes.at(first)] - lanes.splat(top))
        weight = lanes.named(lanes.first_lanes(count - T.cast(first, "int32"), weight, 0.0))
        T.buffer_store(scores, weight, [row, lanes.at(first)])
        T.buffer_store(state, state[whole] + weight, [whole])
    return lanes.named(T.float32(1.0) / lanes.sum(state[whole]))


def encoder_attention(site: Site) -> Kernel:
    """`ops.encoder_attention`."""
    heads, reach = site.weights[0][0], (site.weights[0][1] + 1) // 2
    width = int(site.shapes[0][2]) // 3 // heads
    lanes, across = _score_lanes(site), lanes_dividing(site.machine, width)
    vectors, together = width // across.lanes, _QUERIES[site.machine.registers]
    share = next(n for n in range(_VECTORS, 0, -1) if vectors % n == 0)
    longest = _whole(site.limits.source_bytes, lanes)
    # The last vector of scores may reach beyond the longest word, and its biases are read before they are masked.
    table_width = 2 * reach + longest
    with kernel("encoder_attention") as built:
        words, length = size(), size()
        qkv = buffer("qkv", (words, length, 3 * heads * width))
        lengths = buffer("lengths", (words,), "int32")
        bias = buffer("bias", (heads, table_width))
        y = buffer("y", (words, length, heads * width))
        scores = T.alloc_buffer((together, longest), "float32")
        mixed = T.alloc_buffer((together * share * across.lanes,), "float32", scope="local")
        inverse = T.alloc_buffer((together,), "float32", scope="local")

        def part(kind: int, word: Expr, position: Expr, head: Expr, v: Expr) -> Expr:
            """Return vector v of a head's query (kind 0), key or value."""
            return qkv[word, position, across.at((kind * heads + head) * width + v * across.lanes)]

        with T.serial(0, words) as b, T.serial(0, heads) as h:
            count = T.Bind(lengths[b])
            own = T.Bind(T.cast(count, "int64"))
            with T.serial(0, (own + together - 1) // together) as group:
                first = T.Bind(group * together)
                queries = [T.Bind(tirx.min(first + i, own - 1)) for i in range(together)]
                with T.serial(0, (own + _KEYS - 1) // _KEYS) as j:
                    keys = [T.Bind(tirx.min(j * _KEYS + i, own - 1)) for i in range(_KEYS)]
                    sums = [[across.splat(0.0)] * _KEYS for _ in queries]
                    for v in range(vectors):
                        asked = [across.named(part(0, b, query, h, v)) for query in queries]
                        for k, key in enumerate(keys):
                            value = across.named(part(1, b, key, h, v))
                            for q in range(together):
                                sums[q][k] = across.named(across.fma(asked[q], value, sums[q][k]))
                    for q in range(together):
                        _store_scores(scores, q, j * _KEYS, across.four_sums(sums[q]))
                for q, query in enumerate(queries):
                    # The biases of a query's keys from its own place on.
                    near = partial(lambda query, at: bias[h, lanes.at(reach - 1 + at - query)], query)
                    T.buffer_store(inverse, _softmax(lanes, scores, q, count, near), [q])
                with T.serial(0, vectors // share) as outer:
                    indices = [across.at(i * across.lanes) for i in range(together * share)]
                    for index in indices:
                        T.buffer_store(mixed, across.splat(0.0), [index])
                    with T.serial(0, own) as j:
                        values = [across.named(part(2, b, j, h, outer * share + v)) for v in range(share)]
                        for q in range(together):
                            weight = across.named(across.splat(scores[q, j]))
                            for value, index in zip(values, indices[q * share : (q + 1) * share], strict=True):
                                T.buffer_store(mixed, across.fma(weight, value, mixed[index]), [index])
                    for q in range(together):
                        with T.If(first + q < own), T.Then():
                            for v, index in enumerate(indices[q * share : (q + 1) * share]):
                                at = across.at(h * width + (outer * share + v) * across.lanes)
                                T.buffer_store(y, mixed[index] * across.splat(inverse[q]), [b, first + q, at])
            # Rows of padding go through the products that follow: finite numbers keep those at full speed.
            with T.serial(0, length - own) as i, T.serial(0, vectors) as v:
                T.buffer_store(y, across.splat(0.0), [b, own + i, across.at(h * width + v * across.lanes)])

    def pad(table: Float32) -> tuple[Float32]:
        return (np.pad(table, ((0, 0), (0, table_width - table.shape[1]))),)

    return Kernel(built.get(), (Packed((heads, table_width), "float32"),), pad)


class _DecoderAttention:
    """Attention of one token a row to cached positions of its slot, all heads of a row together.

    Every head's keys of four positions are read before the next four: a slot is read from front to back.
    """

    def __init__(self, site: Site, reach: int) -> None:
        """Declare nothing yet; `reach` is the most positions there can be."""
        _, _, _, heads, width = site.shapes[-1]
        self.heads, self.width, self.reach = int(heads), int(width), reach
        self.cells: Cells = choose_cells(site.machine, site.dtype, self.width)
        self._lanes = _score_lanes(site)

    def declare(self) -> None:
        """Declare the cache as the next parameter."""
        self._slots, self._extent = size(), size()
        stored = self.cells.stored
        self._cache = buffer("cache", (2, self._slots, self._extent, self.heads, stored.width), stored.dtype)

    def allocate(self) -> None:
        """Make room for one row."""
        self._scores = T.alloc_buffer((self.heads, _whole(self.reach, self._lanes)), "float32")
        self._query = T.alloc_buffer((self.heads, self.width), "float32")
        self._mixed = T.alloc_buffer((self.heads, self.width), "float32")

    def append(self, slot: Expr, position: Expr, row: Any) -> None:
        """Store a position's keys and values: `row` gives the vector of them that begins at an index in [2*H*D]."""
        lanes = self.cells.lanes
        stored = Lanes(lanes.machine, lanes.lanes // self.cells.parts)
        for kind in range(2):
            with T.serial(0, self.heads) as h, T.serial(0, self.width // lanes.lanes) as v:
                values = lanes.named(row((kind * self.heads + h) * self.width + v * lanes.lanes))
                index = [kind, T.cast(slot, "int64"), position, h, stored.at(v * stored.lanes)]
                T.buffer_store(self._cache, self.cells.pack(values), index)

    def attend(self, slots: Any, row: Expr, count: Expr, query: Any, bias: Any, write: Any) -> None:
        """Emit the attention of a row to the first `count` (int64) positions of its slot; the next row's is fetched.

        Args:
            slots: int32, of all rows.
            row: which one.
            count: at least 1.
            query: gives the vector of the query that begins at an index in [H*D].
            bias: gives the biases of a head's keys from a position on, or None.
            write: stores a vector of the result that begins at an index in [H*D].
        """
        cells, lanes = self.cells, self.cells.lanes
        per_head = self.width // lanes.lanes // cells.parts
        last = slots.shape[0] - 1
        slot, following = (T.Bind(T.cast(slots[r], "int64")) for r in (row, tirx.min(row + 1, last)))

        def fetch(kind: int, keys: list[Expr], head: Expr) -> None:
            for key in keys:
                for at in range(0, cells.stored.width, _LINE):
                    prefetch(self._cache[kind, following, key, head, at])

        def start(v: int, p: int) -> int:
            return (v * cells.parts + p) * lanes.lanes

        def index(v: int, p: int) -> Expr:
            return lanes.at(start(v, p))

        def stored(kind: int, position: Expr, head: Expr, v: int) -> list[Expr]:
            return cells.unpack(self._cache[kind, slot, position, head, lanes.at(v * lanes.lanes)])

        with T.serial(0, self.heads) as h:
            for v in range(per_head):
                asked = [query(h * self.width + start(v, p)) for p in range(cells.parts)]
                for p, value in enumerate(cells.arrange([lanes.named(a) for a in asked])):
                    T.buffer_store(self._query, value, [h, index(v, p)])
                    T.buffer_store(self._mixed, lanes.splat(0.0), [h, index(v, p)])
        groups = T.Bind((count + _KEYS - 1) // _KEYS)
        with T.serial(0, groups) as j:
            keys = [T.Bind(tirx.min(j * _KEYS + i, count - 1)) for i in range(_KEYS)]
            with T.serial(0, self.heads) as h:
                fetch(0, keys, h)
                sums = [lanes.splat(0.0)] * _KEYS
                for v in range(per_head):
                    asked = [lanes.named(self._query[h, index(v, p)]) for p in range(cells.parts)]
                    for k, key in enumerate(keys):
                        for one, value in zip(asked, stored(0, key, h, v), strict=True):
                            sums[k] = lanes.named(lanes.fma(one, value, sums[k]))
                _store_scores(self._scores, h, j * _KEYS, lanes.four_sums(sums))
        inverse = T.alloc_buffer((self.heads,), "float32")
        with T.serial(0, self.heads) as h:
            own = None if bias is None else lambda at: bias(h, at)
            T.buffer_store(inverse, _softmax(self._lanes, self._scores, h, T.cast(count, "int32"), own), [h])
        with T.serial(0, groups) as j:
            # Beyond the last position it is read again, with weight zero.
            keys = [T.Bind(tirx.min(j * _KEYS + i, count - 1)) for i in range(_KEYS)]
            with T.serial(0, self.heads) as h:
                fetch(1, keys, h)
                weights = [lanes.named(lanes.splat(self._scores[h, j * _KEYS + i])) for i in range(_KEYS)]
                for v in range(per_head):
                    totals = [self._mixed[h, index(v, p)] for p in range(cells.parts)]
                    for weight, key in zip(weights, keys, strict=True):
                        for p, value in enumerate(stored(1, key, h, v)):
                            totals[p] = lanes.named(lanes.fma(weight, value, totals[p]))
                    for p, total in enumerate(totals):
                        T.buffer_store(self._mixed, total, [h, index(v, p)])
        with T.serial(0, self.heads) as h:
            for v in range(per_head):
                parts = [lanes.named(self._mixed[h, index(v, p)] * lanes.splat(inverse[h])) for p in range(cells.parts)]
                for p, value in enumerate(cells.restore(parts)):
                    write(h * self.width + start(v, p), value)


def self_attention(site: Site) -> Kernel:
    """`ops.self_attention`: the new key and value are written before they are read with the others."""
    heads, reach = site.weights[0]
    decoder = _DecoderAttention(site, site.limits.target_bytes)
    lanes, across, inner = _score_lanes(site), decoder.cells.lanes, heads * decoder.width
    # Entry reach-1-n of the packed table is the bias n tokens back, so that a vector of keys reads it forwards.
    table_width = reach + lanes.lanes
    with kernel("self_attention") as built:
        rows = size()
        qkv = buffer("qkv", (rows, 3 * inner))
        slot = buffer("slot", (rows,), "int32")
        position = buffer("position", (rows,), "int32")
        decoder.declare()
        bias = buffer("bias", (heads, table_width))
        y = buffer("y", (rows, inner))
        decoder.allocate()
        with T.serial(0, rows) as r:
            now = T.Bind(T.cast(position[r], "int64"))
            decoder.append(slot[r], now, lambda at: qkv[r, across.at(inner + at)])
            decoder.attend(
                slot,
                r,
                now + 1,
                query=lambda at: qkv[r, across.at(at)],
                bias=lambda h, at: bias[h, lanes.at(reach - 1 - now + at)],
                write=lambda at, value: T.buffer_store(y, value, [r, across.at(at)]),
            )

    def reverse(table: Float32) -> tuple[Float32]:
        return (np.ascontiguousarray(np.pad(table[:, ::-1], ((0, 0), (0, lanes.lanes)))),)

    return Kernel(built.get(), (Packed((heads, table_width), "float32"),), reverse)


def cross_attention(site: Site) -> Kernel:
    """`ops.cross_attention`."""
    decoder = _DecoderAttention(site, site.limits.source_bytes)
    across, inner = decoder.cells.lanes, decoder.heads * decoder.width
    with kernel("cross_attention") as built:
        rows = size()
        q = buffer("q", (rows, inner))
        slot = buffer("slot", (rows,), "int32")
        lengths = buffer("lengths", (rows,), "int32")
        decoder.declare()
        y = buffer("y", (rows, inner))
        decoder.allocate()
        with T.serial(0, rows) as r:
            decoder.attend(
                slot,
                r,
                T.Bind(T.cast(lengths[r], "int64")),
                query=lambda at: q[r, across.at(at)],
                bias=None,
                write=lambda at, value: T.buffer_store(y, value, [r, across.at(at)]),
            )
    return Kernel(built.get())
