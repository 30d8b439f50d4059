"""What turns gradients into steps: one optimizer for all parameters, or two that share them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from g2p_compile.train.recipe import Optimizer, Recipe

_BETAS = (0.9, 0.98)
_MOMENTUM = 0.95
_BESIDE_MUON = 1.5
"""AdamW's rate beside Muon's, for what is no matrix of a layer."""


@dataclass(frozen=True)
class Part:
    """An optimizer of some of the parameters, and its rate beside the recipe's."""

    optimizer: torch.optim.Optimizer
    ratio: float = 1.0


class Optimizers:
    """Steps by gradients."""

    def __init__(self, model: nn.Module, recipe: Recipe) -> None:
        """Take all parameters of a model; a tied one once."""
        self._parts = _PARTS[recipe.optimizer](dict(model.named_parameters()), recipe)

    def step(self, rate: float) -> None:
        """Change the parameters by their gradients, at a rate."""
        for part in self._parts:
            for group in part.optimizer.param_groups:
                group["lr"] = rate * part.ratio
            part.optimizer.step()

    def state(self) -> dict[str, Tensor]:
        """Return all that the next step depends on, by names that stay the same."""
        return {
            f"{place}.{number}.{key}": torch.as_tensor(value)
            for place, part in enumerate(self._parts)
            for number, values in part.optimizer.state_dict()["state"].items()
            for key, value in values.items()
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Put a state back."""
        for place, part in enumerate(self._parts):
            own: dict[int, dict[str, Tensor]] = {}
            for name, tensor in state.items():
                at, number, key = name.split(".", 2)
                if int(at) == place:
                    own.setdefault(int(number), {})[key] = tensor
            groups = part.optimizer.state_dict()["param_groups"]
            part.optimizer.load_state_dict({"state": own, "param_groups": groups})


def _muon(parameters: Mapping[str, nn.Parameter], recipe: Recipe) -> list[Part]:
    """Muon for the matrices of the layers, AdamW for embeddings, head, position bias and norms.

    Jordan 2024 (kellerjordan.github.io/posts/muon), with rates scaled to AdamW's as Liu et al. 2025 do (Moonlight).
    """
    matrices = [p for name, p in parameters.items() if ".layer." in name and p.ndim == 2 and "relative" not in name]
    chosen = {id(p) for p in matrices}
    others = [p for p in parameters.values() if id(p) not in chosen]
    muon = torch.optim.Muon(
        matrices, lr=recipe.rate, momentum=_MOMENTUM, weight_decay=recipe.decay, adjust_lr_fn="match_rms_adamw"
    )
    return [Part(muon), Part(_adam(others, recipe), _BESIDE_MUON)]


def _adamw(parameters: Mapping[str, nn.Parameter], recipe: Recipe) -> list[Part]:
    return [Part(_adam(parameters.values(), recipe))]


def _adafactor(parameters: Mapping[str, nn.Parameter], recipe: Recipe) -> list[Part]:
    return [Part(torch.optim.Adafactor(parameters.values(), lr=recipe.rate, weight_decay=recipe.decay))]


def _adam(parameters: Iterable[nn.Parameter], recipe: Recipe) -> torch.optim.Optimizer:
    return torch.optim.AdamW(parameters, lr=recipe.rate, betas=_BETAS, weight_decay=recipe.decay, fused=True)


_PARTS: Mapping[Optimizer, Callable[[Mapping[str, nn.Parameter], Recipe], list[Part]]] = {
    "muon": _muon,
    "adamw": _adamw,
    "adafactor": _adafactor,
}
