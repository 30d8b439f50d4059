"""Lexicon formats: one writer each, chosen by name or by the suffix of the output."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from g2p_batch.errors import UsageError
from g2p_batch.formats import parquet, tsv
from g2p_batch.formats.lexicon import Writer


@dataclass(frozen=True)
class Format:
    """A way to write a lexicon."""

    name: str
    suffix: str
    write: Writer


FORMATS = {
    known.name: known
    for known in (
        Format("tsv", ".tsv", tsv.write),
        Format("parquet", ".parquet", parquet.write),
    )
}


def format_for(path: Path, name: str | None = None) -> Format:
    """Return the format called `name`, or without a name the one that the suffix of `path` stands for.

    Raises:
        UsageError: there is no such format, or the suffix tells none.
    """
    if name is not None:
        if name in FORMATS:
            return FORMATS[name]
        raise UsageError(f"there is no format {name!r}: choose --format {_choice(FORMATS)}")
    for known in FORMATS.values():
        if path.suffix.lower() == known.suffix:
            return known
    suffixes = _choice(known.suffix for known in FORMATS.values())
    raise UsageError(f"{path} does not tell its format: end it in {suffixes}, or give --format {_choice(FORMATS)}")


def _choice(names: Iterable[str]) -> str:
    return " or ".join(names)
