"""Counts by name: taken from a column, ranked, and told in words."""

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc


def counted(column: pa.Array) -> dict[str, int]:
    """Return how often each value occurs in a column, the most frequent first, ties by name."""
    return ranked({pair["values"]: pair["counts"] for pair in pc.value_counts(column).to_pylist()})


def ranked(counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts, the most frequent first, ties by name."""
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def listed(counts: Mapping[str, int], most: int = 5) -> str:
    """Return counts as `too_long 3, empty 1 and 2 more`."""
    shown = [f"{name} {count:,}" for name, count in list(counts.items())[:most]]
    return ", ".join(shown) + (f" and {len(counts) - most} more" if len(counts) > most else "")


def count_of(number: int, thing: str) -> str:
    """Return `1 word` or `2,000 words`."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
