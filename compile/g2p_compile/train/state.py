"""A training in the middle: weights, optimizer, random numbers and place, in one file that appears whole."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from g2p_batch.errors import RunError
from g2p_batch.storage.publish import publish
from g2p_compile.train.batches import Cursor
from g2p_compile.train.optimizers import Optimizers

STATE = "state.safetensors"

_RECORD = "record"
_WEIGHT, _OPTIMIZER, _RANDOM = "weight.", "optimizer.", "random."


@dataclass(frozen=True)
class Point:
    """How far a training is.

    Attributes:
        step: steps done.
        words: examples trained on.
        cursor: where the next batch begins.
        best: least mean character error rate measured so far.
    """

    step: int = 0
    words: int = 0
    cursor: Cursor = field(default_factory=Cursor)
    best: float | None = None


@dataclass(frozen=True)
class Saved:
    """A state that was read: its point, and its identity, the recipe and the examples, which must stay to go on."""

    path: Path
    point: Point
    identity: Mapping[str, Any]
    tensors: Mapping[str, Tensor]

    def require(self, identity: Mapping[str, Any]) -> None:
        """Check that a training of this identity may go on from here.

        Raises:
            RunError: it may not; the message names what differs.
        """
        for name in sorted({*identity, *self.identity}):
            was, now = self.identity.get(name), identity.get(name)
            if was != now:
                raise RunError(
                    f"{name} was {was!r} in {self.path}, now {now!r}: give what it was, or train into another folder"
                )

    def restore(self, model: nn.Module, optimizers: Optimizers) -> None:
        """Put weights, optimizer and random numbers back."""
        parameters = dict(model.named_parameters())
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(self.tensors[_WEIGHT + name])
        optimizers.restore(
            {
                name.removeprefix(_OPTIMIZER): tensor
                for name, tensor in self.tensors.items()
                if name.startswith(_OPTIMIZER)
            }
        )
        torch.set_rng_state(self.tensors[_RANDOM + "cpu"])
        if torch.cuda.is_available() and _RANDOM + "cuda" in self.tensors:
            torch.cuda.set_rng_state(self.tensors[_RANDOM + "cuda"])


def save_state(
    folder: Path, point: Point, identity: Mapping[str, Any], model: nn.Module, optimizers: Optimizers
) -> None:
    """Make a state durable in a folder, in place of an earlier one.

    Raises:
        OutputError: it cannot be written.
    """
    tensors = {_WEIGHT + name: parameter.detach() for name, parameter in model.named_parameters()}
    tensors |= {_OPTIMIZER + name: tensor for name, tensor in optimizers.state().items()}
    tensors[_RANDOM + "cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors[_RANDOM + "cuda"] = torch.cuda.get_rng_state()
    whole = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    cursor = point.cursor
    record = {
        "step": point.step,
        "words": point.words,
        "place": {"pool": cursor.pool, "batch": cursor.batch, "drawn": list(cursor.drawn)},
        "best": point.best,
        "facts": dict(identity),
    }
    metadata = {_RECORD: json.dumps(record, sort_keys=True)}
    publish(folder / STATE, lambda draft: save_file(whole, draft, metadata))


def load_state(folder: Path) -> Saved | None:
    """Read the state in a folder; None if there is none.

    Raises:
        RunError: it is damaged.
    """
    path = folder / STATE
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            record = json.loads(file.metadata()[_RECORD])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - the handle is no mapping
        place = record["place"]
        cursor = Cursor(place["pool"], place["batch"], tuple(place["drawn"]))
        point = Point(record["step"], record["words"], cursor, record["best"])
        return Saved(path, point, record["facts"], tensors)
    except (OSError, SafetensorError, ValueError, LookupError, TypeError) as cause:
        raise RunError(f"{path} is damaged ({cause}): delete it and train again") from None
