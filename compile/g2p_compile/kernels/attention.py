"""Attention over words: short sequences, one head of one word at a time.

Keys are kept in blocks of as many positions as a vector has lanes, [block, D, lanes], so that a vector of scores is a
chain of multiply-adds with no sum across lanes. Only a word's own positions are ever read, and what lies beyond its
length in the last block is masked before use: neither padding nor a neighbour can change a bit of the result.
"""

from typing import Any

import numpy as np
from tvm import tirx
from tvm.tirx.script import builder as T

from g2p_compile.kernels.kernel import Float32, Kernel, Packed, Site
from g2p_compile.kernels.vector import LOWEST, Expr, Lanes, buffer, kernel, lanes_dividing, size

_QUERIES = 8
"""Queries of the encoder that share a pass over the keys: enough chains to hide the latency of a multiply-add."""
_MIXED = 4
"""Queries that share a pass over the values."""
_CHAINS = 4
"""Partial sums of one query's scores in the decoder."""


def _blocks(positions: int, lanes: int) -> int:
    return -(-positions // lanes)


def _score_lanes(site: Site) -> Lanes:
    return Lanes(site.machine, site.machine.lanes)


def _flat(cache: Any) -> Any:
    """Return a one-dimensional view of a cache [2, N, H, C, D]."""
    total = cache.shape[0]
    for extent in cache.shape[1:]:
        total = total * extent
    return T.decl_buffer((total,), "float32", data=cache.data)


def _head_start(cache: Any, kind: int, slot: Expr, head: Expr) -> Expr:
    """Return where the keys (kind 0) or values (1) of a slot's head begin."""
    _, slots, heads, reach, width = cache.shape
    return (((kind * slots + T.cast(slot, "int64")) * heads + head) * reach) * width


def _softmax(lanes: Lanes, scores: Any, row: Expr, blocks: Expr, count: Expr) -> Expr:
    """Turn a row of scores into unnormalised weights, zero from `count` (int32) on; return 1 / their sum."""
    whole = lanes.at(0)
    state = T.alloc_buffer((lanes.lanes,), "float32", scope="local")
    T.buffer_store(state, lanes.splat(LOWEST), [whole])
    with T.serial(0, blocks) as j:
        T.buffer_store(state, tirx.max(state[whole], scores[row, lanes.at(j * lanes.lanes)]), [whole])
    top = lanes.max(state[whole])
    T.buffer_store(state, lanes.splat(0.0), [whole])
    with T.serial(0, blocks) as j:
        place = lanes.at(j * lanes.lanes)
        weight = lanes.exp(scores[row, place] - lanes.splat(top))
        left = count - T.cast(j * lanes.lanes, "int32")
        weight = lanes.named(lanes.first_lanes(left, weight, 0.0))
        T.buffer_store(scores, weight, [row, place])
        T.buffer_store(state, state[whole] + weight, [whole])
    return lanes.named(T.float32(1.0) / lanes.sum(state[whole]))


def encoder_attention(site: Site) -> Kernel:
    """`ops.encoder_attention`."""
    heads, reach = site.weights[0][0], (site.weights[0][1] + 1) // 2
    width = int(site.shapes[0][2]) // 3 // heads
    lanes, across = _score_lanes(site), lanes_dividing(site.machine, width)
    longest = _blocks(site.limits.source_bytes, lanes.lanes) * lanes.lanes
    # The last block of keys may reach beyond the longest word, and its biases are read before they are masked.
    table_width = reach + longest
    with kernel("encoder_attention") as built:
        words, length = size(), size()
        qkv = buffer("qkv", (words, length, 3 * heads * width))
        lengths = buffer("lengths", (words,), "int32")
        bias = buffer("bias", (heads, table_width + reach))
        y = buffer("y", (words, length, heads * width))
        keys = T.alloc_buffer((longest // lanes.lanes, width, lanes.lanes), "float32")
        scores = T.alloc_buffer((_QUERIES, longest), "float32")
        sums = T.alloc_buffer((_QUERIES * lanes.lanes,), "float32", scope="local")
        mixed = T.alloc_buffer((_MIXED * across.lanes,), "float32", scope="local")
        inverse = T.alloc_buffer((_QUERIES,), "float32", scope="local")
        with T.serial(0, words) as b, T.serial(0, heads) as h:
            count = T.Bind(lengths[b])
            own = T.Bind(T.cast(count, "int64"))
            blocks = T.Bind((own + lanes.lanes - 1) // lanes.lanes)
            with T.serial(0, own) as j, T.serial(0, width) as d:
                key = qkv[b, j, (heads + h) * width + d]
                T.buffer_store(keys, key, [j // lanes.lanes, d, j % lanes.lanes])
            with T.serial(0, (own + _QUERIES - 1) // _QUERIES) as group:
                first = T.Bind(group * _QUERIES)
                queries = [T.Bind(tirx.min(first + i, own - 1)) for i in range(_QUERIES)]
                with T.serial(0, blocks) as j:
                    for i in range(_QUERIES):
                        T.buffer_store(sums, lanes.splat(0.0), [lanes.at(i * lanes.lanes)])
                    with T.serial(0, width) as d:
                        column = lanes.named(keys[j, d, lanes.at(0)])
                        for i, query in enumerate(queries):
                            place = lanes.at(i * lanes.lanes)
                            value = lanes.splat(qkv[b, query, h * width + d])
                            T.buffer_store(sums, lanes.fma(value, column, sums[place]), [place])
                    for i, query in enumerate(queries):
                        near = bias[h, lanes.at(reach - 1 + j * lanes.lanes - query)]
                        score = sums[lanes.at(i * lanes.lanes)] + near
                        left = count - T.cast(j * lanes.lanes, "int32")
                        T.buffer_store(scores, lanes.first_lanes(left, score, LOWEST), [i, lanes.at(j * lanes.lanes)])
                for i in range(_QUERIES):
                    T.buffer_store(inverse, _softmax(lanes, scores, i, blocks, count), [i])
                with T.serial(0, _QUERIES // _MIXED) as part, T.serial(0, width // across.lanes) as v:
                    for i in range(_MIXED):
                        T.buffer_store(mixed, across.splat(0.0), [across.at(i * across.lanes)])
                    with T.serial(0, own) as j:
                        value = across.named(qkv[b, j, across.at((2 * heads + h) * width + v * across.lanes)])
                        for i in range(_MIXED):
                            place = across.at(i * across.lanes)
                            weight = across.splat(scores[part * _MIXED + i, j])
                            T.buffer_store(mixed, across.fma(weight, value, mixed[place]), [place])
                    for i in range(_MIXED):
                        query = first + part * _MIXED + i
                        with T.If(query < own), T.Then():
                            result = mixed[across.at(i * across.lanes)] * across.splat(inverse[part * _MIXED + i])
                            T.buffer_store(y, result, [b, query, across.at(h * width + v * across.lanes)])
            # Rows of padding go through the products that follow: finite numbers keep those at full speed.
            with T.serial(0, length - own) as i, T.serial(0, width // across.lanes) as v:
                T.buffer_store(y, across.splat(0.0), [b, own + i, across.at(h * width + v * across.lanes)])

    def pad(table: Float32) -> tuple[Float32]:
        return (np.pad(table, ((0, 0), (0, table_width + reach - table.shape[1]))),)

    return Kernel(built.get(), (Packed((heads, table_width + reach), "float32"),), pad)


def cache_source(site: Site) -> Kernel:
    """`ops.cache_source`: keys into blocks, values row by row."""
    _, _, heads, _, width = site.shapes[2]
    heads, width = int(heads), int(width)
    lanes, across = _score_lanes(site), lanes_dividing(site.machine, width)
    with kernel("cache_source") as built:
        words, length, slots, reach = size(), size(), size(), size()
        pairs = buffer("keys_values", (words, length, 2 * heads * width))
        slot = buffer("slot", (words,), "int32")
        cache = buffer("cache", (2, slots, heads, reach, width))
        flat = _flat(cache)
        with T.serial(0, words) as b, T.serial(0, heads) as h:
            keys = T.Bind(_head_start(cache, 0, slot[b], h))
            values = T.Bind(_head_start(cache, 1, slot[b], h))
            with T.serial(0, length) as j:
                with T.serial(0, width) as d:
                    place = keys + (j // lanes.lanes) * (width * lanes.lanes) + d * lanes.lanes + j % lanes.lanes
                    T.buffer_store(flat, pairs[b, j, h * width + d], [place])
                with T.serial(0, width // across.lanes) as v:
                    value = pairs[b, j, across.at((heads + h) * width + v * across.lanes)]
                    T.buffer_store(flat, value, [across.at(values + j * width + v * across.lanes)])
    return Kernel(built.get())


def _attend(
    site: Site, query: Any, cache: Any, starts: tuple[Expr, Expr], count: Expr, reach: int, bias: Any, write: Any
) -> None:
    """Emit the attention of one query to the first `count` cached positions of one head.

    Args:
        site: where the kernel runs.
        query: gives the query's value at an index of the head.
        cache: flat view of the cache.
        starts: where the head's keys and values begin in it.
        count: number of positions, int64.
        reach: most positions there can be.
        bias: gives the vector of biases for the keys of a block, or None.
        write: stores a vector of the result at an index of the head.
    """
    width = int(site.shapes[-1][4])
    lanes, across = _score_lanes(site), lanes_dividing(site.machine, width)
    chains = _CHAINS if width % _CHAINS == 0 else 1
    scores = T.alloc_buffer((1, _blocks(reach, lanes.lanes) * lanes.lanes), "float32")
    sums = T.alloc_buffer((chains * lanes.lanes,), "float32", scope="local")
    mixed = T.alloc_buffer((width,), "float32", scope="local")
    keys, values = starts
    blocks = T.Bind((count + lanes.lanes - 1) // lanes.lanes)
    with T.serial(0, blocks) as j:
        places = [lanes.at(c * lanes.lanes) for c in range(chains)]
        for place in places:
            T.buffer_store(sums, lanes.splat(0.0), [place])
        with T.serial(0, width // chains) as d:
            for c, place in enumerate(places):
                column = cache[lanes.at(keys + (j * width + d * chains + c) * lanes.lanes)]
                T.buffer_store(sums, lanes.fma(lanes.splat(query(d * chains + c)), column, sums[place]), [place])
        score = sums[places[0]]
        for place in places[1:]:
            score = score + sums[place]
        if bias is not None:
            score = score + bias(j)
        left = T.cast(count - j * lanes.lanes, "int32")
        T.buffer_store(scores, lanes.first_lanes(left, score, LOWEST), [0, lanes.at(j * lanes.lanes)])
    inverse = _softmax(lanes, scores, 0, blocks, T.cast(count, "int32"))
    parts = [across.at(v * across.lanes) for v in range(width // across.lanes)]
    for part in parts:
        T.buffer_store(mixed, across.splat(0.0), [part])
    with T.serial(0, count) as j:
        weight = across.named(across.splat(scores[0, j]))
        for v, part in enumerate(parts):
            value = cache[across.at(values + j * width + v * across.lanes)]
            T.buffer_store(mixed, across.fma(weight, value, mixed[part]), [part])
    for v, part in enumerate(parts):
        write(v * across.lanes, mixed[part] * across.splat(inverse), across)


def self_attention(site: Site) -> Kernel:
    """`ops.self_attention`: the new key and value are written before they are read with the others."""
    heads, reach = site.weights[0]
    width = int(site.shapes[-1][4])
    lanes, across = _score_lanes(site), lanes_dividing(site.machine, width)
    # Entry reach-1-n of the packed table is the bias n tokens back, so that a block of keys reads it forwards.
    table_width = reach + lanes.lanes
    with kernel("self_attention") as built:
        rows, slots, extent = size(), size(), size()
        qkv = buffer("qkv", (rows, 3 * heads * width))
        slot = buffer("slot", (rows,), "int32")
        position = buffer("position", (rows,), "int32")
        cache = buffer("cache", (2, slots, heads, extent, width))
        bias = buffer("bias", (heads, table_width))
        y = buffer("y", (rows, heads * width))
        flat = _flat(cache)
        with T.serial(0, rows) as r, T.serial(0, heads) as h:
            keys = T.Bind(_head_start(cache, 0, slot[r], h))
            values = T.Bind(_head_start(cache, 1, slot[r], h))
            now = T.Bind(T.cast(position[r], "int64"))
            with T.serial(0, width) as d:
                place = keys + (now // lanes.lanes) * (width * lanes.lanes) + d * lanes.lanes + now % lanes.lanes
                T.buffer_store(flat, qkv[r, (heads + h) * width + d], [place])
            with T.serial(0, width // across.lanes) as v:
                value = qkv[r, across.at((2 * heads + h) * width + v * across.lanes)]
                T.buffer_store(flat, value, [across.at(values + now * width + v * across.lanes)])
            _attend(
                site,
                query=lambda d: qkv[r, h * width + d],
                cache=flat,
                starts=(keys, values),
                count=now + 1,
                reach=site.limits.target_bytes,
                bias=lambda j: bias[h, lanes.at(reach - 1 - now + j * lanes.lanes)],
                write=lambda at, value, vector: T.buffer_store(y, value, [r, vector.at(h * width + at)]),
            )

    def reverse(table: Float32) -> tuple[Float32]:
        return (np.ascontiguousarray(np.pad(table[:, ::-1], ((0, 0), (0, lanes.lanes)))),)

    return Kernel(built.get(), (Packed((heads, table_width), "float32"),), reverse)


def cross_attention(site: Site) -> Kernel:
    """`ops.cross_attention`."""
    _, _, heads, _, width = site.shapes[-1]
    heads, width = int(heads), int(width)
    with kernel("cross_attention") as built:
        rows, slots, extent = size(), size(), size()
        q = buffer("q", (rows, heads * width))
        slot = buffer("slot", (rows,), "int32")
        lengths = buffer("lengths", (rows,), "int32")
        cache = buffer("cache", (2, slots, heads, extent, width))
        y = buffer("y", (rows, heads * width))
        flat = _flat(cache)
        with T.serial(0, rows) as r, T.serial(0, heads) as h:
            _attend(
                site,
                query=lambda d: q[r, h * width + d],
                cache=flat,
                starts=(T.Bind(_head_start(cache, 0, slot[r], h)), T.Bind(_head_start(cache, 1, slot[r], h))),
                count=T.Bind(T.cast(lengths[r], "int64")),
                reach=site.limits.source_bytes,
                bias=None,
                write=lambda at, value, vector: T.buffer_store(y, value, [r, vector.at(h * width + at)]),
            )
    return Kernel(built.get())
