"""Counts in bins: what is kept of numbers that are too many to keep."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

_TAIL = 0.002
"""Share of all values that may be drawn together at either end, so that a few far ones do not flatten the rest."""
_STEPS = tuple(leading * 10**power for power in range(7) for leading in (1, 2, 5))


@dataclass(frozen=True)
class HistogramBar:
    """Values from `low` to below `high`; an end bar with others beyond it is open, and its limit infinite."""

    low: float
    high: float
    count: int


@dataclass(frozen=True)
class Histogram:
    """Counts in bins of one width.

    Attributes:
        low: where the first bin begins; what is lower counts in it.
        width: of a bin.
        bins: how many; what is higher than the last counts in it.
        counts: [bins] int64.
    """

    low: float
    width: float
    bins: int
    counts: npt.NDArray[np.int64] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "counts", np.zeros(self.bins, np.int64))

    def add(self, values: npt.NDArray[np.float64]) -> None:
        """Count values [N]; what is not a number is left out."""
        numbers = values[~np.isnan(values)]
        # Arithmetic of floats puts a value on the edge of two bins into the lower one now and then.
        bins = np.clip(np.floor((numbers - self.low) / self.width + 1e-6), 0, self.bins - 1).astype(np.int64)
        np.add(self.counts, np.bincount(bins, minlength=self.bins), out=self.counts)

    @property
    def total(self) -> int:
        """How many values were counted."""
        return int(self.counts.sum())

    def quantile(self, share: float) -> float:
        """Return below what, to the width of a bin, this share of the values lies; there has to be a value."""
        return self._edge(self._bin_of(share) + 1)

    def bars(self, most: int) -> Iterator[HistogramBar]:
        """Yield at most `most` bars of one width of 1, 2 or 5 times a power of ten bins, that cover all values."""
        if not self.total:
            return
        first, last = self._bin_of(_TAIL), self._bin_of(1 - _TAIL)
        step = next(step for step in _STEPS if last // step - first // step < most)
        start, end = first // step * step, min((last // step + 1) * step, self.bins)
        for first_bin in range(start, end, step):
            below = first_bin == start and bool(self.counts[:first_bin].any())
            above = first_bin + step >= end and bool(self.counts[end:].any())
            count = self.counts[0 if below else first_bin : self.bins if above else first_bin + step].sum()
            yield HistogramBar(
                float("-inf") if below else self._edge(first_bin),
                float("inf") if above else self._edge(min(first_bin + step, self.bins)),
                int(count),
            )

    def _bin_of(self, share: float) -> int:
        """Return the bin of the value that has this share of all at or below it."""
        return int(np.searchsorted(np.cumsum(self.counts), max(1, np.ceil(share * self.total))))

    def _edge(self, number: int) -> float:
        """Return where a bin begins."""
        return round(self.low + number * self.width, 6)
