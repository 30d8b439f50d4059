"""Amounts of memory, as users write them."""

import re
from dataclasses import dataclass

from g2p_batch.errors import UsageError

_AMOUNT = re.compile(r"(?P<number>\d+(?:\.\d+)?)\s*(?P<unit>[KMGT]?)(?P<binary>i?)B", re.IGNORECASE)


@dataclass(frozen=True)
class Memory:
    """An amount of memory, and how its user wrote it."""

    text: str
    size_bytes: int

    @classmethod
    def parse(cls, text: str) -> "Memory":
        """Read `1GiB` or `500MB`.

        Raises:
            UsageError: the text is no amount of memory.
        """
        amount = _AMOUNT.fullmatch(text.strip())
        if amount is None:
            raise UsageError(f"{text!r} is no amount of memory: write it like 1GiB or 500MiB")
        base = 1024 if amount["binary"] else 1000
        return cls(text, int(float(amount["number"]) * base ** " KMGT".index(amount["unit"].upper() or " ")))


DEFAULT_MEMORY = Memory.parse("1GiB")
