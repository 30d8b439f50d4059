"""The last product of a step: the logits of a group of rows stay local, only what is chosen by them leaves."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from typing import Any

from tvm import tirx
from tvm.tirx.script import builder as T

from g2p_compile.kernels.cpu.gemm import Product, choose_operands, packer
from g2p_compile.kernels.kernel import Kernel, Site
from g2p_compile.kernels.vector import LOWEST, Expr, Lanes, buffer, kernel, size
from g2p_compile.program import CHOICES


@dataclass(frozen=True)
class _Logits:
    """The logits of one row, in vectors of `lanes`, and what makes log-probabilities of them."""

    lanes: Lanes
    buffer: Any
    place: Expr
    """Which row of the buffer it is."""
    top: Expr
    """The largest logit."""
    normal: Expr
    """Logarithm of the sum of e**(logit - top)."""

    @property
    def tokens(self) -> int:
        """Size of the vocabulary."""
        return int(self.buffer.shape[1])

    @property
    def vectors(self) -> int:
        """How many hold the vocabulary."""
        return self.tokens // self.lanes.lanes

    def vector(self, v: Expr) -> Expr:
        """Return the logits of `lanes` tokens."""
        return self.buffer[self.place, self.lanes.at(v * self.lanes.lanes)]

    def one(self, token: Expr) -> Expr:
        """Return the logit of a token."""
        return self.buffer[self.place, token]


Choose = Callable[[_Logits, Any, Any, Expr], None]
"""Stores what is chosen by logits: takes the buffers of tokens and log-probabilities, and the row of both."""


def _head(name: str, site: Site, choices: tuple[int, ...], choose: Choose) -> Kernel:
    """Build a head that gives tokens and log-probabilities, each [R, *choices]."""
    vocabulary, inner = site.weights[-1]
    epsilon, scale = site.constants
    layout, operands = choose_operands(site, vocabulary, 1, True)
    tile = layout.tile
    lanes, group = tile.lanes, tile.group
    one = Lanes(site.machine, 1)
    with kernel(name) as built:
        rows = size()
        x = buffer("x", (rows, inner))
        weight = operands.declare()
        token = buffer("token", (rows, *choices), "int32")
        logprob = buffer("logprob", (rows, *choices))
        logits = T.alloc_buffer((group, vocabulary), "float32")
        largest = T.alloc_buffer((lanes.lanes,), "float32", scope="local")
        total = T.alloc_buffer((lanes.lanes,), "float32", scope="local")

        def store(row: Expr, block: Expr, values: list[Expr]) -> None:
            for v, value in enumerate(values):
                index = lanes.at((block * tile.vectors + v) * lanes.lanes)
                T.buffer_store(logits, value * lanes.splat(scale), [row % group, index])

        def finish(first: Expr, end: Expr) -> None:
            whole = lanes.at(0)
            with T.serial(0, end - first) as i:
                T.buffer_store(largest, logits[i, whole], [whole])
                with T.serial(0, vocabulary // lanes.lanes) as v:
                    T.buffer_store(largest, tirx.max(largest[whole], logits[i, lanes.at(v * lanes.lanes)]), [whole])
                top = lanes.max(largest[whole])
                T.buffer_store(total, lanes.splat(0.0), [whole])
                with T.serial(0, vocabulary // lanes.lanes) as v:
                    shifted = logits[i, lanes.at(v * lanes.lanes)] - lanes.splat(top)
                    T.buffer_store(total, total[whole] + lanes.exp(shifted), [whole])
                normal = one.named(one.log(lanes.sum(total[whole])))
                choose(_Logits(lanes, logits, i, top, normal), token, logprob, first + i)

        Product(layout, operands, x, weight, epsilon).run(store, finish_rows=finish)
    return Kernel(built.get(), operands.packed(), packer(operands, True))


def greedy_head(site: Site) -> Kernel:
    """`ops.greedy_head`."""
    return _head("greedy_head", site, (), _choose_best)


def _choose_best(logits: _Logits, token: Any, logprob: Any, row: Expr) -> None:
    choice = T.alloc_buffer((1,), "int32", scope="local")
    # Downwards, so that the lowest id among equals is the one that stays.
    T.buffer_store(choice, T.int32(0), [0])
    with T.serial(0, logits.tokens) as back, T.If(logits.one(logits.tokens - 1 - back) == logits.top), T.Then():
        T.buffer_store(choice, T.cast(logits.tokens - 1 - back, "int32"), [0])
    T.buffer_store(token, choice[0], [row])
    T.buffer_store(logprob, T.float32(0.0) - logits.normal, [row])


def variants_head(site: Site) -> Kernel:
    """`ops.variants_head`: logits that may be among the best are sorted into a list, in the order of their ids."""
    held = Lanes(site.machine, CHOICES)
    whole = held.at(0)

    def choose(logits: _Logits, token: Any, logprob: Any, row: Expr) -> None:
        lanes, bar = logits.lanes, _bar(logits)
        best = T.alloc_buffer((CHOICES,), "float32", scope="local")
        ids = T.alloc_buffer((CHOICES,), "int32", scope="local")
        T.buffer_store(best, held.splat(LOWEST), [whole])
        T.buffer_store(ids, held.whole(0), [whole])
        with T.serial(0, logits.vectors) as v:
            largest = lanes.max(logits.vector(v))
            with T.If(largest >= bar), T.Then(), T.serial(0, lanes.lanes) as lane:
                value = T.Bind(logits.one(v * lanes.lanes + lane))
                with T.If(value >= bar), T.Then():
                    _insert(held, best, ids, value, v * lanes.lanes + lane)
        T.buffer_store(token, ids[whole], [row, whole])
        T.buffer_store(logprob, best[whole] - held.splat(logits.top) - held.splat(logits.normal), [row, whole])

    return _head("variants_head", site, (CHOICES,), choose)


def _insert(held: Lanes, best: Any, ids: Any, value: Expr, token: Expr) -> None:
    """Put a logit behind those that are at least as large; the last one falls out."""
    whole, before = held.at(0), [held.lanes, *range(held.lanes - 1)]
    new, values, names = held.splat(value), held.named(best[whole]), held.named(ids[whole])
    # What stands one place further up; nothing does at the first place, so nothing is smaller there.
    above = held.named(tirx.Shuffle([values, held.splat(-LOWEST)], before))
    moved = tirx.Shuffle([names, held.whole(0)], before)
    own = T.broadcast(T.cast(token, "int32"), held.lanes)
    T.buffer_store(ids, tirx.Select(new > values, tirx.Select(new > above, moved, own), names), [whole])
    T.buffer_store(best, tirx.max(values, tirx.min(new, above)), [whole])


def _bar(logits: _Logits) -> Expr:
    """Return a value that at least CHOICES logits reach, and few more: only those are looked at one by one.

    The vocabulary is dealt out to CHOICES groups or more, the lanes of every n-th vector. The CHOICES-th of the groups'
    largest logits is such a value.
    """
    lanes = logits.lanes
    vectors = -(-CHOICES // lanes.lanes)
    places = [lanes.at(n * lanes.lanes) for n in range(vectors)]
    largest = T.alloc_buffer((vectors * lanes.lanes,), "float32", scope="local")
    for place in places:
        T.buffer_store(largest, lanes.splat(LOWEST), [place])
    with T.serial(0, logits.vectors) as v:
        place = lanes.at(v % vectors * lanes.lanes)
        T.buffer_store(largest, tirx.max(largest[place], logits.vector(v)), [place])
    bars = []
    for place in places:
        own = lanes.named(largest[place])
        reached = lanes.whole(0)
        for group in range(vectors * lanes.lanes):
            reached = reached + tirx.Select(lanes.splat(largest[group]) >= own, lanes.whole(1), lanes.whole(0))
        bars.append(lanes.max(tirx.Select(reached >= lanes.whole(CHOICES), own, lanes.splat(LOWEST))))
    return T.Bind(reduce(tirx.max, bars))
