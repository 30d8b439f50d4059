"""Several pronunciations of a word beside a reference: if one of them is right, and what probabilities are worth."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from g2p_batch.evaluation.edits import distances

_BINS = 10


@dataclass(frozen=True)
class OracleCounts:
    """Counts over the words of one language, or of several, were the best of their pronunciations known.

    Attributes:
        scored: words with a pronunciation.
        wrong: those of which none is a variant of the reference.
        characters: code points of the first variants of the reference.
        character_edits: edits between the nearest pronunciation and the nearest variant.
    """

    scored: int = 0
    wrong: int = 0
    characters: int = 0
    character_edits: int = 0

    def __add__(self, other: "OracleCounts") -> "OracleCounts":
        return OracleCounts(
            self.scored + other.scored,
            self.wrong + other.wrong,
            self.characters + other.characters,
            self.character_edits + other.character_edits,
        )

    @property
    def wer(self) -> float:
        """Share of words of which no pronunciation is right."""
        return self.wrong / self.scored if self.scored else 0.0

    @property
    def cer(self) -> float:
        """Edits by code points of the reference."""
        return self.character_edits / self.characters if self.characters else 0.0


@dataclass(frozen=True)
class Bin:
    """Pronunciations of like probability: how many, the mean of their probabilities, and how many are right."""

    count: int
    mean_prob: float
    right: int


@dataclass(frozen=True)
class Oracle:
    """What several pronunciations of a word are worth.

    Attributes:
        variants: pronunciations that were asked for of each word.
        languages: counts by language.
        bins: pronunciations by tenths of probability, those that have any.
    """

    variants: int
    languages: Mapping[str, OracleCounts]
    bins: tuple[Bin, ...]

    @property
    def total(self) -> OracleCounts:
        """All words as one list."""
        return sum(self.languages.values(), OracleCounts())

    @property
    def calibration_error(self) -> float:
        """The expected calibration error: how far probability and share of right ones are apart, over all bins.

        Source: Naeini, Cooper and Hauskrecht (2015), with bins of equal width.
        """
        total = sum(one.count for one in self.bins)
        return sum(abs(one.count * one.mean_prob - one.right) for one in self.bins) / total if total else 0.0

    def as_record(self) -> dict[str, Any]:
        """Return everything as JSON holds it."""

        def described(counts: OracleCounts) -> dict[str, Any]:
            return asdict(counts) | {"wer": counts.wer, "cer": counts.cer}

        return {
            "variants": self.variants,
            "languages": {tag: described(counts) for tag, counts in self.languages.items()},
            "all words": described(self.total),
            "expected calibration error": self.calibration_error,
            "bins": [asdict(one) for one in self.bins],
        }


def oracle(words: pa.Table, variants: int) -> Oracle:
    """Compare all pronunciations of words with all variants of a reference.

    Args:
        words: N rows: `lang` string; `prons` list<string>, the variants of the reference, at least one; `variants`
            list<struct<pron: string, prob: float>>, null where there is no pronunciation.
        variants: pronunciations that were asked for.

    Raises:
        UsageError: rapidfuzz is not installed.
    """
    scored = words.filter(pc.is_valid(words["variants"])).combine_chunks()
    langs, references, said = (scored[name].combine_chunks() for name in ("lang", "prons", "variants"))
    word = pc.list_parent_indices(said).to_numpy()
    pairs = said.flatten()
    sizes = pc.list_value_length(references).to_numpy()
    starts = np.append(0, np.cumsum(sizes[word])).astype(np.int64)
    beside = references.take(pa.array(word)).flatten()
    nearest = distances(pairs.field("pron").to_pylist(), beside.to_pylist(), starts).nearest
    best = np.full(len(scored), np.iinfo(np.int64).max)
    np.minimum.at(best, word, nearest)
    lengths = pc.utf8_length(pc.list_element(references, 0)).to_numpy()
    counts: dict[str, OracleCounts] = {}
    for tag, edits, length in zip(langs.to_pylist(), best.tolist(), lengths.tolist(), strict=True):
        counts[tag] = counts.get(tag, OracleCounts()) + OracleCounts(1, int(edits > 0), length, edits)
    prob = pairs.field("prob").to_numpy().astype(np.float64)
    return Oracle(variants, dict(sorted(counts.items())), _bins(prob, nearest == 0))


def _bins(prob: npt.NDArray[np.float64], right: npt.NDArray[np.bool_]) -> tuple[Bin, ...]:
    number = np.minimum((prob * _BINS).astype(np.int64), _BINS - 1)
    count = np.bincount(number, minlength=_BINS)
    total, good = np.bincount(number, prob, _BINS), np.bincount(number, right, _BINS)
    return tuple(
        Bin(int(count[at]), float(total[at] / count[at]), int(good[at])) for at in np.flatnonzero(count).tolist()
    )
