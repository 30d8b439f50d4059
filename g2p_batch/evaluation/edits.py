"""Edit distances from hypotheses to variants of the truth, and the single edits: the only user of rapidfuzz."""

import importlib.util
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from g2p_batch.errors import PackageError

Ints = npt.NDArray[np.int64]

Edit = tuple[str | None, str | None]
"""What the reference has and what the hypothesis has in its place: None on the left is an insertion, on the right a
deletion."""


def require_rapidfuzz() -> None:
    """Check, before anything is pronounced, that distances can be computed.

    Raises:
        PackageError: rapidfuzz is not installed.
    """
    if importlib.util.find_spec("rapidfuzz") is None:
        raise PackageError("comparing pronunciations needs rapidfuzz: `pip install 'g2p-batch[eval]'`")


@dataclass(frozen=True)
class Distances:
    """Levenshtein distances, at cost 1 for a substitution, an insertion or a deletion, of N hypotheses.

    Attributes:
        first: [N] int64, to the first variant.
        nearest: [N] int64, to the variant that is nearest.
        variant: [N] int64, where in the list of all variants that one is; the earliest of equally near ones.
    """

    first: Ints
    nearest: Ints
    variant: Ints


def distances(hypotheses: Sequence[str], variants: Sequence[str], starts: Ints) -> Distances:
    """Compare hypotheses with all variants of their references.

    Args:
        hypotheses: N strings.
        variants: V strings, the variants of one word after those of another.
        starts: [N + 1] int64, where the variants of each word begin; every word has at least one.
    """
    from rapidfuzz import process
    from rapidfuzz.distance import Levenshtein

    counts = np.diff(starts)
    if not len(counts):
        return Distances(counts, counts, counts)
    repeated = [hypothesis for hypothesis, count in zip(hypotheses, counts.tolist(), strict=True) for _ in range(count)]
    each = process.cpdist(repeated, variants, scorer=Levenshtein.distance, dtype=np.int64)
    nearest = np.minimum.reduceat(each, starts[:-1])
    hits = np.flatnonzero(each == np.repeat(nearest, counts))
    return Distances(each[starts[:-1]], nearest, hits[np.searchsorted(hits, starts[:-1])])


def edits(references: Sequence[str], hypotheses: Sequence[str], names: Sequence[str]) -> Counter[Edit]:
    """Count the single edits that lead from references to hypotheses, on one shortest way for each.

    Args:
        references: N strings whose characters stand for phones: character `symbol(i)` for `names[i]`.
        hypotheses: N strings in the same characters.
        names: the phones.
    """
    from rapidfuzz.distance import Levenshtein

    counts: Counter[tuple[str, str]] = Counter()
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        for edit in Levenshtein.editops(reference, hypothesis):
            wanted, got = _SIDES[edit.tag]
            counts[reference[edit.src_pos] if wanted else "", hypothesis[edit.dest_pos] if got else ""] += 1
    return Counter({(_name(wanted, names), _name(got, names)): count for (wanted, got), count in counts.items()})


_SIDES = {"replace": (True, True), "delete": (True, False), "insert": (False, True)}
"""Whether an edit takes a symbol of the reference, and whether it gives one to the hypothesis."""

_FIRST_SYMBOL = 0x10000
"""Symbols for phones begin behind the surrogates, which strings do not hold; room for a million phones is left."""


def symbols(codes: npt.NDArray[np.int32], starts: Ints) -> list[str]:
    """Spell lists of phones as strings, a character for a phone, so that distances between phones are between strings.

    Args:
        codes: [P] int32, the numbers of phones, from 0.
        starts: [N + 1] int64, where each list begins in `codes`.
    """
    text = (codes.astype("<u4") + _FIRST_SYMBOL).tobytes().decode("utf-32-le")
    return [text[start:end] for start, end in zip(starts[:-1].tolist(), starts[1:].tolist(), strict=True)]


def _name(symbol: str, names: Sequence[str]) -> str | None:
    return names[ord(symbol) - _FIRST_SYMBOL] if symbol else None
