"""Contestants, the trial in which each finds its best setting, and the race."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

_LATENCY_WORDS = 40
TRIAL_WORDS = 512
_CLOSE = 1.15
"""Settings this near the fastest run a second time before one is chosen."""


Texts = tuple[str, ...]
"""What is said of a word, the most probable text first and each once; greedy decoding says one."""


class Contestant(Protocol):
    """One way to pronounce words."""

    @property
    def name(self) -> str:
        """Who."""

    @property
    def dtype(self) -> str:
        """Number format."""

    @property
    def setting(self) -> str:
        """Whatever else was chosen for it."""

    def run(self, words: Sequence[str], langs: Sequence[str]) -> list[Texts]:
        """Pronounce words of known languages, all cores included."""


class Peer(Protocol):
    """Another program; which of its settings is best has to be tried."""

    @property
    def name(self) -> str:
        """Who."""

    @property
    def dtype(self) -> str:
        """Number format."""

    @property
    def settings(self) -> Sequence[Any]:
        """What may be chosen; `str` of one describes it."""

    def run(self, setting: Any, words: Sequence[str], langs: Sequence[str]) -> list[Texts]:
        """Pronounce words of known languages in one setting."""


class BatchSize(int):
    """A setting of peers: words at a time."""

    def __str__(self) -> str:
        return f"batch {int(self)}"


class Tuned:
    """A peer in the setting that was fastest on a sample of the words.

    Args:
        peer: settings in which it fails are left out, unless it fails in all.
        words, langs: of the race.
        trial_words: most words of the sample.
        warm: whether a setting's first run does what later ones need not, and is not timed.
    """

    def __init__(
        self,
        peer: Peer,
        words: Sequence[str],
        langs: Sequence[str],
        trial_words: int = TRIAL_WORDS,
        warm: bool = False,
    ) -> None:
        self.name, self.dtype, self._peer = peer.name, peer.dtype, peer
        # Evenly spread: lists are sorted by language and length.
        sample = np.linspace(0, len(words) - 1, min(len(words), trial_words)).astype(int).tolist()
        some = [words[i] for i in sample], [langs[i] for i in sample]
        first: dict[Any, float] = {}
        for setting in peer.settings:
            try:
                if warm or not first:
                    peer.run(setting, *some)
                first[setting] = seconds(peer.run, setting, *some)
            except Exception:  # of another program; there may not be room for the largest batch
                if setting == peer.settings[-1] and not first:
                    raise
        close = [setting for setting, taken in first.items() if taken <= _CLOSE * min(first.values())]
        self._setting = min(close, key=lambda s: min(first[s], seconds(peer.run, s, *some)))

    @property
    def setting(self) -> str:
        """The chosen one."""
        return str(self._setting)

    def run(self, words: Sequence[str], langs: Sequence[str]) -> list[Texts]:
        """Pronounce words."""
        return self._peer.run(self._setting, words, langs)


@dataclass(frozen=True)
class Entrant:
    """A contestant that has run once, with what it said."""

    contestant: Contestant
    texts: list[Texts]


@dataclass(frozen=True)
class Result:
    """How one entrant fared."""

    entrant: Entrant
    rates: tuple[float, ...]
    """Words per second of every round."""
    latency_ms: float
    """Median time of one word alone."""

    @property
    def words_per_s(self) -> float:
        """Median over the rounds."""
        return statistics.median(self.rates)


def race(entrants: Sequence[Entrant], words: Sequence[str], langs: Sequence[str], rounds: int) -> list[Result]:
    """Let all entrants run in turn, round by round."""
    runs = [entrant.contestant.run for entrant in entrants]
    times: list[list[float]] = [[] for _ in runs]
    for index in range(rounds):
        # A different one begins each round, so that none always runs on a warm or a throttled machine.
        for i in np.roll(np.arange(len(runs)), index).tolist():
            times[i].append(seconds(runs[i], words, langs))
    some = range(0, len(words), max(1, len(words) // _LATENCY_WORDS))
    results = []
    for entrant, run, taken in zip(entrants, runs, times, strict=True):
        alone = [seconds(run, words[i : i + 1], langs[i : i + 1]) for i in some]
        rates = tuple(len(words) / t for t in taken)
        results.append(Result(entrant, rates, statistics.median(alone) * 1e3))
    return results


def seconds(work: Callable[..., Any], *arguments: Any) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - started
