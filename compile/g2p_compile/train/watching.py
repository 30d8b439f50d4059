"""A training on a terminal: a bar, and above it the lines of the log; elsewhere the lines alone."""

import sys
from typing import Any

from tqdm import tqdm


class Bar:
    """Shows a training on stderr."""

    _bar: Any

    def start(self, step: int, steps: int) -> None:
        """Draw the bar."""
        self._bar = tqdm(total=steps, initial=step, unit=" steps", dynamic_ncols=True, disable=not sys.stderr.isatty())

    def advance(self, loss: float) -> None:
        """Move on."""
        self._bar.set_postfix(loss=f"{loss:.3f}", refresh=False)
        self._bar.update()

    def tell(self, line: str) -> None:
        """Write a line above the bar."""
        tqdm.write(line, file=sys.stderr)
