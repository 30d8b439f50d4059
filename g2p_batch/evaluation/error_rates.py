"""What an evaluation found: counts that add up, the rates that follow from them, and all of it as JSON."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, astuple, dataclass, field
from typing import Any

from g2p_batch.evaluation.calibration import Calibration
from g2p_batch.evaluation.edits import Edit

METRICS: dict[str, tuple[str, str]] = {
    "cer": ("character_edits", "characters"),
    "wer": ("wrong", "scored"),
    "any_cer": ("any_character_edits", "characters"),
    "any_wer": ("any_wrong", "scored"),
    "per": ("phone_edits", "phones"),
    "any_per": ("any_phone_edits", "phones"),
}
"""Rates, each as the field of `ErrorCounts` that is divided and the one that it is divided by.

`cer` is what the metric `cer` of CharsiuG2P's `src/evaluate.py` computes with jiwer: all edits between code points
divided by all code points of the references, first variants alone. `wer` is the share of words that are not exactly the
first variant; upstream has the same figure where pronunciations hold no blanks. The `any_` rates let every variant
count: edits to the nearest one, words that are none of them. They are divided by the same numbers, so they never exceed
the others. `per` and `any_per` are `cer` and `any_cer` over phones.
"""

_SHOWN = 20
"""Errors listed per language in JSON."""


@dataclass(frozen=True)
class ErrorCounts:
    """Counts over the words of one language, or of several.

    Attributes:
        words: of the reference.
        scored: words with a hypothesis; all further counts are over these.
        wrong: words that are not the first variant.
        any_wrong: words that are no variant.
        characters: code points of the first variants.
        character_edits: edits between the code points of hypotheses and first variants.
        any_character_edits: the same for the nearest variants.
        phones: phones of the first variants; 0 without a segmenter.
        phone_edits: edits between the phones of hypotheses and first variants.
        any_phone_edits: the same for the variants nearest in phones.
    """

    words: int = 0
    scored: int = 0
    wrong: int = 0
    any_wrong: int = 0
    characters: int = 0
    character_edits: int = 0
    any_character_edits: int = 0
    phones: int = 0
    phone_edits: int = 0
    any_phone_edits: int = 0

    def __add__(self, other: "ErrorCounts") -> "ErrorCounts":
        return ErrorCounts(*(mine + its for mine, its in zip(astuple(self), astuple(other), strict=True)))

    def rates(self) -> dict[str, float | None]:
        """Return the rates of `METRICS`, None where there is nothing to divide by."""
        counts = asdict(self)
        return {
            name: counts[over] / counts[under] if counts[under] else None for name, (over, under) in METRICS.items()
        }


@dataclass(frozen=True)
class StatusCounts:
    """Scored words of one status: how many, and those of them that are no variant."""

    words: int = 0
    wrong: int = 0

    def __add__(self, other: "StatusCounts") -> "StatusCounts":
        return StatusCounts(self.words + other.words, self.wrong + other.wrong)


@dataclass(frozen=True)
class Evaluation:
    """Pronunciations beside a reference.

    Attributes:
        languages: counts by language, in the order of tags.
        unscored: words without a hypothesis, by reason.
        errors: edits from the phones of the nearest variants to those of the hypotheses, by language.
        calibrations: by the name of a score; of scores that any word has.
        statuses: by language and status of the words that have one.
        lowest: the lowest-scored tenth of each language, by log-probability.
    """

    languages: Mapping[str, ErrorCounts]
    unscored: Mapping[str, int]
    errors: Mapping[str, Counter[Edit]]
    calibrations: Mapping[str, Calibration]
    statuses: Mapping[str, Mapping[str, StatusCounts]] = field(default_factory=dict)
    lowest: Mapping[str, Calibration] = field(default_factory=dict)

    @property
    def total(self) -> ErrorCounts:
        """All words as one list."""
        return sum(self.languages.values(), ErrorCounts())

    @property
    def all_errors(self) -> Counter[Edit]:
        """The errors of all languages."""
        return sum(self.errors.values(), Counter[Edit]())

    @property
    def all_statuses(self) -> dict[str, StatusCounts]:
        """Scored words by status, of all languages."""
        total: dict[str, StatusCounts] = {}
        for statuses in self.statuses.values():
            for status, counts in statuses.items():
                total[status] = total.get(status, StatusCounts()) + counts
        return total

    def mean(self) -> dict[str, float | None]:
        """Return each rate as the mean over the languages that have it, however many words they have."""
        rates = [counts.rates() for counts in self.languages.values()]
        return {name: _mean([rate[name] for rate in rates]) for name in METRICS}

    def to_json(self, provenance: Mapping[str, Any]) -> str:
        """Return everything as a JSON object, after what `provenance` says of its origin."""
        record = dict(provenance) | {
            "languages": {tag: _described(counts) for tag, counts in self.languages.items()},
            "all words": _described(self.total),
            "mean of languages": self.mean(),
            "unscored": dict(self.unscored),
            "errors": {tag: _listed(errors) for tag, errors in self.errors.items()},
            "all errors": _listed(self.all_errors),
            "calibrations": {name: _calibrated(one) for name, one in self.calibrations.items()},
            "lowest-scored tenth": {tag: _calibrated(one) for tag, one in self.lowest.items()},
            "statuses": {
                tag: {status: asdict(counts) for status, counts in statuses.items()}
                for tag, statuses in self.statuses.items()
            },
        }
        return json.dumps(record, indent=1, ensure_ascii=False) + "\n"


def commonest(errors: Counter[Edit], most: int) -> list[tuple[Edit, int]]:
    """Return the most frequent errors with their counts, ties by phone."""
    ranked = sorted(errors.items(), key=lambda pair: (-pair[1], pair[0][0] or "", pair[0][1] or ""))
    return ranked[:most]


def _calibrated(one: Calibration) -> dict[str, Any]:
    return asdict(one) | {"held": one.held, "most": one.most, "lift": one.lift}


def _mean(rates: list[float | None]) -> float | None:
    defined = [rate for rate in rates if rate is not None]
    return sum(defined) / len(defined) if defined else None


def _described(counts: ErrorCounts) -> dict[str, Any]:
    return asdict(counts) | counts.rates()


def _listed(errors: Counter[Edit]) -> list[dict[str, Any]]:
    return [{"wanted": wanted, "got": got, "count": count} for (wanted, got), count in commonest(errors, _SHOWN)]
