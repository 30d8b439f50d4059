"""Progress of a run: a bar on a terminal, a line every few seconds elsewhere."""

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from g2p_batch.cli.main import is_quiet, say
from g2p_batch.model.progress import Silent

if TYPE_CHECKING:
    from g2p_batch.model.progress import Progress

_LOG_SECONDS = 10


def progress() -> "Progress":
    """Return the kind of progress that fits where stderr goes, and what its user wants to be told."""
    if is_quiet():
        return Silent()
    return Bar() if sys.stderr.isatty() else Log(time.monotonic)


class Bar:
    """Progress on a terminal."""

    def start(self, total_words: int) -> None:
        """Draw an empty bar."""
        from tqdm import tqdm

        self._bar = tqdm(total=total_words, unit=" words", dynamic_ncols=True)

    def advance(self, words: int) -> None:
        """Move on."""
        self._bar.update(words)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()


class Log:
    """Progress in a file: one line every few seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock

    def start(self, total_words: int) -> None:
        """Start the clock."""
        self._total, self._done = total_words, 0
        self._began = self._told = self._clock()

    def advance(self, words: int) -> None:
        """Write a line if the last one is long ago."""
        self._done += words
        now = self._clock()
        if now - self._told < _LOG_SECONDS:
            return
        self._told = now
        rate = self._done / (now - self._began)
        left = f"{(self._total - self._done) / rate:,.0f} s left" if self._done else "time left unknown"
        say(f"{self._done:,} of {self._total:,} words, {rate:,.0f} words/s, {left}")

    def close(self) -> None:
        """Leave the last word to the summary."""
