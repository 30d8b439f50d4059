"""What turns gradients into steps: optimizers, each of some of the parameters."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from g2p_compile.train.recipe import Optimizer, Recipe
from g2p_compile.train.threads import Threads

_BETAS = (0.9, 0.98)
_MOMENTUM = 0.95
_BESIDE_MUON = 1.5
"""AdamW's rate beside Muon's, for what is no matrix of a layer."""

Parameters = Mapping[str, nn.Parameter]


@dataclass(frozen=True)
class Part:
    """An optimizer of some of the parameters, and its rate beside the recipe's."""

    parameters: Parameters
    optimizer: torch.optim.Optimizer
    ratio: float = 1.0


class Optimizers:
    """Steps by gradients."""

    def __init__(self, model: nn.Module, recipe: Recipe, threads: Threads) -> None:
        """Take all parameters of a model; a tied one once."""
        self._threads = threads
        self._parts = _PARTS[recipe.optimizer](dict(model.named_parameters()), recipe, threads.count)

    def step(self, rate: float) -> None:
        """Change the parameters by their gradients, at a rate."""

        def step(part: Part) -> None:
            for group in part.optimizer.param_groups:
                group["lr"] = rate * part.ratio
            part.optimizer.step()

        self._threads.map(step, self._parts)

    def state(self) -> dict[str, Tensor]:
        """Return all that the next step depends on, as `PARAMETER:KEY`."""
        return {
            f"{name}:{key}": torch.as_tensor(value)
            for part in self._parts
            for name, parameter in part.parameters.items()
            for key, value in part.optimizer.state[parameter].items()
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Put a state back."""
        own: dict[str, dict[str, Tensor]] = {}
        for name, tensor in state.items():
            parameter, _, key = name.rpartition(":")
            own.setdefault(parameter, {})[key] = tensor
        for part in self._parts:
            numbered = {number: own[name] for number, name in enumerate(part.parameters) if name in own}
            groups = part.optimizer.state_dict()["param_groups"]
            part.optimizer.load_state_dict({"state": numbered, "param_groups": groups})


def _muon(parameters: Parameters, recipe: Recipe, pieces: int) -> list[Part]:
    """Muon for the matrices of the layers, AdamW for embeddings, head, position bias and norms.

    Jordan 2024 (kellerjordan.github.io/posts/muon), with rates scaled to AdamW's as Liu et al. 2025 do (Moonlight). A
    matrix is nobody else's, so they are dealt to threads.
    """
    names = [name for name, p in parameters.items() if ".layer." in name and p.ndim == 2 and "relative" not in name]
    names.sort(key=lambda name: -parameters[name].numel())  # pieces of like size
    others = {name: p for name, p in parameters.items() if name not in set(names)}
    dealt = [{name: parameters[name] for name in names[piece::pieces]} for piece in range(pieces)]
    parts = [Part(own, _orthogonal(own.values(), recipe)) for own in dealt if own]
    return [*parts, Part(others, _adam(others.values(), recipe), _BESIDE_MUON)]


def _orthogonal(matrices: Iterable[nn.Parameter], recipe: Recipe) -> torch.optim.Optimizer:
    options = {"momentum": _MOMENTUM, "weight_decay": recipe.decay, "adjust_lr_fn": "match_rms_adamw"}
    return torch.optim.Muon(matrices, lr=recipe.rate, **options)


def _adamw(parameters: Parameters, recipe: Recipe, pieces: int) -> list[Part]:
    return [Part(parameters, _adam(parameters.values(), recipe))]


def _adafactor(parameters: Parameters, recipe: Recipe, pieces: int) -> list[Part]:
    optimizer = torch.optim.Adafactor(parameters.values(), lr=recipe.rate, weight_decay=recipe.decay)
    return [Part(parameters, optimizer)]


def _adam(parameters: Iterable[nn.Parameter], recipe: Recipe) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=recipe.rate, betas=_BETAS, weight_decay=recipe.decay, fused=True)


_PARTS: Mapping[Optimizer, Callable[[Parameters, Recipe, int], list[Part]]] = {
    "muon": _muon,
    "adamw": _adamw,
    "adafactor": _adafactor,
}
