"""Everything that shapes the weights, in one object, and the defaults that depend on other choices."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from g2p_compile.train.batches import Mix

Optimizer = Literal["muon", "adamw", "adafactor"]
Schedule = Literal["cosine", "inverse-sqrt", "linear", "trapezoid"]
Precision = Literal["float32", "bfloat16"]
OPTIMIZERS: tuple[Optimizer, ...] = get_args(Optimizer)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

_RATES: dict[tuple[Optimizer, bool], float] = {
    ("muon", False): 1e-3,
    ("muon", True): 1e-3,
    ("adamw", False): 8e-4,
    ("adamw", True): 2e-4,
    ("adafactor", False): 1e-2,
    ("adafactor", True): 2e-3,
}
"""Peak rates by optimizer and whether training starts from trained weights; Adafactor's are relative to their size."""

_TUNING_DROPOUT = 0.1
_FEW_PASSES = 8
"""Of a fine-tuning that goes through its examples more often than that, which learns them by heart; a model that sees
them fewer times has not learnt them yet (docs/recipe.md)."""

_TUNING_PASSES = 16
_TUNING_IDS = 100 * 8192, 2000 * 8192
"""Passes over the examples of a fine-tuning, and the fewest and most ids that they may be: these take two cores with
bfloat16 instructions less than half an hour."""

_FALLING = 0.2
"""Share of the steps in which the rate of a trapezoid falls: 10 to 20 % bring most of it (Hägele et al. 2024)."""


@dataclass(frozen=True)
class Recipe:
    """How weights come about; the same recipe on the same data, machine and thread count gives the same weights.

    Attributes:
        shape: of random weights to start from, a name or sizes; empty if there is a `start`.
        start: a model to go on from: `bundled`, a folder or a hub id; empty if there is a `shape`.
        steps: of the optimizer.
        rate: at its peak.
        warmup: steps until the peak.
        clip: largest norm of all gradients together.
        decay: of weights, as AdamW has it.
        all_variants: train on every variant of a word, not on the first alone.
        capitals: train on words as they are written, not in small letters.
        precision: of products; weights, sums and the optimizer are float32.
    """

    shape: str = "bundled"
    start: str = ""
    steps: int = 10_000
    optimizer: Optimizer = "muon"
    rate: float = _RATES["muon", False]
    warmup: int = 400
    schedule: Schedule = "cosine"
    clip: float = 1.0
    decay: float = 0.01
    dropout: float = 0.0
    all_variants: bool = False
    capitals: bool = False
    precision: Precision = "float32"
    mix: Mix = field(default_factory=Mix)

    def to_record(self, step: int) -> dict[str, Any]:
        """Return what shaped the weights of a step, as what JSON can hold, without levels."""
        record = dataclasses.asdict(self)
        mix: dict[str, Any] = record.pop("mix")
        if self.schedule == "trapezoid" and step <= self.fall:
            del record["steps"]
        return record | mix

    @property
    def fall(self) -> int:
        """The last step before the rate of a trapezoid falls: up to there the number of steps may be changed."""
        return max(self.warmup, self.steps - int(_FALLING * self.steps))

    def rate_at(self, step: int) -> float:
        """Return the rate of a step, the first being 1."""
        if step < self.warmup:
            return self.rate * step / self.warmup
        return self.rate * SCHEDULES[self.schedule](step, self)


def _gone(step: int, recipe: Recipe) -> float:
    """Return how much of the steps behind the warmup is gone: 0 at the peak, less than 1 at the last step."""
    return (step - recipe.warmup) / (recipe.steps + 1 - recipe.warmup)


SCHEDULES: Mapping[Schedule, Callable[[int, Recipe], float]] = {
    "cosine": lambda step, recipe: (1 + math.cos(math.pi * _gone(step, recipe))) / 2,
    "inverse-sqrt": lambda step, recipe: math.sqrt(max(1, recipe.warmup) / step),
    "linear": lambda step, recipe: 1 - _gone(step, recipe),
    "trapezoid": lambda step, recipe: min(1, (recipe.steps + 1 - step) / (recipe.steps + 1 - recipe.fall)),
}
"""Share of the peak rate that is left at a step behind the warmup."""


def default_rate(optimizer: Optimizer, start: str) -> float:
    """Return a peak rate to begin with."""
    return _RATES[optimizer, bool(start)]


def default_dropout(start: str, passes: float) -> float:
    """Return the share of units to drop, by how often training goes through the examples."""
    return _TUNING_DROPOUT if start and passes > _FEW_PASSES else Recipe.dropout


def default_steps(start: str, ids: int, batch_tokens: int) -> int:
    """Return how many steps to train: for trained weights, by how many ids the examples have."""
    if not start:
        return Recipe.steps
    fewest, most = _TUNING_IDS
    return math.ceil(min(max(fewest, _TUNING_PASSES * ids), most) / batch_tokens)


def default_warmup(steps: int) -> int:
    """Return how many of the steps come before the peak rate."""
    return min(Recipe.warmup, steps // 10)
