"""The order of training: which examples come when, in batches of like length. A function of the seed alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from g2p_batch.errors import UsageError
from g2p_batch.model.ids import EOS, PAD, START
from g2p_compile.train.data import Examples, Int64

IGNORED = -100
"""Label of a position behind a pronunciation's end; no loss is counted there."""

_POOL_BATCHES = 128
"""Batches cut from one pool of examples sorted by length. With CharsiuG2P's training split and batches of 8,192 ids 7 %
of the ids are padding; from pools of 32 batches it would be 13 %."""

_BAND = 4
"""Targets whose lengths differ by less lie together, by the lengths of their sources."""

_POOLS, _ORDERS = 0, 1
"""Streams of random numbers that one seed gives."""


@dataclass(frozen=True)
class Mix:
    """How examples are drawn and batched.

    Attributes:
        seed: of everything that is random here.
        batch_tokens: most ids of a batch, sources and targets together, padding included.
        balance: 1 draws tags as often as they have examples, 0 all equally often; between, by that power of the number.
        weights: multiples of how often tags are drawn.
        hidden: share of the examples whose tag is hidden.
    """

    seed: int = 0
    batch_tokens: int = 8192
    balance: float = 0.5
    weights: Mapping[str, float] = field(default_factory=dict)
    hidden: float = 0.0


@dataclass(frozen=True)
class Cursor:
    """A point in the order of training: batches taken of which pool, and examples drawn of each tag before it."""

    pool: int = 0
    batch: int = 0
    drawn: tuple[int, ...] = ()


@dataclass(frozen=True)
class Batch:
    """B examples.

    Attributes:
        sources: [B, S] int64, ids of prefix and word, padded with `PAD`.
        inputs: [B, T] int64, what the decoder reads: its start, then the target without its last id.
        labels: [B, T] int64, ids of the target with its EOS, then `IGNORED`.
    """

    sources: Int64
    inputs: Int64
    labels: Int64


def shares(examples: Examples, mix: Mix) -> npt.NDArray[np.float64]:
    """Return how often each tag is drawn, [K], summing to 1.

    Raises:
        UsageError: a weight is given to a tag without examples.
    """
    if absent := sorted(set(mix.weights) - set(examples.tags)):
        raise UsageError(f"--weight names {absent[0]}, of which there is no example: there are {_tags(examples)}")
    weights = np.array([mix.weights.get(tag, 1.0) for tag in examples.tags])
    drawn = weights * examples.counts.astype(np.float64) ** mix.balance
    return np.asarray(drawn / drawn.sum())


def _tags(examples: Examples) -> str:
    return " ".join(examples.tags)


def batches(examples: Examples, mix: Mix, cursor: Cursor = Cursor()) -> Iterator[tuple[Batch, Cursor]]:
    """Yield batches without end from a cursor on, each with the cursor behind it.

    An example comes again only when all of its tag have come.

    Raises:
        UsageError: as `shares` says, or an example is longer than a batch may be.
    """
    longest = int(_costs(examples).max())
    if longest > mix.batch_tokens:
        raise UsageError(f"the longest example has {longest} ids: let --batch-tokens be at least that")
    return _batches(examples, mix, cursor, shares(examples, mix))


def _batches(
    examples: Examples, mix: Mix, cursor: Cursor, odds: npt.NDArray[np.float64]
) -> Iterator[tuple[Batch, Cursor]]:
    deck = _Deck(examples, mix.seed)
    cursor = cursor if cursor.drawn else replace(cursor, drawn=(0,) * len(examples.tags))
    mean = float(_costs(examples).mean())
    rows = max(1, int(_POOL_BATCHES * mix.batch_tokens / mean))
    while True:
        rng = np.random.default_rng((mix.seed, _POOLS, cursor.pool))
        langs = rng.choice(len(odds), rows, p=odds)
        pool = deck.deal(langs, cursor.drawn)
        prefix = np.where(rng.random(rows) < mix.hidden, len(odds), langs)
        parts = _cut(examples, pool, prefix, mix.batch_tokens)
        rng.shuffle(parts)
        for number in range(cursor.batch, len(parts)):
            yield (
                batch_of(examples, pool[parts[number]], prefix[parts[number]]),
                replace(cursor, batch=number + 1),
            )
        dealt = np.bincount(langs, minlength=len(odds))
        cursor = Cursor(cursor.pool + 1, 0, tuple(int(n) for n in np.add(cursor.drawn, dealt)))


class _Deck:
    """The examples of each tag, shuffled anew whenever all have been dealt."""

    def __init__(self, examples: Examples, seed: int) -> None:
        self._seed = seed
        self._rows = [np.flatnonzero(examples.lang == lang) for lang in range(len(examples.tags))]
        self._orders: dict[int, tuple[int, Int64]] = {}

    def deal(self, langs: Int64, drawn: tuple[int, ...]) -> Int64:
        """Return rows [P] of languages [P], of each those that follow the ones `drawn`."""
        dealt = np.empty(len(langs), np.int64)
        for lang in np.unique(langs).tolist():
            asked = np.flatnonzero(langs == lang)
            size = len(self._rows[lang])
            rounds, within = np.divmod(np.arange(drawn[lang], drawn[lang] + len(asked)), size)
            for number in np.unique(rounds).tolist():
                now = rounds == number
                dealt[asked[now]] = self._order(lang, number)[within[now]]
        return dealt

    def _order(self, lang: int, number: int) -> Int64:
        if self._orders.get(lang, (-1,))[0] != number:
            rng = np.random.default_rng((self._seed, _ORDERS, lang, number))
            self._orders[lang] = (number, rng.permutation(self._rows[lang]))
        return self._orders[lang][1]


def ids_of(examples: Examples) -> int:
    """Return the ids of all examples together."""
    return int(_costs(examples).sum())


def _costs(examples: Examples) -> Int64:
    """Return the most ids that each example [N] takes: prefix, word, pronunciation and EOS."""
    prefixes = np.maximum(examples.prefixes.lengths[:-1], examples.prefixes.lengths[-1])
    return np.asarray(prefixes[examples.lang] + examples.words.lengths + examples.prons.lengths + 1)


def _cut(examples: Examples, pool: Int64, prefix: Int64, tokens: int) -> list[Int64]:
    """Cut a pool [P] into batches of like length: places in it."""
    sources = examples.prefixes.lengths[prefix] + examples.words.lengths[pool]
    targets = examples.prons.lengths[pool] + 1
    # Sources rise in one band and fall in the next, so that neighbours are alike across the border too.
    band = targets // _BAND
    order = np.lexsort((np.where(band % 2, -sources, sources), band))
    sources, targets = sources[order], targets[order]
    most = tokens // int((sources + targets).min())
    parts, start = [], 0
    while start < len(order):
        window = slice(start, start + most)
        widths = np.maximum.accumulate(sources[window]) + np.maximum.accumulate(targets[window])
        rows = int(np.searchsorted(widths * np.arange(1, len(widths) + 1), tokens, side="right"))
        parts.append(order[start : start + rows])
        start += rows
    return parts


def batch_of(examples: Examples, rows: Int64, prefix: Int64) -> Batch:
    """Return examples `rows` [B] as a batch, behind the prefixes [B] of those places in `Examples.prefixes`."""
    words, prons = examples.words.lengths[rows], examples.prons.lengths[rows]
    prefixes = examples.prefixes.lengths[prefix]
    nothing = np.zeros_like(rows)
    sources = np.full((len(rows), int((prefixes + words).max())), PAD, np.int64)
    examples.prefixes.put(prefix, sources, nothing)
    examples.words.put(rows, sources, prefixes)
    labels = np.full((len(rows), int(prons.max()) + 1), IGNORED, np.int64)
    examples.prons.put(rows, labels, nothing)
    labels[np.arange(len(rows)), prons] = EOS
    inputs = np.full_like(labels, START)
    inputs[:, 1:] = np.where(labels[:, :-1] == IGNORED, PAD, labels[:, :-1])
    return Batch(sources, inputs, labels)
