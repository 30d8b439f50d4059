"""Everything that shapes the weights, in one object, and the defaults that depend on other choices."""

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from g2p_compile.train.batches import Mix

Optimizer = Literal["adamw", "adafactor"]
Schedule = Literal["cosine", "inverse-sqrt", "linear"]
Precision = Literal["float32", "bfloat16"]
OPTIMIZERS: tuple[Optimizer, ...] = get_args(Optimizer)
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

_RATES: dict[tuple[Optimizer, bool], float] = {
    ("adamw", False): 8e-4,
    ("adamw", True): 2e-4,
    ("adafactor", False): 1e-2,
    ("adafactor", True): 2e-3,
}
"""Peak rates by optimizer and whether training starts from trained weights; Adafactor's are relative to their size."""


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
        precision: of products; weights, sums and the optimizer are float32.
    """

    shape: str = "bundled"
    start: str = ""
    steps: int = 10_000
    optimizer: Optimizer = "adamw"
    rate: float = _RATES["adamw", False]
    warmup: int = 400
    schedule: Schedule = "cosine"
    clip: float = 1.0
    decay: float = 0.01
    dropout: float = 0.0
    all_variants: bool = False
    precision: Precision = "float32"
    mix: Mix = field(default_factory=Mix)

    def to_record(self) -> dict[str, Any]:
        """Return the recipe as what JSON can hold, without levels."""
        record = dataclasses.asdict(self)
        mix: dict[str, Any] = record.pop("mix")
        return record | mix

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
}
"""Share of the peak rate that is left at a step behind the warmup."""


def default_rate(optimizer: Optimizer, start: str) -> float:
    """Return a peak rate to begin with."""
    return _RATES[optimizer, bool(start)]
