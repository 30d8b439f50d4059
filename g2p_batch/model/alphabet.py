"""The alphabet of a model: in how many of its training words each character stands, by language."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.errors import ModelError
from g2p_batch.model.contract import Alphabets

ALPHABET = "alphabet.json"
"""The file of a checkpoint's alphabets, beside its weights: a JSON object of objects, tag to character to words."""


def count_alphabets(batches: Iterable[pa.RecordBatch]) -> dict[str, dict[str, int]]:
    """Count the characters of words.

    Args:
        batches: columns `lang` and `word`, string without nulls; a word counts once, however often it is there.

    Returns:
        By tag, the characters by falling count and then by code point.
    """
    words: dict[str, set[str]] = {}
    for batch in batches:
        for tag in pc.unique(batch["lang"]).to_pylist():
            words.setdefault(tag, set()).update(batch["word"].filter(pc.equal(batch["lang"], tag)).to_pylist())
    return {tag: _counted(words[tag]) for tag in sorted(words)}


def _counted(words: Iterable[str]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for word in words:
        counts.update(set(word))
    return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))


def read_alphabets(path: Path) -> dict[str, dict[str, int]]:
    """Read a file of alphabets.

    Raises:
        ModelError: it cannot be read, or holds something else.
    """
    try:
        alphabets = msgspec.json.decode(path.read_bytes(), type=dict[str, dict[str, int]])
    except (OSError, ValueError) as cause:
        raise ModelError(
            f'{path} cannot be read as alphabets ({cause}): give JSON such as {{"eng-us": {{"e": 76901}}}}'
        ) from None
    for tag, alphabet in alphabets.items():
        if wrong := next((text for text, count in alphabet.items() if len(text) != 1 or count < 1), None):
            raise ModelError(f"{path}: {tag} has {wrong!r}: give single characters, each with a count of at least 1")
    return alphabets


def to_json(alphabets: Alphabets) -> bytes:
    """Return what `read_alphabets` reads, a line a language."""
    lines = [
        msgspec.json.encode(tag) + b": " + msgspec.json.encode(dict(alphabet)) for tag, alphabet in alphabets.items()
    ]
    return b"{\n" + b",\n".join(lines) + b"\n}\n"
