"""What long work tells whoever asked for it."""

from collections.abc import Callable
from typing import Protocol

Say = Callable[[str], None]
"""Tells the user what happens, a sentence at a time."""


class Progress(Protocol):
    """Is told how far the decoding is, always from the thread that asked for it."""

    def start(self, total_words: int) -> None:
        """Decoding of `total_words` begins."""

    def advance(self, words: int) -> None:
        """As many more words are final; an exception raised here ends the decoding."""

    def close(self) -> None:
        """Decoding is over, complete or not; called once after each `start`."""


class Silent:
    """Progress of a call whose caller waits for all of it."""

    def start(self, total_words: int) -> None:
        """Say nothing."""

    def advance(self, words: int) -> None:
        """Say nothing."""

    def close(self) -> None:
        """Say nothing."""
