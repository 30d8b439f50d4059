"""The last product of a step: the logits of a group of rows stay local, only what is chosen by them leaves."""

from collections.abc import Callable

from tvm import tirx
from tvm.tirx.script import builder as T

from g2p_compile.kernels.cpu.gemm import ROW_TILES, Product, choose_operands, packer
from g2p_compile.kernels.kernel import Kernel, Site
from g2p_compile.kernels.vector import LOWEST, Expr, Lanes, buffer, kernel, size
from g2p_compile.program import CHOICES

Choose = Callable[[Lanes, Callable[[Expr], Expr], Expr, Expr, Expr], None]
"""Stores what a row chooses, from the vectors that it may use, its logits (the vector or scalar at an index), the row,
its largest logit, and the logarithm of the sum of e**(logit - largest)."""


def _head(name: str, site: Site, results: tuple[int, ...], chooser: Callable[[int, list[Expr]], Choose]) -> Kernel:
    """Build a head that gives `results` tokens, and as many log-probabilities, of every row.

    `chooser` takes the size of the vocabulary and the buffers of tokens [R, *results] and log-probabilities.
    """
    vocabulary, inner = site.weights[-1]
    epsilon, scale = site.constants
    layout, operands = choose_operands(site, vocabulary, 1, True)
    tile = layout.tile
    lanes, group = tile.lanes, tile.rows * ROW_TILES
    one = Lanes(site.machine, 1)
    with kernel(name) as built:
        rows = size()
        x = buffer("x", (rows, inner))
        weight = operands.declare()
        token = buffer("token", (rows, *results), "int32")
        logprob = buffer("logprob", (rows, *results))
        logits = T.alloc_buffer((group, vocabulary), "float32")
        largest = T.alloc_buffer((lanes.lanes,), "float32", scope="local")
        total = T.alloc_buffer((lanes.lanes,), "float32", scope="local")
        choose = chooser(vocabulary, [token, logprob])

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
                choose(lanes, lambda at: logits[i, at], first + i, top, normal)

        Product(layout, operands, x, weight, epsilon).run(store, finish_rows=finish)
    return Kernel(built.get(), operands.packed(), packer(operands, True))


def greedy_head(site: Site) -> Kernel:
    """`ops.greedy_head`."""

    def chooser(vocabulary: int, results: list[Expr]) -> Choose:
        token, logprob = results
        choice = T.alloc_buffer((1,), "int32", scope="local")

        def choose(lanes: Lanes, logits: Callable[[Expr], Expr], row: Expr, top: Expr, normal: Expr) -> None:
            # Downwards, so that the lowest id among equals is the one that stays.
            T.buffer_store(choice, T.int32(0), [0])
            with T.serial(0, vocabulary) as back, T.If(logits(vocabulary - 1 - back) == top), T.Then():
                T.buffer_store(choice, T.cast(vocabulary - 1 - back, "int32"), [0])
            T.buffer_store(token, choice[0], [row])
            T.buffer_store(logprob, T.float32(0.0) - normal, [row])

        return choose

    return _head("greedy_head", site, (), chooser)


def variants_head(site: Site) -> Kernel:
    """`ops.variants_head`: logits that may be among the best are sorted into a list, in the order of their ids.

    The vocabulary is dealt out to CHOICES groups or more. As many logits as that are at least the CHOICES-th of the
    groups' largest, and few are more than that: only those are looked at one by one.
    """
    held = Lanes(site.machine, CHOICES)
    whole = held.at(0)

    def chooser(vocabulary: int, results: list[Expr]) -> Choose:
        token, logprob = results
        best = T.alloc_buffer((CHOICES,), "float32", scope="local")
        ids = T.alloc_buffer((CHOICES,), "int32", scope="local")

        def insert(value: Expr, at: Expr) -> None:
            """Put a logit behind those that are at least as large; the last one falls out."""
            new, values, names = held.splat(value), held.named(best[whole]), held.named(ids[whole])
            before = [CHOICES, *range(CHOICES - 1)]
            above = held.named(tirx.Shuffle([values, held.splat(-LOWEST)], before))
            moved = tirx.Shuffle([names, held.whole(0)], before)
            own = T.broadcast(T.cast(at, "int32"), CHOICES)
            T.buffer_store(ids, tirx.Select(new > values, tirx.Select(new > above, moved, own), names), [whole])
            T.buffer_store(best, tirx.max(values, tirx.min(new, above)), [whole])

        def choose(lanes: Lanes, logits: Callable[[Expr], Expr], row: Expr, top: Expr, normal: Expr) -> None:
            bar = _bar(lanes, logits, vocabulary)
            T.buffer_store(best, held.splat(LOWEST), [whole])
            T.buffer_store(ids, held.whole(0), [whole])
            with T.serial(0, vocabulary // lanes.lanes) as v:
                largest = lanes.max(logits(lanes.at(v * lanes.lanes)))
                with T.If(largest >= bar), T.Then(), T.serial(0, lanes.lanes) as lane:
                    value = T.Bind(logits(v * lanes.lanes + lane))
                    with T.If(value >= bar), T.Then():
                        insert(value, v * lanes.lanes + lane)
            T.buffer_store(token, ids[whole], [row, whole])
            T.buffer_store(logprob, best[whole] - held.splat(top) - held.splat(normal), [row, whole])

        return choose

    return _head("variants_head", site, (CHOICES,), chooser)


def _bar(lanes: Lanes, logits: Callable[[Expr], Expr], vocabulary: int) -> Expr:
    """Return a value that at least CHOICES logits reach: the CHOICES-th of the largest ones of groups.

    A group is a lane of every n-th vector of logits.
    """
    vectors = -(-CHOICES // lanes.lanes)
    places = [lanes.at(n * lanes.lanes) for n in range(vectors)]
    largest = T.alloc_buffer((vectors * lanes.lanes,), "float32", scope="local")
    for place in places:
        T.buffer_store(largest, lanes.splat(LOWEST), [place])
    with T.serial(0, vocabulary // lanes.lanes) as v:
        place = lanes.at(v % vectors * lanes.lanes)
        T.buffer_store(largest, tirx.max(largest[place], logits(lanes.at(v * lanes.lanes))), [place])
    reached = []
    for place in places:
        own = lanes.named(largest[place])
        count = lanes.whole(0)
        for group in range(vectors * lanes.lanes):
            count = count + tirx.Select(lanes.splat(largest[group]) >= own, lanes.whole(1), lanes.whole(0))
        reached.append(lanes.max(tirx.Select(count >= lanes.whole(CHOICES), own, lanes.splat(LOWEST))))
    bar = reached[0]
    for other in reached[1:]:
        bar = tirx.max(bar, other)
    return T.Bind(bar)
