"""Words per second of a run, from when its shards were begun and finished."""

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from g2p_batch.run.run_directory import Receipt

_MOST_INTERVALS = 48
_BREAK_S = 60.0
"""A shorter time without work is that between two commands, or a shard that waits to be taken."""
_SHORTEST_S = 1e-3
"""A shard that took no time at all would have no speed."""
_FEW = 8
"""Up to so many workers at once are listed one by one."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """A stretch of busy time: seconds from its start, breaks left out."""

    start_s: float
    end_s: float
    words: float
    workers: float
    """Mean number of workers that were busy at once."""

    @property
    def words_per_s(self) -> float:
        """Words per second."""
        return self.words / (self.end_s - self.start_s)


@dataclass(frozen=True)
class Concurrency:
    """All time in which so many workers were busy at once, from `least` to `most`."""

    least: int
    most: int
    seconds: float
    worker_seconds: float
    words: float

    @property
    def words_per_s(self) -> float:
        """Words per second."""
        return self.words / self.seconds

    @property
    def words_per_worker_s(self) -> float:
        """Words per second of one worker."""
        return self.words / self.worker_seconds


@dataclass(frozen=True)
class Throughput:
    """Speed over time.

    Attributes:
        first_s: when the first shard was begun, seconds since 1970.
        last_s: when the last one was finished.
        busy_s: seconds in which any worker was busy.
        words: words of the shards.
        intervals: equal parts of the busy time; words of a shard count evenly over its time.
        concurrency: by rising number of workers.
        workers: names of all that did a shard.
        breaks: stretches of a minute or more in which nobody worked.
        breaks_s: their seconds in all.
    """

    first_s: float
    last_s: float
    busy_s: float
    words: int
    intervals: tuple[Interval, ...]
    concurrency: tuple[Concurrency, ...]
    workers: frozenset[str]
    breaks: int
    breaks_s: float

    @property
    def words_per_s(self) -> float:
        """Words per second of busy time."""
        return self.words / self.busy_s


def throughput_of(receipts: Collection[Receipt]) -> Throughput:
    """Return the throughput of finished shards, at least one, as the clocks of their workers tell it."""
    words, seconds, ends = (
        np.array([getattr(receipt, name) for receipt in receipts], np.float64)
        for name in ("words", "seconds", "finished_s")
    )
    seconds = np.maximum(seconds, _SHORTEST_S)
    times, active, rate = _levels(ends - seconds, ends, words / seconds)
    lasted_s = np.diff(times)
    busy = _summed(lasted_s * (active > 0))
    edges = np.linspace(0.0, busy[-1], min(len(words), _MOST_INTERVALS) + 1)
    word_parts, worker_parts = (np.diff(np.interp(edges, busy, _summed(lasted_s * level))) for level in (rate, active))
    length_s = edges[1] - edges[0]
    idle_s = lasted_s[(active == 0) & (lasted_s >= _BREAK_S)]
    return Throughput(
        first_s=float(times[0]),
        last_s=float(times[-1]),
        busy_s=float(busy[-1]),
        words=int(words.sum()),
        intervals=tuple(
            Interval(float(start), float(end), float(words_done), float(worker_s / length_s))
            for start, end, words_done, worker_s in zip(edges[:-1], edges[1:], word_parts, worker_parts, strict=True)
        ),
        concurrency=_concurrency(active, lasted_s, rate),
        workers=frozenset(receipt.worker for receipt in receipts),
        breaks=len(idle_s),
        breaks_s=float(idle_s.sum()),
    )


def _levels(starts: Floats, ends: Floats, rates: Floats) -> tuple[Floats, npt.NDArray[np.int64], Floats]:
    """Return the moments at which anything begins or ends [T], and what is going on between them [T - 1].

    Args:
        starts: [N] seconds.
        ends: [N] seconds, above `starts`.
        rates: [N] words per second.

    Returns:
        Moments, how many are at work, and their words per second together.
    """
    times, moments = np.unique(np.concatenate([starts, ends]), return_inverse=True)
    begun, ended = moments[: len(starts)], moments[len(starts) :]
    active_change = np.bincount(begun, minlength=len(times)) - np.bincount(ended, minlength=len(times))
    rate_change = np.bincount(begun, rates, len(times)) - np.bincount(ended, rates, len(times))
    active = np.cumsum(active_change)[:-1]
    return times, active, np.where(active > 0, np.cumsum(rate_change)[:-1], 0.0)


def _concurrency(active: npt.NDArray[np.int64], lasted_s: Floats, rate: Floats) -> tuple[Concurrency, ...]:
    """Sum up by number of workers, one by one where they are few, and from one doubling to the next above."""
    levels = []
    least = most = 1
    while least <= active.max():
        within = (active >= least) & (active <= most)
        if seconds := float(lasted_s[within].sum()):
            worker_seconds, words = (float((lasted_s * level)[within].sum()) for level in (active, rate))
            levels.append(Concurrency(least, most, seconds, worker_seconds, words))
        least, most = most + 1, most + 1 if most < _FEW else 2 * most
    return tuple(levels)


def _summed(parts: Floats) -> Floats:
    return np.concatenate([[0.0], np.cumsum(parts)])
